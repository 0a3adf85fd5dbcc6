"""The cores' tests once more with AddressSanitizer and UBSan: no byte is read or written outside a buffer."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to build sanitized cores with")
def test_the_cores_touch_nothing_outside_their_buffers(root: Path) -> None:
    chosen = ["tests/property/test_rewriter_programs.py", "tests/native/test_rewriter_window.py"]
    chosen += [
        "tests/native/test_reader.py",
        "tests/native/test_reader_meta.py",
        "tests/native/test_leaks.py",
    ]
    done = subprocess.run(
        [root / "scripts" / "asan-test", *chosen],
        env=os.environ | {"PENSTOCK_EXAMPLES": "0.5"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
