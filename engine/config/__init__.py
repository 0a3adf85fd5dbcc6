"""The configuration of the gateway and of the platform: read once from TOML, checked, frozen, passed down."""

from __future__ import annotations

from engine.config.enrolment import EnrolmentConfig
from engine.config.gateway import (
    GatewayConfig,
    IdentityConfig,
    MetricsConfig,
    NameConfig,
    PassesConfig,
    PeerConfig,
    PoolConfig,
    ProfileConfig,
    ReceiverConfig,
    RouteConfig,
    SpoolConfig,
    UploaderConfig,
)
from engine.config.loader import load_gateway, load_platform
from engine.config.platform import PlatformConfig, PlatformServerConfig
from engine.config.sections import LogConfig

__all__ = [
    "EnrolmentConfig",
    "GatewayConfig",
    "IdentityConfig",
    "LogConfig",
    "MetricsConfig",
    "NameConfig",
    "PassesConfig",
    "PeerConfig",
    "PlatformConfig",
    "PlatformServerConfig",
    "PoolConfig",
    "ProfileConfig",
    "ReceiverConfig",
    "RouteConfig",
    "SpoolConfig",
    "UploaderConfig",
    "load_gateway",
    "load_platform",
]
