"""A Penstock platform: STOW-RS whose receipts are signed. One that is not, or is signed by another key, is none."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence

import aiohttp
import orjson

from engine.config import UploaderConfig
from engine.dicom import receipt_block as block
from engine.errors import TransportError
from engine.spool.release import ReceiptKind
from engine.uploader.answers import Item, binary, number
from engine.uploader.carrier import Reply
from engine.uploader.outgoing import OutgoingObject
from engine.uploader.receipt_keys import KEY_BYTES, KeyStore, is_signed
from engine.uploader.stow import CONNECT_SECONDS, StowCarrier
from engine.uploader.trouble import OTHERS, Troubles
from engine.uploader.verdicts import Outcome, Sent, Verdict, digested

KEY_PATH = "/penstock/v1/key"
BAD_SIGNATURE = "receipt-signature"
_DICOM_WEB = "/dicom-web"
_MOST_KEY_ANSWER = 4096
_OK = 200


class PenstockCarrier(StowCarrier):
    """As StowCarrier. The platform's key is the one of the configuration, or the one that `keys` remembers of this address, or is
    asked for once over the verified connection, before the first object is sent.
    """

    receipt = ReceiptKind.SIGNED
    asks_first = (
        True  # a gateway that is fenced, or whose certificate is refused, sends not a byte of an object
    )

    def __init__(self, settings: UploaderConfig, troubles: Troubles, keys: KeyStore) -> None:
        super().__init__(settings, troubles)
        self.receipted = self._signed
        self._keys = keys
        self._root = self.url.removesuffix(_DICOM_WEB)
        self._learning = asyncio.Lock()
        pinned = settings.receipt_key
        self._key = bytes.fromhex(pinned) if pinned is not None else keys.remembered(self._root)

    async def send(self, objects: Sequence[OutgoingObject]) -> Reply:
        """See Carrier."""
        async with self._learning:
            problem = await self._learn() if self._key is None else None
        if problem is not None:
            return Reply(trouble=problem, begun=False)
        reply = await super().send(objects)
        bad = [one.outcome is Outcome.AGAIN and one.reason == BAD_SIGNATURE for one in reply.verdicts]
        if bad and all(bad):  # no object's fault: nothing at all would get through
            return Reply(trouble=self.troubles.of(BAD_SIGNATURE), retry_after=reply.retry_after)
        return reply

    def refusal(self, status: int, content: bytes) -> TransportError:
        """See StowCarrier: the platform tells a gateway that was fenced or revoked so."""
        try:
            code = orjson.loads(content)["error"]["code"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            code = ""
        return self.troubles.of(code) if code in OTHERS else super().refusal(status, content)

    def _signed(self, item: Item, sent: Sent) -> Verdict:
        verdict = digested(item, sent)
        if verdict.outcome is not Outcome.RECEIPT:
            return verdict
        message = block.signed_message(
            sent.sop_instance_uid, sent.digest, sent.size, number(item, block.RECEIVED) or 0
        )
        if self._key is None or not is_signed(self._key, binary(item, block.SIGNATURE), message):
            return Verdict(Outcome.AGAIN, BAD_SIGNATURE)
        return verdict

    async def _learn(self) -> TransportError | None:
        """Ask the platform for its key, and remember it."""
        try:
            async with (
                asyncio.timeout(CONNECT_SECONDS * 2),
                self.session.get(self._root + KEY_PATH, allow_redirects=False, ssl=self.tls) as answer,
            ):
                content = await answer.content.read(_MOST_KEY_ANSWER)
        except (aiohttp.ClientError, OSError, TimeoutError) as problem:
            return self.explain(problem)
        if answer.status != _OK:
            kind = self.troubles.of_status(answer.status)
            return self.troubles.of("receipt-key") if kind.code.endswith("-url") else kind
        key = _key_in(content)
        if key is None:
            return self.troubles.of("receipt-key")
        self._keys.remember(self._root, key)
        self._key = key
        return None


def _key_in(content: bytes) -> bytes | None:
    try:
        key = base64.b64decode(orjson.loads(content)["public_key"], validate=True)
    except (KeyError, TypeError, ValueError):  # binascii's and orjson's errors are ValueErrors
        return None
    return key if len(key) == KEY_BYTES else None
