"""What a person at the box can do with quarantined frames: look at them, and have them judged again."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from sqlite3 import Row
from zoneinfo import ZoneInfo

import msgspec

from gateway.config import Settings
from gateway.desk.device_words import printable
from gateway.errors import HEAD_BYTES
from gateway.journal.reader import JournalReader
from gateway.journal.records import from_ms, to_ms
from gateway.local_orders import Replayed, ReplayQuarantine
from gateway.paths import control_path
from gateway.quarantine import MAX_NUMBERS

CHINA = ZoneInfo("Asia/Shanghai")
AGO = re.compile(r"(\d{1,6})([smhd])")
UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
PAGE = 500
PRINTABLE = range(0x20, 0x7F)

Say = Callable[[str], None]


def since(words: str, now: datetime) -> datetime:
    """A moment from `30m`, `2h`, `1d` (so long ago), or an ISO time, in China where it names no zone.

    Raises ValueError for anything else.
    """
    ago = AGO.fullmatch(words)
    if ago is not None:
        return now - timedelta(seconds=int(ago[1]) * UNIT_S[ago[2]])
    at = datetime.fromisoformat(words)
    return at if at.tzinfo is not None else at.replace(tzinfo=CHINA)


def chosen(
    reader: JournalReader,
    *,
    numbers: Sequence[int] = (),
    reason: str | None = None,
    device: str | None = None,
    since_at: datetime | None = None,
    limit: int | None = None,
) -> Iterator[Row]:
    """The quarantined frames that fit everything asked for, oldest first, at most `limit`."""
    after, left = 0, limit
    while left is None or left > 0:
        rows = reader.quarantined(
            numbers=numbers,
            reason=reason,
            device=device,
            since_ms=to_ms(since_at) if since_at is not None else 0,
            after=after,
            limit=PAGE if left is None else min(PAGE, left),
        )
        if not rows:
            return
        yield from rows
        after = rows[-1]["number"]
        left = None if left is None else left - len(rows)


def lines_of(row: Row) -> list[str]:
    """One frame for the screen: when, where from, why; then its first bytes as hex and as text.

    What comes from outside is shown without what could steer a terminal.
    """
    at = from_ms(row["received_ms"]).astimezone(CHINA)
    head = row["raw"][:HEAD_BYTES]
    text = "".join(chr(byte) if byte in PRINTABLE else "·" for byte in head)
    length = row["length"] or len(row["raw"])
    short = f", {len(row['raw'])} kept" if length > len(row["raw"]) else ""
    claimed = printable(row["device"] or "?")
    where = f"{row['wire']}/{row['protocol']}  {printable(row['peer'])}  device {claimed}"
    why = f"{row['reason']} at byte {row['offset']} ({length} bytes{short})"
    return [
        f"{row['number']}  {at:%Y-%m-%d %H:%M:%S}  {where}  {why}",
        f"    {head.hex(' ')}  |{text}|",
    ]


async def _replay(settings: Settings, order: ReplayQuarantine, say: Say) -> Counter[str]:
    from gateway.transports.control import ask_on

    found: Counter[str] = Counter()
    for start in range(0, len(order.numbers), MAX_NUMBERS):
        part = msgspec.structs.replace(order, numbers=order.numbers[start : start + MAX_NUMBERS])
        async for one in ask_on(control_path(settings), part, Replayed):
            found[one.what] += 1
            say(in_words(one))
    return found


def replay(settings: Settings, order: ReplayQuarantine, say: Say) -> Counter[str]:
    """Have frames judged again by the gateway that runs here, and say what became of each.

    Raises ConnectionError when none runs, OrderRefused when it refuses.
    """
    return asyncio.run(_replay(settings, order, say))


def in_words(one: Replayed) -> str:
    """One line of the answer."""
    match one.what:
        case "taken":
            return f"{one.number}  good now: {one.device} {', '.join(one.readings) or 'no readings'}"
        case "stays":
            return f"{one.number}  stays: {one.reason}"
        case _:
            return f"{one.number}  is not in the quarantine"
