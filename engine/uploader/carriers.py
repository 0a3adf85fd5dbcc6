"""From a destination's configuration to what carries objects there."""

from __future__ import annotations

from engine.config import (
    DestinationConfig,
    DicomDestination,
    FolderDestination,
    PenstockDestination,
    S3Destination,
    StowDestination,
)
from engine.config.destinations import PLATFORM, section_of
from engine.spool.layout import Spool
from engine.uploader.carrier import Carrier
from engine.uploader.trouble import Troubles

_PLACES = {DicomDestination: "host", FolderDestination: "path", S3Destination: "endpoint"}


def troubles_of(destination: DestinationConfig) -> Troubles:
    """The words for what goes wrong with a destination."""
    place = _PLACES.get(type(destination), "url")
    if isinstance(destination, PenstockDestination):
        who = "the platform" if destination.name == PLATFORM else f"the platform {destination.name}"
        return Troubles("platform", who, section_of(destination), place)
    return Troubles("destination", f"the destination {destination.name}", section_of(destination), place)


def carrier_for(destination: DestinationConfig, spool: Spool) -> Carrier:
    """Inside a running event loop. Raises ConfigError when a file that the configuration names cannot be used.

    A kind is imported where it is used: pynetdicom alone costs 40 MB and half a second.
    """
    troubles = troubles_of(destination)
    match destination:
        case PenstockDestination():
            from engine.uploader.penstock import PenstockCarrier
            from engine.uploader.receipt_keys import KeyStore

            return PenstockCarrier(destination, troubles, KeyStore(spool.root))
        case StowDestination():
            from engine.uploader.stow import StowCarrier

            return StowCarrier(destination, troubles)
        case DicomDestination():
            from engine.uploader.dicom import DicomCarrier

            return DicomCarrier(destination, troubles)
        case FolderDestination():
            from engine.uploader.folder import FolderCarrier

            return FolderCarrier(destination, troubles)
        case S3Destination():
            from engine.uploader.s3 import S3Carrier

            return S3Carrier(destination, troubles)
