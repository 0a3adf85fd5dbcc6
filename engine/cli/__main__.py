"""`python -m engine.cli` is `penstock`."""

from __future__ import annotations

import sys

from engine.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
