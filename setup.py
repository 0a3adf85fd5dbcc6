"""Builds the native cores in `_native/` as `engine._native.*`.

Cython and mypy resolve `cimport engine._native.x` by folder names, and know nothing of setuptools' `package_dir`;
the link tree `build/view/engine/_native -> _native` gives them the folder that they look for.
"""

from __future__ import annotations

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup

ROOT = Path(__file__).resolve().parent
NATIVE = ROOT / "_native"
VIEW = ROOT / "build" / "view" / "engine"
SANITIZE = os.environ.get("PENSTOCK_SANITIZE", "")
ONLY = os.environ.get(
    "PENSTOCK_CORES", ""
).split()  # names of cores; while working on one, the others need not compile

FLAGS = ["-O3", "-fno-semantic-interposition", "-Wall", "-Wno-unused-function", "-fvisibility=hidden"]
LINK: list[str] = []
if SANITIZE:
    FLAGS = ["-O1", "-g", "-fno-omit-frame-pointer", f"-fsanitize={SANITIZE}"]
    LINK = [f"-fsanitize={SANITIZE}"]

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "embedsignature": True,
    "binding": True,
}


def link_view() -> None:
    VIEW.mkdir(parents=True, exist_ok=True)
    link = VIEW / "_native"
    if not link.is_symlink():
        link.symlink_to(Path("..") / ".." / ".." / "_native")


def extensions() -> list[Extension]:
    """One extension a `.pyx`; every `.c` file that is named `<core>_*.c` or listed in a core's `# sources:` belongs to it."""
    found = []
    for pyx in sorted(NATIVE.glob("*.pyx")):
        if ONLY and pyx.stem not in ONLY:
            continue
        first = pyx.read_text(encoding="utf-8").splitlines()[:5]
        extra = [line.split(":", 1)[1].split() for line in first if line.startswith("# sources:")]
        sources = [str(pyx.relative_to(ROOT)), *(f"_native/{name}" for names in extra for name in names)]
        found.append(
            Extension(
                f"engine._native.{pyx.stem}",
                sources,
                include_dirs=["_native"],
                extra_compile_args=FLAGS,
                extra_link_args=LINK,
                depends=[str(h.relative_to(ROOT)) for h in sorted(NATIVE.glob("*.h"))],
            )
        )
    return found


link_view()
setup(
    packages=["engine._native", *find_packages(include=["engine", "engine.*"])],
    package_dir={"engine._native": "_native"},
    package_data={
        "engine._native": ["*.pyx", "*.pxd", "*.pyi", "*.h", "*.c", "py.typed"],
        "engine": [
            "py.typed",
            "**/*.json",
            "**/*.txt",
            "**/*.toml",
            "**/*.html",
            "**/*.css",
            "**/*.js",
            "**/*.svg",
        ],
    },
    ext_modules=cythonize(
        extensions(),
        include_path=["build/view"],
        build_dir="build/cython",
        compiler_directives=DIRECTIVES,
        nthreads=0,
        quiet=True,
    ),
)
