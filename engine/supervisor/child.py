"""What runs in a role's process: `python -m engine.supervisor.child ROLE --config FILE --parent PID`. No
secret is in its arguments.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import sys
from pathlib import Path

import orjson

from engine import log
from engine.allocator import share_arenas
from engine.config import load_gateway
from engine.errors import ConfigError, PenstockError
from engine.process import die_with_parent, leave_no_traces
from engine.spool.layout import Spool
from engine.supervisor.roles import ROLES, role

UNUSABLE = 2  # exit code: starting it again would not help


def main() -> int:
    """Lives as the role that the arguments name; its exit code."""
    parser = argparse.ArgumentParser(prog="engine.supervisor.child")
    parser.add_argument("role", choices=[one.name for one in ROLES])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--parent", type=int, required=True)
    asked = parser.parse_args()
    die_with_parent(asked.parent)
    leave_no_traces()
    share_arenas()
    config = load_gateway(asked.config)
    log.configure(config.log.level, gateway=config.gateway.name)
    try:
        module = importlib.import_module(role(asked.role).module)
        gc.freeze()
        code = module.run(config)
    except PenstockError as error:
        log.get(asked.role).failure("cannot-go-on", error)
        tell(Spool.open(config.spool.path).run, asked.role, error)
        return UNUSABLE if isinstance(error, ConfigError) else 1
    return int(code)


def tell(run_dir: Path, role_name: str, error: PenstockError) -> None:
    """Leaves the reason, with its hint, for the supervisor: the log shows no free text."""
    path = run_dir / f"{role_name}.error"
    path.write_bytes(orjson.dumps(error.describe()))


def told(run_dir: Path, role_name: str) -> PenstockError | None:
    """Takes the reason that a role's process left, if it left one."""
    path = run_dir / f"{role_name}.error"
    try:
        said = orjson.loads(path.read_bytes())
        path.unlink()
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None
    return ConfigError(said["code"], said["message"], hint=said.get("hint", ""))


if __name__ == "__main__":
    sys.exit(main())
