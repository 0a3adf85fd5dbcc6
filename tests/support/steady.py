"""A sender that takes its time, in a process of its own: by a pause behind each answer it is under way as long as a test needs.

    python steady.py PORT CALLED CALLING FOLDER CLONES PAUSE

Sends so many clones of each object in FOLDER on one association; prints the report as `penstock send --json` does.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from engine.scu.association import Target
from engine.sender.load import Load, run


def main(port: str, called: str, calling: str, folder: str, clones: str, pause: str) -> None:
    load = Load(Target("127.0.0.1", int(port), called, calling), (Path(folder),), clones=int(clones))
    print(json.dumps(run(load, lambda _objects, _bytes: time.sleep(float(pause)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
