"""How often strangers may knock: each peer by itself, and all together. Those with a key or a certificate are not counted.

What they ask for cannot be guessed (256 bits); this keeps guessing from costing the aggregator its processor and database.
"""

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from urllib.parse import unquote

# A peer may be a gateway with hundreds of hosts behind it that all enrol at once: they wait a little.
PER_PEER_A_SECOND = 2.0
PER_PEER_AT_ONCE = 60.0
ALL_A_SECOND = 40.0
ALL_AT_ONCE = 400.0
PEERS_MAX = 10_000
_V6_NETWORK_BITS = 64


@dataclass(slots=True)
class _Bucket:
    """How many knocks are left, and since when that is so."""

    a_second: float
    at_once: float
    left: float
    at: float

    def fill(self, now: float) -> None:
        self.left = min(self.at_once, self.left + max(0.0, now - self.at) * self.a_second)
        self.at = now

    @property
    def wait(self) -> float:
        return max(0.0, (1 - self.left) / self.a_second)


class Knocks:
    """The knocks on one aggregator. ``now`` is a steady clock's, in seconds."""

    def __init__(self) -> None:
        self._all = _Bucket(ALL_A_SECOND, ALL_AT_ONCE, ALL_AT_ONCE, 0.0)
        self._peers: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_seconds(self, peer: str, now: float) -> float:
        """0 when it may be answered, and then it is counted; else after how long to come back."""
        name = network(peer)
        own = self._peers.get(name)
        if own is None:
            own = self._peers[name] = _Bucket(PER_PEER_A_SECOND, PER_PEER_AT_ONCE, PER_PEER_AT_ONCE, now)
            if len(self._peers) > PEERS_MAX:
                self._peers.popitem(last=False)
        self._peers.move_to_end(name)
        own.fill(now)
        self._all.fill(now)
        wait = max(own.wait, self._all.wait)
        if not wait:
            own.left -= 1
            self._all.left -= 1
        return wait


def network(peer: str) -> str:
    """Who a peer of gRPC's (``ipv4:192.0.2.1:50``) is counted as: an address, of IPv6 the network of a site."""
    kind, _, rest = peer.partition(":")
    if kind not in {"ipv4", "ipv6"}:
        return kind
    host = unquote(rest).rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return kind
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(IPv6Address(int(address) >> _V6_NETWORK_BITS << _V6_NETWORK_BITS))
    return str(address)
