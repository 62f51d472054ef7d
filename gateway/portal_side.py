"""The gateway's side of its portal: what goes there, what comes from there, and how it is called in texts."""

from __future__ import annotations

import logging
from collections.abc import Callable

from gateway.config import Settings
from gateway.journal.reader import JournalReader
from gateway.journal.records import EventRow, Record, Rest, from_ms
from gateway.journal.writer import JournalWriter
from gateway.sync.batcher import Row
from gateway.sync.client import SyncClient
from gateway.transports.portal_link import Command, PortalLink

MISSED_EVENTS = 10_000

Ordered = Callable[[Command, Callable[[int], None]], None]

log = logging.getLogger(__name__)


class PortalSide:
    """`sync` and `link` are None until `open`, and for good where there is no portal."""

    def __init__(
        self,
        settings: Settings,
        journal: JournalWriter,
        reader: JournalReader,
        *,
        count_on: Callable[[Record], None],
    ) -> None:
        """`count_on` numbers what else the portal has seen of a newer journal, when this is an older one."""
        self.sync: SyncClient | None = None
        self.link: PortalLink | None = None
        self._settings = settings
        self._journal = journal
        self._reader = reader
        self._count_on = count_on
        self._first_seq = journal.seq

    def open(self, ordered: Ordered) -> tuple[SyncClient, PortalLink] | None:
        """Make the two lines where the configuration names a portal; `ordered` carries its orders out."""
        table, gateway = self._settings.portal_link, self._settings.site.gateway
        if table is None:
            return None
        self.sync = SyncClient(
            url=table.url,
            gateway=gateway,
            token=table.token,
            batch_events=table.batch_events,
            read=self._read_events,
            last_seq=self._reader.last_seq,
            overtaken=self._overtaken,
        )
        self.link = PortalLink(
            url=table.url,
            gateway=gateway,
            token=table.token,
            poll_s=table.poll_s,
            last_number=self._reader.mark("command_number"),
            ordered=ordered,
        )
        return self.sync, self.link

    def wake(self) -> None:
        """Something is committed: there may be something to send."""
        if self.sync is not None:
            self.sync.wake()

    @property
    def connected(self) -> bool:
        """Whether orders, and keys pressed in a Twilio call, would reach us."""
        return self.link is not None and self.link.connected

    @property
    def through_seq(self) -> int | None:
        """How far the portal is, None where there is none or it was not heard of yet."""
        return self.sync.through_seq if self.sync is not None and self.sync.connected else None

    def page_of(self, incident_id: str) -> str:
        """A short address of the incident's page, for the texts; empty where there is no portal."""
        portal, link = self._settings.portal, self._settings.portal_link
        base = portal.public_url if portal else link.public_url or link.url if link else ""
        return f"{base.rstrip('/')}/i/{incident_id}" if base else ""

    def _read_events(self, after: int, limit: int) -> list[Row]:
        return [
            Row(row["seq"], from_ms(row["at_ms"]), row["payload"])
            for row in self._reader.events(after=after, limit=limit)
        ]

    def _overtaken(self, through_seq: int) -> None:
        """The portal knows an older journal of ours: number on above it, and say again what it missed."""
        log.warning("this journal is younger than the portal's copy of it; numbering on from %d", through_seq)
        missed = self._reader.events(after=self._first_seq, limit=MISSED_EVENTS)
        rows = [EventRow(**{name: row[name] for name in EventRow._fields}) for row in missed]
        record = Record(rows, rest=Rest(skip_to=through_seq), urgent=True)
        self._count_on(record)
        self._journal.append(record)
