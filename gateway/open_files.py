"""How many sockets and files this process may have open: as many as the machine lets it."""

from __future__ import annotations

import logging
import resource
from collections.abc import Iterable
from typing import Any

BESIDES = 128
"""Files that are no band's connection: journal, logs, carriers, the portal link."""
MOST = 1 << 20

log = logging.getLogger(__name__)


def wanted(transports: Iterable[Any]) -> int:
    """How many open files the `max_connections` of these transports' settings add up to."""
    doors = [door for one in transports for door in (one, *getattr(one, "listeners", ()))]
    return BESIDES + sum(getattr(door, "max_connections", 0) for door in doors)


def allow(count: int) -> int:
    """Raise the soft limit of open files to the hard one and give it; warn when it is below `count`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard > MOST:
        hard = max(MOST, soft)
    if soft != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        soft = hard
    if soft != resource.RLIM_INFINITY and soft < count:
        log.warning(
            "this process may open %d files, but max_connections needs %d:"
            " raise LimitNOFILE of the service, or lower max_connections",
            soft,
            count,
        )
    return soft
