"""What the supervisor tells people on a terminal: what listens where, and what it waits for; later, warnings
in plain words.
"""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from engine.config import GatewayConfig
from engine.config.destinations import place_of
from engine.version import VERSION


def opening(config: GatewayConfig, warnings: dict[str, str], metrics_port: int) -> str:
    """A few lines, for the moment when all roles have been started."""
    receiver = config.receiver
    peers = ", ".join(f"{peer.ae_title} from {peer.network}" for peer in receiver.peers) or "nobody"
    port = str(receiver.port) if receiver.port else "a free port (see the log)"
    lines = [
        f"Penstock {VERSION} · {config.gateway.name}",
        f"  receives   as {receiver.ae_title} on {receiver.host} port {port}, from {peers}",
        f"  keeps      up to {config.spool.max_bytes / 1e9:,.1f} GB in {config.spool.path}",
        f"  rewrites   by the profile {config.profile.name}, with {config.pool.workers} workers",
        *_routes(config),
        *(f"  delivers   to {one.name}: {place_of(one)}" for one in config.every_destination()),
    ]
    if metrics_port:
        lines.append(
            f"  tells      http://{config.metrics.host}:{metrics_port}/metrics, /healthz, /readyz; / is a page"
        )
    lines += [f"  warning: {warning}" for warning in warnings.values()]
    lines.append("It waits for C-STORE. Ctrl-C ends it: what was received is finished first.")
    return "\n".join(lines)


def _routes(config: GatewayConfig) -> Iterator[str]:
    """One line for each route: by which profile, and where to if there is a choice."""
    several = len(config.every_destination()) > 1
    for route in config.routes:
        profile, destination = config.way(route)
        goes = f", for {destination}" if several else ""
        yield f"             by {profile} what {', '.join(route.titles)} sends{goes}"
    if several:
        yield f"             for {config.default_destination} what nobody's route says otherwise"


def spoken(line: bytes) -> str | None:
    """A log line of a role for a person; None for what people need not see on a terminal."""
    try:
        said = orjson.loads(line)
        if said["level"] not in {"warning", "error"}:
            return None
        event = str(said["event"]).replace("-", " ")
        own = {"time", "level", "logger", "event", "pid", "gateway"}
        rest = ", ".join(f"{name} {value}" for name, value in said.items() if name not in own)
        return f"{said['time'][11:19]} {said['logger']}: {event}" + (f" ({rest})" if rest else "")
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return line.decode("utf-8", "replace").rstrip()
