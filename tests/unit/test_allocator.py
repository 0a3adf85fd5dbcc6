"""Threads share malloc's arenas."""

from __future__ import annotations

import subprocess
import sys

PROBE = """
import ctypes, sys, tempfile, threading
from engine.allocator import share_arenas
if sys.argv[1] == "shared":
    share_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
everybody = threading.Barrier(12)
def allocate():
    everybody.wait()
    for _ in range(100):
        libc.malloc(1000)
    everybody.wait()
threads = [threading.Thread(target=allocate) for _ in range(12)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc.fopen.restype = ctypes.c_void_p
with tempfile.NamedTemporaryFile() as file:
    stream = ctypes.c_void_p(libc.fopen(file.name.encode(), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(file.read().count(b"<heap "))
"""


def arenas(how: str) -> int:
    told = subprocess.run([sys.executable, "-c", PROBE, how], check=True, capture_output=True, text=True)
    return int(told.stdout)


def test_twelve_threads_share_two_arenas() -> None:
    assert arenas("shared") <= 2
    assert arenas("default") > 2, "the probe sees arenas"
