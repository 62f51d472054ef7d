"""What a TCP port takes in: its settings, whose network an address is, and how fast newcomers may come."""

from __future__ import annotations

import ipaddress
from typing import Any

import msgspec

MAX_NETWORKS = 10_000
"""Networks whose newcomers are counted at a time; past them the one counted longest is forgotten."""


class Listener(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One port: `codec` is the table handed to the protocol's codec as it is.

    A peer is an address, in IPv6 a /64.
    """

    host: str = "127.0.0.1"
    port: int
    protocol: str = "watch"
    max_connections: int = 5000
    max_connections_per_peer: int = 1000
    new_connections_per_peer_per_s: float = 50
    idle_timeout_s: float = 900
    unknown_timeout_s: float = 60
    max_bad_frames: int = 20
    codec: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:  # noqa: PLR2004 - the range of a TCP port
            raise ValueError("port must be 0 to 65535")
        if min(self.max_connections, self.max_connections_per_peer, self.max_bad_frames) < 1:
            raise ValueError(
                "max_connections, max_connections_per_peer and max_bad_frames must be at least 1"
            )
        if min(self.idle_timeout_s, self.unknown_timeout_s, self.new_connections_per_peer_per_s) <= 0:
            raise ValueError(
                "idle_timeout_s, unknown_timeout_s and new_connections_per_peer_per_s must be above 0"
            )


def network_of(host: str) -> str:
    """Whose address this is: an IPv4 address itself, of IPv6 the /64, which one household or host has whole.

    An IPv4 address written in IPv6 (RFC 4291 section 2.5.5.2) is the IPv4 address.
    """
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{ipaddress.IPv6Address(int(address) >> 64 << 64)}/64"


class Newcomers:
    """A token bucket for each network: `burst` connections at once, then `rate_s` a second.

    Bounded: at most `MAX_NETWORKS` buckets, and a full one is not kept.
    """

    __slots__ = ("_buckets", "burst", "rate_s")

    def __init__(self, *, rate_s: float, burst: int) -> None:
        self.rate_s = rate_s
        self.burst = burst
        self._buckets: dict[str, tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, network: str, now_s: float) -> bool:
        """Whether one more of this network may come now."""
        tokens, since_s = self._buckets.pop(network, (float(self.burst), now_s))
        tokens = min(tokens + (now_s - since_s) * self.rate_s, float(self.burst))
        if len(self._buckets) >= MAX_NETWORKS:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[network] = (max(tokens - 1, 0.0) if tokens >= 1 else tokens, now_s)
        return tokens >= 1

    def forget_full(self, now_s: float) -> None:
        """Drop the buckets that have filled up again."""
        for network, (tokens, since_s) in list(self._buckets.items()):
            if tokens + (now_s - since_s) * self.rate_s >= self.burst:
                del self._buckets[network]
