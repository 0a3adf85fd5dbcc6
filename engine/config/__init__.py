"""The configuration of the gateway and of the platform: read once from TOML, checked, frozen, passed down."""

from __future__ import annotations

from engine.config.calculator import CalculatorConfig
from engine.config.destinations import (
    DestinationConfig,
    DicomDestination,
    FolderDestination,
    PenstockDestination,
    S3Destination,
    StowDestination,
    UploaderConfig,
)
from engine.config.enrolment import EnrolmentConfig
from engine.config.gateway import (
    GatewayConfig,
    IdentityConfig,
    MetricsConfig,
    NameConfig,
    PassesConfig,
    PoolConfig,
    ProfileConfig,
    SpoolConfig,
)
from engine.config.loader import load_gateway, load_platform
from engine.config.platform import PlatformConfig, PlatformServerConfig
from engine.config.receiver import PeerConfig, ReceiverConfig, ReceiverTlsConfig
from engine.config.routes import RouteConfig
from engine.config.sections import LogConfig
from engine.config.web import WebConfig

__all__ = [
    "CalculatorConfig",
    "DestinationConfig",
    "DicomDestination",
    "EnrolmentConfig",
    "FolderDestination",
    "GatewayConfig",
    "IdentityConfig",
    "LogConfig",
    "MetricsConfig",
    "NameConfig",
    "PassesConfig",
    "PeerConfig",
    "PenstockDestination",
    "PlatformConfig",
    "PlatformServerConfig",
    "PoolConfig",
    "ProfileConfig",
    "ReceiverConfig",
    "ReceiverTlsConfig",
    "RouteConfig",
    "S3Destination",
    "SpoolConfig",
    "StowDestination",
    "UploaderConfig",
    "WebConfig",
    "load_gateway",
    "load_platform",
]
