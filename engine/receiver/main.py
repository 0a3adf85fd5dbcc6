"""The receiver role: one process, or several that share the listening socket."""

from __future__ import annotations

from engine.config.gateway import GatewayConfig
from engine.receiver.server import listen, serve_process


def run(config: GatewayConfig) -> int:
    """Receives until SIGTERM, drains, and returns the exit code. TransportError if the port cannot be had."""
    with listen(config.receiver.host, config.receiver.port) as listener:
        return serve_process(config, listener, 0)
