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


FRAGMENTS = """
import ctypes, os, sys
from engine.allocator import Tidying
from engine.process import resident_bytes
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
tidying = Tidying(float(sys.argv[1]))
blocks = [libc.malloc(20_000) for _ in range(2_000)]
for block in blocks:
    ctypes.memset(block, 1, 20_000)
last = libc.malloc(20_000)  # the heap's top stays in use
for block in blocks:
    libc.free(block)
before = resident_bytes(os.getpid())
tidying.look()
print(before - resident_bytes(os.getpid()))
"""


def given_back(every: float) -> int:
    command = [sys.executable, "-c", FRAGMENTS, str(every)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_memory_below_the_top_of_the_heap_is_given_back_when_it_is_time() -> None:
    assert given_back(0.0) > 30_000_000
    assert given_back(60.0) < 1_000_000
