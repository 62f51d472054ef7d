"""Bands provisioned from the portal: what `shouwang device add`, `rotate` and `revoke` do, by the same book.

The store of bands is a file of its own (docs/adr/0012), so an order is two steps:

1. the order, without any secret, is journalled; only then is the store changed, in a thread of its own;
2. the answer and the sealed key are journalled together, and the order is forgotten.

Killed in between, the order is carried out again: the store's log says that this order was there before,
and a band whose key nobody saw gets another one. The key is in no file at all, only its derivations, and what
is sealed to the public key of the order (docs/adr/0023).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from gateway.bands.keys import new_key
from gateway.bands.sealing import is_public_key, seal
from gateway.config import Settings
from gateway.desk.device_book import Asked, Refused, changing
from gateway.desk.device_sheet import issued, logs_in, qr_content, secrets_of, typed, wires
from gateway.downlink.rows import Pending
from gateway.errands.slips import LATER, OWNERS, Later, answer, errand_of
from gateway.errors import ShouwangError
from gateway.journal.records import EventRow, Record, to_ms
from gateway.outbox import Journal
from gateway.plugins import names
from gateway.told import PortalCommand
from gateway.told_orders import BandKeyTold

OWNER: Final = OWNERS + "band/"
MOST_WAITING = 50
BROKER = "the site's own broker goes by its old files: run `shouwang device mosquitto` on the box"
NAMES: Final = ("register_band", "rekey_band", "revoke_band")

log = logging.getLogger(__name__)


class Done(NamedTuple):
    """What came of an order: why not, or a remark; and what is to be typed into the band."""

    done: bool
    reason: str = ""
    told: BandKeyTold | None = None


class BandOrders:
    """Orders about bands under way, one after the other; `settings()` are those in force."""

    def __init__(
        self, *, settings: Callable[[], Settings], journal: Journal, now: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._now = now
        self._waiting: dict[str, PortalCommand] = {}
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Take over the orders that the last run had not carried out, or not answered."""
        for owner, body in states.items():
            if owner.startswith(OWNER):
                try:
                    command = msgspec.json.decode(body, type=PortalCommand)
                except msgspec.DecodeError:
                    log.exception("%s cannot be read and is left out", owner)
                else:
                    self._waiting[command.command] = command
        if self._waiting:
            self._changed.set()

    def order(
        self, command: PortalCommand, record: Record, pending: Pending, now: datetime
    ) -> str | Later | None:
        """Take an order within this record, or give the reason why not."""
        del pending, now
        if command.command in self._waiting:
            return LATER
        if not command.by:
            return "an order about a band needs the name of who gives it"
        if command.name != "revoke_band" and not is_public_key(command.seal_to or ""):
            return "seal_to is no X25519 public key in base64"
        if len(self._waiting) >= MOST_WAITING:
            return "too many orders about bands wait"
        self._waiting[command.command] = command
        record.states[OWNER + errand_of(command.command)] = msgspec.json.encode(command)
        self._changed.set()
        return LATER

    async def run(self) -> None:
        """Carry orders out, each once it is on the disk, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._on_disk()
            for command in tuple(self._waiting.values()):
                self._answer(command, await asyncio.to_thread(carry_out, command, self._settings()))

    async def _on_disk(self) -> None:
        """Wait until whatever was journalled before is committed."""
        committed = asyncio.Event()
        self._journal.append(Record(committed=lambda _: committed.set(), urgent=True))
        await committed.wait()

    def _answer(self, command: PortalCommand, done: Done) -> None:
        record, now = Record(urgent=True), self._now()
        record.rest.forgotten.append(OWNER + errand_of(command.command))
        if done.told is not None:
            at_ms, body = to_ms(now), msgspec.json.encode(done.told)
            record.events.append(
                EventRow(at_ms, at_ms, "band_key", done.told.device, command.wearer, None, body, None)
            )
        answer(command.command, record, now, done=done.done, reason=done.reason, wearer=command.wearer)
        del self._waiting[command.command]
        self._journal.append(record)


def carry_out(command: PortalCommand, settings: Settings) -> Done:
    """Change the store as this order says; the same order again changes nothing but a key nobody saw.

    Blocks for as long as somebody else writes the store.
    """
    try:
        return _revoke(command, settings) if command.name == "revoke_band" else _with_key(command, settings)
    except (ShouwangError, OSError, ValueError) as error:
        return Done(done=False, reason=str(error))
    except Exception as error:
        log.exception("order %s about a band failed", command.command)
        reason = f"this gateway failed at it ({type(error).__name__}); its log says more"
        return Done(done=False, reason=reason)


def _note(command: PortalCommand) -> str:
    return f"order {errand_of(command.command)}"


def _revoke(command: PortalCommand, settings: Settings) -> Done:
    with changing(settings, who=f"portal: {command.by}", note=_note(command)) as page:
        row = page.find(command.device or "")
        if row.state == "active" or not page.did(row.device, _note(command)):
            row = page.revoke(row.device)
    broker = row.protocol == "senml" and _has_broker(settings)
    return Done(done=True, reason=BROKER if broker else "")


def _with_key(command: PortalCommand, settings: Settings) -> Done:
    note = _note(command)
    with changing(settings, who=f"portal: {command.by}", note=note) as page:
        if command.name == "register_band":
            asked = _asked(command)
            protocol, device = asked.protocol, asked.device or asked.wire_id
        else:
            found = page.find_active(command.device or "")
            protocol, device = found.protocol, found.device
        if protocol not in names("codec"):
            raise Refused(f"protocol {protocol!r}: expected one of " + ", ".join(names("codec")))
        if protocol == "senml" and _has_broker(settings):
            raise Refused(f"bands of this site are provisioned on the box: {BROKER}")
        key = new_key() if logs_in(settings, protocol) else ""
        if command.name == "register_band" and not page.did(device, note):
            row = page.add(_asked(command), key)
        elif key:
            row = page.rotate(device, key)
        elif command.name == "rekey_band":
            raise Refused(f"{device} has no key: {protocol} has no login on its wire")
        else:
            row = page.find_active(device)
        ways, community = wires(settings, protocol), settings.site.community
        shown = "" if issued(protocol, ways) else key
        secret = {"typed": secrets_of(row, ways, key=shown), "qr": ""}
        if ways and ways[0].port:
            secret["qr"] = qr_content(row, ways[0], community=community, key=shown)
        sealed = (
            seal(msgspec.json.encode(secret), command.seal_to or "", command=command.command) if shown else ""
        )
    told = BandKeyTold(
        command=command.command,
        device=row.device,
        settings=tuple(typed(row, ways, community=community)),
        sealed=sealed,
    )
    return Done(done=True, told=told)


def _asked(command: PortalCommand) -> Asked:
    return Asked(
        wearer=command.wearer or "",
        protocol=command.protocol or "",
        wire_id=command.wire_id or "",
        model=command.model or "",
        serial=command.serial or "",
        name=command.label or "",
        device=command.device or "",
    )


def _has_broker(settings: Settings) -> bool:
    client = settings.transports.get("mqtt_client")
    return client is not None and client.mosquitto is not None
