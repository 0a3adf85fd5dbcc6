"""values.h on its own: UIDs, dates and ages, compiled here and compared with what Python and numpy know."""

from __future__ import annotations

import ctypes
import datetime
import random
import subprocess
import uuid
from pathlib import Path

import numpy as np
import pytest

NATIVE = Path(__file__).resolve().parents[2] / "_native"
SHIM = """
#include <stddef.h>
#include "values.h"
size_t uid(const uint8_t *digest, uint8_t *out) { return ps_uid_from_digest(digest, out); }
int shift(uint8_t *p, size_t n, int days) { return ps_shift_date(p, n, days); }
int truncate_date(uint8_t *p, size_t n) { return ps_truncate_date(p, n); }
int age(uint8_t *p, size_t n) { return ps_generalise_age(p, n); }
void civil(int64_t first, size_t n, int *out, int64_t *back) {
    for (size_t i = 0; i < n; ++i, out += 3) {
        ps_civil(first + (int64_t)i, out, out + 1, out + 2);
        back[i] = ps_days(out[0], out[1], out[2]);
    }
}
"""


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("values")
    (folder / "shim.c").write_text(SHIM)
    flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{NATIVE}"]
    subprocess.run(["gcc", *flags, "-o", folder / "shim.so", folder / "shim.c"], check=True)
    library = ctypes.CDLL(str(folder / "shim.so"))
    library.uid.restype = ctypes.c_size_t
    return library


def change(function: object, value: bytes, *more: int) -> bytes | None:
    """The value as `function` leaves it; None when it says that it could not read it, and then it must be untouched."""
    buffer = (ctypes.c_uint8 * (len(value) or 1)).from_buffer_copy(value or b"\0")
    done = function(buffer, ctypes.c_size_t(len(value)), *more)  # type: ignore[operator]
    after = bytes(buffer)[: len(value)]
    assert done or after == value
    return after if done else None


# ---- UIDs ------------------------------------------------------------------------------------------------------------


def uid_of(values: ctypes.CDLL, digest: bytes) -> str:
    out = (ctypes.c_uint8 * 64)()
    size = values.uid(digest, out)
    assert size <= 44
    return bytes(out)[:size].decode()


@pytest.mark.parametrize(
    "start", [bytes(16), b"\xff" * 16, bytes(15) + b"\1", b"\0" * 8 + b"\xff" * 8, b"\xff" * 8 + b"\0" * 8]
)
def test_a_uid_is_the_decimal_of_a_uuid(values: ctypes.CDLL, start: bytes) -> None:
    of_uuid = uuid.UUID(uid_hex(start))
    assert uid_of(values, start + bytes(16)) == f"2.25.{of_uuid.int}"
    assert (of_uuid.version, of_uuid.variant) == (8, uuid.RFC_4122)


def uid_hex(digest: bytes) -> str:
    b = bytearray(digest[:16])
    b[6] = b[6] & 0x0F | 0x80
    b[8] = b[8] & 0x3F | 0x80
    return b.hex()


def test_any_digest_gives_the_uid_of_its_first_half(values: ctypes.CDLL) -> None:
    source = random.Random(25)
    for _ in range(2000):
        # Long runs of zeros, too: they are where digits get lost.
        digest = (source.getrandbits(128) >> source.choice((0, 0, 60, 64, 100, 127))).to_bytes(16, "big")
        assert uid_of(values, digest + source.randbytes(16)) == f"2.25.{uuid.UUID(uid_hex(digest)).int}"


# ---- dates -----------------------------------------------------------------------------------------------------------


def test_every_day_of_the_calendar_is_right(values: ctypes.CDLL) -> None:
    first = datetime.date.min.toordinal() - datetime.date(1970, 1, 1).toordinal()
    count = datetime.date.max.toordinal() - datetime.date.min.toordinal() + 1
    days = np.empty((count, 3), dtype=np.int32)
    back = np.empty(count, dtype=np.int64)
    values.civil(
        ctypes.c_int64(first),
        ctypes.c_size_t(count),
        days.ctypes.data_as(ctypes.c_void_p),
        back.ctypes.data_as(ctypes.c_void_p),
    )
    numbers = np.arange(first, first + count)
    assert np.array_equal(back, numbers)
    dates = numbers.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    assert np.array_equal(days[:, 0], dates.astype("datetime64[Y]").astype(int) + 1970)
    assert np.array_equal(days[:, 1], months.astype(int) % 12 + 1)
    assert np.array_equal(days[:, 2], (dates - months).astype(int) + 1)


@pytest.mark.parametrize(
    ("value", "days", "shifted"),
    [
        (b"20200301", -1, b"20200229"),
        (b"20210301", -1, b"20210228"),
        (b"20200101", -1, b"20191231"),
        (b"19991231", 1, b"20000101"),
        (b"20200101", -3650, b"20100103"),
        (b"2020.03.01", -1, b"2020.02.29"),
        (b"20200301235959", -1, b"20200229235959"),
        (b"2020030123", -1, b"2020022923"),
        (b"20200301235959.123456+0100", -1, b"20200229235959.123456+0100"),
        (b"20200301-0500", -1, b"20200229-0500"),
        (b"00010102", -1, b"00010101"),
        (b"99991230", 1, b"99991231"),
    ],
)
def test_dates_shift_by_whole_days_and_times_stay(
    values: ctypes.CDLL, value: bytes, days: int, shifted: bytes
) -> None:
    assert change(values.shift, value, days) == shifted


NO_DATES = [
    b"",
    b"2020",
    b"202003",
    b"2020030",
    b"00000301",
    b"20200001",
    b"20201301",
    b"20200100",
    b"20200132",
    b"2020-03-01",
    b"2020030a",
    b"20200301 SMITH",
    b"20200301^SMITH^JOHN",
    b"20200101-20200202",
    b"202003011",
    b"20200301235959.",
    b"20200301235959.1234567",
    b"20200301235959+01",
    b"2020030123595901",
    b"20200301.5",
    b"2020.03.01.",
    b"2020.03.01 1200",
    b"SMITH^JOHN",
    b" 20200301",
    b"20200301\0",
]


@pytest.mark.parametrize("value", NO_DATES)
def test_what_is_no_full_date_is_neither_shifted_nor_truncated(values: ctypes.CDLL, value: bytes) -> None:
    assert change(values.shift, value, -7) is None
    assert change(values.truncate_date, value) is None


@pytest.mark.parametrize(("value", "days"), [(b"00010101", -1), (b"99991231", 1), (b"00050101", -3650)])
def test_a_date_is_not_shifted_out_of_the_calendar(values: ctypes.CDLL, value: bytes, days: int) -> None:
    assert change(values.shift, value, days) is None


@pytest.mark.parametrize(
    ("value", "truncated"),
    [
        (b"20200315", b"20200101"),
        (b"2020.03.15", b"2020.01.01"),
        (b"20200315123059.5+0100", b"20200101             "),
    ],
)
def test_a_truncated_date_tells_the_year_and_nothing_else(
    values: ctypes.CDLL, value: bytes, truncated: bytes
) -> None:
    assert change(values.truncate_date, value) == truncated


# ---- ages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "general"),
    [
        (b"045Y", b"045Y"),
        (b"089Y", b"089Y"),
        (b"090Y", b"090Y"),
        (b"094Y", b"090Y"),
        (b"999Y", b"090Y"),
        (b"999M", b"999M"),
        (b"012W", b"012W"),
        (b"003D", b"003D"),
    ],
)
def test_ages_above_89_years_become_90(values: ctypes.CDLL, value: bytes, general: bytes) -> None:
    assert change(values.age, value) == general


@pytest.mark.parametrize("value", [b"", b"94Y", b"94", b"0094Y", b"09 Y", b"094y", b"094X", b"-94Y"])
def test_what_is_no_age_is_not_taken_for_one(values: ctypes.CDLL, value: bytes) -> None:
    assert change(values.age, value) is None
