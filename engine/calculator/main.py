"""The calculator's process: serves the hospital's network until SIGTERM, and asks the keeper for secrets when it must."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

from engine import log
from engine.calculator.app import Calculator
from engine.calculator.asking import PlatformClient
from engine.config import CalculatorConfig, GatewayConfig
from engine.enrolment.pinned import CIPHERS
from engine.errors import ConfigError
from engine.keeper.client import fetch_secrets
from engine.pages.lookup import Version
from engine.pages.serving import listen, serve_all, server
from engine.pseudonymize.identity import HashSecret
from engine.spool.layout import Spool

SECRET_SECONDS = 3.0
GRACE_SECONDS = 5
_LOG = log.get("calculator")


def run(config: GatewayConfig) -> int:
    """Serve until SIGTERM or SIGINT; 0. Raises ConfigError for what cannot be used."""
    settings = config.calculator
    if settings is None:
        raise ConfigError("calculator-section", "the configuration has no [calculator]")
    context = server_context(settings)
    calculator = Calculator(
        settings, PlatformClient.of(config), lambda: versions(config), issuer=config.identity.issuer
    )
    with listen(settings.host, settings.port, "calculator.port") as listening:
        _LOG.info("listening", host=settings.host, port=listening.getsockname()[1])
        one = server(calculator.app(), context, grace=GRACE_SECONDS)
        asyncio.run(serve_all([one], [listening]))
    return 0


def versions(config: GatewayConfig) -> Sequence[Version]:
    """Every version of the hash secret, the one in force first, fetched anew. Raises ConfigError where there is none."""
    if config.identity.secret_file is not None:
        return [Version(1, HashSecret.load(config.identity.secret_file), current=True)]
    run_dir = Spool.open(config.spool.path, create=False).run
    secrets = fetch_secrets(run_dir, SECRET_SECONDS).versions
    return [Version(len(secrets) - at, one, current=at == 0) for at, one in enumerate(secrets)]


def server_context(settings: CalculatorConfig) -> ssl.SSLContext:
    """TLS 1.2 or newer with AEAD suites alone. Raises ConfigError that names the files that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(settings.certificate, settings.key)
    except (ssl.SSLError, OSError) as problem:
        raise ConfigError(
            "calculator-certificate",
            f"cannot use the certificate {settings.certificate} with the key {settings.key}",
            hint="both must be PEM, readable by this user, and belong to each other",
        ) from problem
    return context
