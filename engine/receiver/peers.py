"""What is counted of each configured peer, under the name that the configuration gives it; how many associations it may have."""

from __future__ import annotations

from engine.config.receiver import ReceiverConfig
from engine.metrics.meter import Meter, Value
from engine.receiver.listening import Shares

NAMED = 48  # peers with numbers of their own; the rest shares one label, since a process has room for so many metrics
OTHERS = "others"


class Peer:
    """One peer's numbers in this process, and its share of the gateway's associations."""

    def __init__(self, meter: Meter, shares: Shares, process: int, index: int, label: str, most: int) -> None:
        self._shares = shares
        self._process = process
        self._index = index
        self._most = most
        self._open = meter.value("penstock_peer_associations_open", peer=label)
        self._accepted = meter.value("penstock_peer_associations_total", peer=label)
        self._turned_away = meter.value("penstock_peer_turned_away_total", peer=label)
        self.objects: Value = meter.value("penstock_peer_objects_total", peer=label)
        self.bytes: Value = meter.value("penstock_peer_bytes_total", peer=label)
        self.refused: Value = meter.value("penstock_peer_refused_objects_total", peer=label)
        self.slowed: Value = meter.value("penstock_peer_slowed_seconds_total", peer=label)

    def admits(self) -> bool:
        """False, and counted, if it has all the associations that it may have. Two processes that ask at the same moment may both
        say yes."""
        if self._shares.of_peer(self._index) < self._most:
            return True
        self._turned_away.add()
        return False

    def began(self) -> None:
        """An association more."""
        self._shares.add(self._process, self._index, 1)
        self._open.add()
        self._accepted.add()

    def ended(self) -> None:
        """An association less."""
        self._shares.add(self._process, self._index, -1)
        self._open.add(-1)


class Peers:
    """All configured peers, by their place in the configuration."""

    def __init__(self, config: ReceiverConfig, process: int, shares: Shares, meter: Meter) -> None:
        few = len(config.peers) <= NAMED
        self._peers = [
            Peer(
                meter,
                shares,
                process,
                index,
                config.peer_name(index) if few or index < NAMED - 1 else OTHERS,
                peer.associations,
            )
            for index, peer in enumerate(config.peers)
        ]

    def __getitem__(self, index: int) -> Peer:
        return self._peers[index]
