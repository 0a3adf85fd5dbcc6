"""One hierarchy of errors. Each carries a code (stable, for scripts and metrics), whether a retry can help, and, where an
object is the cause, the tag and byte offset. Messages never hold a value taken from a data set: they are logged."""

from __future__ import annotations


class PenstockError(Exception):
    """Something that Penstock foresaw.

    `code` is a short kebab-case word; `hint` tells a person what to do next; `tag` is (group << 16 | element).
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str = "",
        retryable: bool = False,
        offset: int | None = None,
        tag: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.retryable = retryable
        self.offset = offset
        self.tag = tag

    def __reduce__(self) -> tuple[object, ...]:
        return (
            _rebuild,
            (type(self), self.code, self.message, self.hint, self.retryable, self.offset, self.tag),
        )

    def __str__(self) -> str:
        where = ""
        if self.tag is not None:
            where += f" at ({self.tag >> 16:04X},{self.tag & 0xFFFF:04X})"
        if self.offset is not None:
            where += f" at byte {self.offset}"
        return f"{self.message}{where}" + (f"; {self.hint}" if self.hint else "")

    def describe(self) -> dict[str, object]:
        """The error as a JSON object: code, message, hint, tag as "(gggg,eeee)" and offset, without what is unknown."""
        told: dict[str, object] = {"code": self.code, "message": self.message}
        if self.hint:
            told["hint"] = self.hint
        if self.tag is not None:
            told["tag"] = f"({self.tag >> 16:04X},{self.tag & 0xFFFF:04X})"
        if self.offset is not None:
            told["offset"] = self.offset
        return told


def _rebuild(
    kind: type[PenstockError],
    code: str,
    message: str,
    hint: str,
    retryable: bool,
    offset: int | None,
    tag: int | None,
) -> PenstockError:
    return kind(code, message, hint=hint, retryable=retryable, offset=offset, tag=tag)


class ConfigError(PenstockError):
    """A configuration, secret or profile that cannot be used; exit code 2."""


class Refusal(PenstockError):
    """An object that cannot be treated with certainty; it is quarantined, the rest goes on."""


class SpoolError(PenstockError):
    """The spool cannot take or keep an object: full, not writable, or a failed fsync."""


class TransportError(PenstockError):
    """A peer that cannot be reached, or an answer that is no receipt."""
