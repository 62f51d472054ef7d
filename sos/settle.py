"""What became of a leg whose outcome was lost: look at the carrier's list until it is certain.

Absent is said only when a look begun `settle_s` after the outcome was lost could be read and had nothing:
a list may lag behind (12 s were measured), and a look begun earlier proves nothing.
When the list cannot be read for long, the leg is given up as absent too: ring again, and count it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from sos.carriers.base import CarrierError

FIRST_LOOK_S = 0.5
SLOWEST_LOOK_S = 3.0


class NeverPlaced(Exception):
    """The late answer of the carrier came after all, and it was no."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reference` when the carrier has the leg; else absent, and `certain` says whether that was seen."""

    reference: str | None
    certain: bool = True


async def settle(
    look: Callable[[], Awaitable[str | None]],
    *,
    absent_at: datetime,
    hopeless_at: datetime,
    now: Callable[[], datetime],
    sleep: Callable[[float], Awaitable[None]],
) -> Verdict:
    """Look again and again until the leg is found, or certainly absent, or `hopeless_at` is past.

    1. Look; found ends it.
    2. A look that began at `absent_at` or later and found nothing ends it: absent.
    3. A list that cannot be read proves nothing; after `hopeless_at` it ends as absent, not certain.
    4. Wait a little longer than before, but not past `absent_at`, and look again.
    """
    pause_s = FIRST_LOOK_S
    while True:
        began_at = now()
        try:
            reference = await look()
        except NeverPlaced:
            return Verdict(None)
        except CarrierError:
            if now() >= hopeless_at:
                return Verdict(None, certain=False)
        else:
            if reference is not None:
                return Verdict(reference)
            if began_at >= absent_at:
                return Verdict(None)
        left_s = (absent_at - now()).total_seconds()
        await sleep(min(pause_s, left_s) if left_s > 0 else pause_s)
        pause_s = min(pause_s * 1.5, SLOWEST_LOOK_S)
