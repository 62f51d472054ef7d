"""The portal's duty calendar: who of the staff is rung, by the day instead of by the week.

The newest calendar replaces the one before, and is kept across restarts.
While a turn of it covers now, those on duty by it are the staff of an alarm; else those of [[staff]] by their
weekly hours: a calendar that nobody keeps up, or a night that nobody took, never means that nobody is rung.
An incident takes along the turns of the next two days as it opens, and asks who is on duty when it comes to
the staff (docs/adr/0021).
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from zlib import crc32

import msgspec

from gateway.downlink.rows import Pending
from gateway.journal.records import EventRow, Record, to_ms
from gateway.outbox import Journal
from gateway.told import PortalCommand
from gateway.told_orders import DutyInForce, DutySpan, OnDuty
from sos.plan import Contact, diallable, on_duty_now
from sos.shifts import Duty

OWNER: Final = "duty"
MOST_SPANS = 2000
AHEAD = timedelta(days=2)
"""An incident that nobody takes for longer goes on with [[staff]]."""
LOOK_EVERY_S = 30.0
NAME = re.compile(r"[^\s.]{1,40}")
ROTA = "duty-"
"""In front of the id of a person whom only the calendar names, so that no relative is taken for them."""

log = logging.getLogger(__name__)


class Calendar(msgspec.Struct, frozen=True, kw_only=True):
    """A calendar as it is kept."""

    version: int = 0
    by: str = ""
    spans: tuple[DutySpan, ...] = ()


class DutyBook:
    """The calendar in force; `configured()` gives the staff of the configuration."""

    def __init__(
        self,
        *,
        configured: Callable[[], tuple[Contact, ...]],
        journal: Journal,
        now: Callable[[], datetime],
        digest: int = 0,
    ) -> None:
        """`digest` is of what the portal was told last."""
        self.calendar = Calendar()
        self._configured = configured
        self._journal = journal
        self._now = now
        self._digest = digest

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Take over the calendar of the last run; one that cannot be read leaves [[staff]] on duty."""
        body = states.get(OWNER)
        if body is not None:
            try:
                self.calendar = msgspec.json.decode(body, type=Calendar)
            except msgspec.DecodeError:
                log.exception("the duty calendar cannot be read; the staff of config.toml are on duty")

    async def run(self) -> None:
        """Tell the portal at each turn of a shift, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            record = Record()
            self.tell(record, self._now())
            if record.events:
                self._journal.append(record)

    # ------------------------------------------------------------------ orders

    def order(self, command: PortalCommand, record: Record, pending: Pending, now: datetime) -> str | None:
        """Put a calendar in force within this record, or give the reason why not."""
        del pending
        if command.version is None or command.duty is None:
            return "a duty calendar has its version and its spans"
        if command.version <= self.calendar.version:
            return f"version {self.calendar.version} is in force"
        wrong = _wrong(command.duty)
        if wrong:
            return "; ".join(wrong)
        spans = tuple(span for span in command.duty if span.ends_at > now)
        self.calendar = Calendar(version=command.version, by=command.by or "", spans=spans)
        record.states[OWNER] = msgspec.json.encode(self.calendar)
        self.tell(record, now)
        log.info("duty: version %d with %d turns is in force", command.version, len(spans))
        return None

    def tell(self, record: Record, now: datetime) -> None:
        """Write into a record who is on duty, if the portal was told somebody else, or another calendar."""
        people, version = self.on_duty(now), self.calendar.version
        digest = crc32(msgspec.json.encode((version, people)))
        if digest == self._digest:
            return
        self._digest = record.rest.marks["duty_digest"] = digest
        ends = [span.ends_at for span in self.calendar.spans]
        told = DutyInForce(version=version, at=now, on_duty=people, until=max(ends, default=None))
        at_ms, body = to_ms(now), msgspec.json.encode(told)
        record.events.append(EventRow(at_ms, at_ms, "duty", None, None, None, body, None))

    # ------------------------------------------------------------------ who

    def staff(self, configured: Sequence[Contact], at: datetime) -> tuple[Contact, ...]:
        """The staff of an alarm that opens then: the configured with their turns, then the calendar's own."""
        spans = self.calendar.spans
        near = [span for span in spans if span.ends_at > at and span.starts_at < at + AHEAD]
        return self._merged(configured, near)

    def find(self, contact: str) -> Contact | None:
        """A person of the staff, by the id of the configuration or of the calendar."""
        people = self._merged(self._configured(), self.calendar.spans)
        return next((one for one in people if one.contact in {contact, ROTA + contact}), None)

    def on_duty(self, at: datetime) -> tuple[OnDuty, ...]:
        """Who would be rung first, in order; everybody where it is nobody's turn."""
        people = self.staff(self._configured(), at)
        there = on_duty_now(people, at) or people
        return tuple(
            OnDuty(
                contact=one.contact.removeprefix(ROTA),
                name=one.name,
                phone=one.phone,
                source="portal" if any(duty.covers(at) for duty in one.duty) else "file",
            )
            for one in there
        )

    @staticmethod
    def _merged(configured: Sequence[Contact], spans: Sequence[DutySpan]) -> tuple[Contact, ...]:
        """Who has the id or the telephone of a configured person is that person."""
        found = {one.contact: one for one in configured}
        by_phone = {one.phone: one.contact for one in configured}
        for span in spans:
            own = span.contact if span.contact in found else by_phone.get(span.phone, ROTA + span.contact)
            turn = Duty(starts_at=span.starts_at, ends_at=span.ends_at, order=span.order)
            known = found.get(own) or Contact(
                contact=own, name=span.name, phone=span.phone, role="staff", lang=span.lang, rota=True
            )
            found[own] = dataclasses.replace(
                known, name=span.name, phone=span.phone, duty=(*known.duty, turn)
            )
        return tuple(found.values())


def _wrong(spans: Sequence[DutySpan]) -> list[str]:
    """Everything wrong with a calendar: one turn that cannot be refuses all, for a gap would go unnoticed."""
    found = [] if len(spans) <= MOST_SPANS else [f"a calendar has at most {MOST_SPANS} turns"]
    phones: dict[str, str] = {}
    for span in spans:
        who = span.contact
        if not NAME.fullmatch(who):
            found.append(f"{who!r} is no id: 1 to 40 characters without space and dot")
        if not span.name.strip():
            found.append(f"{who} has no name")
        if not diallable(span.phone):
            found.append(f"{who} has no full telephone number in E.164")
        elif phones.setdefault(who, span.phone) != span.phone:
            found.append(f"{who} has two telephones")
        if span.starts_at.tzinfo is None or span.ends_at.tzinfo is None:
            found.append(f"a turn of {who} has a time without its zone")
        elif span.ends_at <= span.starts_at:
            found.append(f"a turn of {who} ends before it begins")
    return list(dict.fromkeys(found))
