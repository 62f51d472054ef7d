"""`shouwang device send`: an order to a band from this box, followed until its end."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from gateway.desk.configured import CONFIG_WRONG, checked_settings
from gateway.desk.device_words import printable
from gateway.downlink.orders import DownOrder
from gateway.model import BandOrderState, DownCommand
from gateway.told import BandOrderChanged

if TYPE_CHECKING:
    from gateway.config import Settings
    from gateway.desk.incidents import Say
    from gateway.journal.reader import JournalReader

LOOK_EVERY_S = 0.2
PAGE_EVENTS = 500
HAS_IT = frozenset({"delivered", "done"})
ORDERS = MappingProxyType(
    {
        "find": "find",
        "locate": "locate_now",
        "interval": "interval",
        "message": "message",
        "fences": "fences",
        "call-back": "call_back",
    }
)
"""What a person types, and the name of the `DownCommand`."""
WORDS: Mapping[BandOrderState, str] = MappingProxyType(
    {
        "waiting": "等手环上线 waiting for the band",
        "sent": "已发出 sent",
        "delivered": "手环已收到 the band has it",
        "done": "手环已执行 done",
        "refused": "没有执行 refused",
        "expired": "已过期 expired",
        "unsupported": "这款手环做不到 unsupported",
        "given_up": "已作废 given up",
    }
)


def add_to(asks: Any) -> None:
    """Add the sub-command to those of `shouwang device`."""
    words = "give a band an order, and follow it to its end"
    ask = asks.add_parser("send", help=words, description=words)
    ask.set_defaults(run=run)
    ask.add_argument("--config", type=Path, default=Path("config.toml"))
    ask.add_argument(
        "words",
        nargs="+",
        metavar="[DEVICE] ORDER",
        help=f"a band (its identity, or its id on its wire), then one of {', '.join(ORDERS)}",
    )
    ask.add_argument("--wearer", help="instead of a band: every band of this wearer")
    ask.add_argument("--text", help="message: what it is to show")
    ask.add_argument("--seconds", type=int, help="interval: how often it is to report")
    ask.add_argument("--phone", help="call-back: whom it is to ring, E.164")
    ask.add_argument("--wait", type=float, default=30.0, help="follow it for so many seconds (0: do not)")


def run(options: argparse.Namespace) -> int:
    """0 when every band has it (or did it), 1 when one did not, or has not yet; 2 for a wrong command."""
    *device, order = options.words
    if len(device) != (options.wearer is None) or order not in ORDERS:
        print(f"expected DEVICE ORDER, or --wearer W ORDER; orders: {', '.join(ORDERS)}", file=sys.stderr)
        return CONFIG_WRONG
    fields = {"text": options.text, "interval_s": options.seconds, "phone": options.phone}
    return send(
        checked_settings(options.config),
        msgspec.convert({"name": ORDERS[order], **fields}, DownCommand),
        device=device[0] if device else None,
        wearer=options.wearer,
        wait_s=options.wait,
        say=lambda words: print(words, flush=True),
    )


def send(
    settings: Settings,
    down: DownCommand,
    *,
    device: str | None,
    wearer: str | None,
    wait_s: float,
    say: Say,
) -> int:
    """Give the order to the gateway that runs here and tell how it fares; the exit status of `run`."""
    from gateway.desk.device_book import login_name
    from gateway.desk.incidents import order, reader

    name, by = f"desk.{uuid4().hex}", login_name()
    try:
        journal = reader(settings)
    except FileNotFoundError as error:
        say(str(error))
        return 1
    after = journal.last_seq()
    answer = order(settings, command=name, name="send_down", device=device, wearer=wearer, down=down, by=by)
    if not answer.done:
        say(answer.reason)
        return 1
    last: dict[str, BandOrderChanged] = {}
    for told in follow(journal, name, after=after, until_s=wait_s):
        last.pop("", None)  # a band has a word of its own now
        last[told.device] = told
        when, whose = f"{told.at.astimezone():%H:%M:%S}", told.device or told.wearer
        say(" · ".join(part for part in (when, whose, WORDS[told.state], printable(told.detail)) if part))
    if any(not told.final for told in last.values()):
        ends = max(told.until for told in last.values()).astimezone()
        say(f"不再跟踪，指令到 {ends:%H:%M:%S} 前有效 · followed no more; it is of use until then")
    return 0 if last and all(told.state in HAS_IT for told in last.values()) else 1


def follow(journal: JournalReader, order: str, *, after: int, until_s: float) -> Iterator[BandOrderChanged]:
    """What is journalled behind `after` of an order, until it is over or time is up."""
    ends_s = time.monotonic() + until_s
    while True:
        over = not _is_open(journal, order)  # asked first: what ended it is then already written
        while rows := journal.events(after=after, limit=PAGE_EVENTS, kind="band_order"):
            after = rows[-1]["seq"]
            for row in rows:
                told = msgspec.json.decode(row["payload"], type=BandOrderChanged)
                if told.order == order:
                    yield told
        if over or time.monotonic() >= ends_s:
            return
        time.sleep(LOOK_EVERY_S)


def _is_open(journal: JournalReader, order: str) -> bool:
    """Whether the outbox still has it: one row stands for all the bands it is for."""
    bodies = (row["body"] for row in journal.open_outbox() if row["kind"] == "Down")
    return any(msgspec.json.decode(body, type=DownOrder).order == order for body in bodies)
