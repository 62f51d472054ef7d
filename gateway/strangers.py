"""How many frames of strangers are kept: enough to find a new band, too few to fill the disk. Pure.

Whoever reaches a wire without a login may send as much as it likes; each kept frame is a row on the disk,
and pushes an older one out of the quarantine.
So each network has a bucket, and all of them together: so many frames at once, then so many a second.
Nothing a stranger sends is ever acknowledged as stored, so a frame that is not kept breaks no promise.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

AT_ONCE, A_SECOND = 200.0, 0.5
"""Of one network."""
ALL_AT_ONCE, ALL_A_SECOND = 1000.0, 2.0
"""Of all together: a flood from everywhere takes more than an hour to turn over a full quarantine."""
MAX_NETWORKS = 10_000
"""Networks whose frames are counted at a time; past them the one unheard longest is forgotten."""


class Bucket:
    """So many at once, then so many a second; a clock that goes back fills nothing and takes nothing."""

    __slots__ = ("_a_second", "_at", "_at_once", "left")

    def __init__(self, at_once: float, a_second: float, now: datetime) -> None:
        self._at_once = self.left = at_once
        self._a_second = a_second
        self._at = now

    def fill(self, now: datetime) -> Bucket:
        """Let the time since the last look run in; gives itself."""
        passed_s = max((now - self._at).total_seconds(), 0.0)
        self.left = min(self.left + passed_s * self._a_second, self._at_once)
        self._at = now
        return self


class Strangers:
    """Who has sent how much of late."""

    def __init__(self) -> None:
        self._all: Bucket | None = None
        self._of: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._of)

    def keep(self, network: str, now: datetime) -> bool:
        """Whether one more frame of this network is kept; it is counted if so."""
        everybody = self._all = (self._all or Bucket(ALL_AT_ONCE, ALL_A_SECOND, now)).fill(now)
        bucket = self._of[network] = (self._of.get(network) or Bucket(AT_ONCE, A_SECOND, now)).fill(now)
        self._of.move_to_end(network)
        if len(self._of) > MAX_NETWORKS:
            self._of.popitem(last=False)
        if min(bucket.left, everybody.left) < 1:
            return False
        bucket.left -= 1
        everybody.left -= 1
        return True
