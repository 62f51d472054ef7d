"""MQTT straight from the bands: a listener for 3.1.1 and 5.0 that acknowledges after the journal's commit.

It is not a broker: a band publishes only `sw/<community>/<its id>/up` and hears only its own `/down`,
nothing is retained and nobody else subscribes.
The rooms: `mqtt_door` the sockets and TLS, `mqtt_hello` settings and CONNECT,
`mqtt_connection` the protocol of one socket, `mqtt_session` what outlives a connection,
this one the sessions and the downlink.
It runs on whatever loop runs it, uvloop or asyncio's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from typing import ClassVar

from gateway.codecs.mqtt_packets import Reason
from gateway.transports import mqtt_hello
from gateway.transports.base import Once, Sink, Site
from gateway.transports.mqtt_connection import Connection
from gateway.transports.mqtt_door import open_doors
from gateway.transports.mqtt_flow import Flow
from gateway.transports.mqtt_hello import Counters, Terms
from gateway.transports.mqtt_session import TAKEOVERS, TAKEOVERS_WITHIN_S, Down, Session
from gateway.transports.mqtt_uplink import Uplink

log = logging.getLogger(__name__)


class MqttListener:
    """The transport `mqtt_listener`."""

    name: ClassVar[str] = "mqtt_listener"
    Settings: ClassVar[type] = mqtt_hello.Settings

    def __init__(self, settings: mqtt_hello.Settings, sink: Sink, site: Site) -> None:
        self.settings = settings
        self.sink = sink
        self.site = site
        self.counters = Counters()
        self._flows: set[Flow] = set()
        self._strangers: dict[Flow, None] = {}
        self._empty = asyncio.Event()
        self._devices: dict[str, dict[str, Session]] = {}
        self._frozen: dict[Uplink, None] = {}
        self._congested = asyncio.Event()
        self._client_ids = 0

    async def run(self, ready: Callable[[str], None]) -> None:
        """Serve until cancelled, then close in order; `ready` gets "host:port", "tls host:port", or both.

        Raises NeedsHuman when an address cannot be listened on, or a certificate cannot be used.
        """
        try:
            async with open_doors(self.settings, self.counters, lambda: Connection(self)) as addresses:
                ready(addresses)
                await self._thaw_for_ever()
        finally:
            await self._close_all()

    def send(self, device: str, data: bytes, done: Callable[[], None]) -> bool:
        """Send an order to the band, now or when it is back; `done` is called once, on the band's PUBACK.

        False when the band has no session that listens, or when its queue is full.
        A session that ends takes its queue along without calling `done`.
        """
        sessions = [one for one in self._devices.get(device, {}).values() if one.subscribed_qos is not None]
        call = done if len(sessions) == 1 else Once(done)
        taken = [self._offer(session, Down(data, call)) for session in sessions]
        return any(taken)

    def withdraw(self, device: str, data: bytes) -> None:
        """Take an order out of the queues of the band's sessions."""
        for session in self._devices.get(device, {}).values():
            session.withdraw(data)

    def forget(self, device: str) -> None:
        """End every connection and session of a device that is not admitted any more (5.0: 0x87)."""
        for session in self._devices.pop(device, {}).values():
            self._forget(session)
            connection, session.connection = session.connection, None
            if connection is not None:
                connection.quit(Reason.NOT_AUTHORISED, "not admitted any more")

    def _offer(self, session: Session, down: Down) -> bool:
        if session.connection is not None:
            return session.connection.offer(down)
        taken = session.queue(down)
        if taken:
            self.counters.down_queued += 1
        else:
            self.counters.down_refused += 1
        return taken

    # ------------------------------------------------------------------ for the connections

    def arrived(self, flow: Flow) -> bool:
        """Take in a new connection; False when there are too many.

        Who has not said who it is makes room, the oldest first: silent strangers never keep a band out.
        """
        if len(self._flows) >= self.settings.max_connections:
            silent = next(iter(self._strangers), None)
            if silent is None:
                return False
            del self._strangers[silent]
            self.counters.pushed_out += 1
            silent.abort()
        self._flows.add(flow)
        self._strangers[flow] = None
        return True

    def left(self, flow: Flow) -> bool:
        """A connection is gone; False when it was never taken in."""
        known = flow in self._flows
        self._flows.discard(flow)
        self._strangers.pop(flow, None)
        if not self._flows:
            self._empty.set()
        return known

    def next_client_id(self, device: str | None) -> str:
        """A client id for a client without one, which no session of its device has (5.0 3.2.2-16)."""
        taken = self._devices.get(device or "", {})
        while True:
            self._client_ids += 1
            name = f"{self.site.gateway}-{self._client_ids}"
            if name not in taken:
                return name

    def open_session(self, connection: Uplink, terms: Terms) -> tuple[Session, bool]:
        """Find or make the session of these terms; true when it was there before (3.2.2.2)."""
        self._strangers.pop(connection, None)
        sessions = self._devices.setdefault(terms.device, {})
        session = sessions.pop(terms.client_id, None)
        takeovers = None
        if session is not None and session.connection is not None:
            self.counters.takeovers += 1
            older, session.connection = session.connection, None
            takeovers = session.takeovers
            self._taken_over(takeovers, connection, older)
            if not older.expiry_s:
                self._forget(session)
                session = None
            older.quit(Reason.TAKEN_OVER, "another connection has taken the session over")
        elif session is not None and session.expires is not None:
            session.expires.cancel()
            session.expires = None
        if session is not None and terms.clean:
            self._forget(session)
            session = None
        present = session is not None
        if session is None:
            self._make_room(sessions)
            session = Session(terms.device, terms.client_id, self.settings.max_queued_down)
            self.counters.sessions += 1
            session.takeovers = takeovers or session.takeovers
        self._devices.setdefault(terms.device, sessions)[terms.client_id] = session
        session.connection = connection
        self._watch(sessions)
        return session, present

    def _taken_over(self, takeovers: deque[float], newer: Uplink, older: Uplink) -> None:
        """Note a take-over; so many of them so soon are two clients with one key and one client id."""
        now_s = asyncio.get_running_loop().time()
        takeovers.append(now_s)
        if len(takeovers) == TAKEOVERS and now_s - takeovers[0] <= TAKEOVERS_WITHIN_S:
            takeovers.clear()
            self._doubled(newer, older)

    def _watch(self, sessions: dict[str, Session]) -> None:
        """Begin to watch who speaks, when a device has a second connection."""
        live = [session for session in sessions.values() if session.connection is not None]
        for session in live:
            session.spoke = False
            if session.connection is not None:
                session.connection.watched = len(live) > 1

    def spoke(self, connection: Uplink, session: Session) -> None:
        """A watched connection has published: say so once when another one has too since both are there.

        The old connection of a band that lost its line never speaks again, so it is no second client.
        """
        session.spoke = True
        live = [one for one in self._devices.get(session.device, {}).values() if one.connection is not None]
        others = [one for one in live if one is not session and one.spoke]
        if not others:
            return
        for one in live:
            if one.connection is not None:
                one.connection.watched = False
        if others[0].connection is not None:
            self._doubled(connection, others[0].connection)

    def _doubled(self, one: Uplink, other: Uplink) -> None:
        self.counters.doubled += 1
        self.sink.doubled(one.link, other.link.peer)

    def _make_room(self, sessions: dict[str, Session]) -> None:
        """Let the oldest session of a device go, rather one that is away, when it has as many as it may."""
        if len(sessions) < self.settings.max_sessions_per_device:
            return
        victim = next((one for one in sessions.values() if one.connection is None), None)
        victim = victim or next(iter(sessions.values()))
        del sessions[victim.client_id]
        self._forget(victim)
        if victim.connection is not None:
            victim.connection.quit(Reason.QUOTA_EXCEEDED, "too many sessions of one device")
            victim.connection = None

    def leave_session(self, connection: Uplink, session: Session, expiry_s: int) -> None:
        """A connection is gone: end its session after `expiry_s`, unless another has taken it over."""
        self._frozen.pop(connection, None)
        if session.connection is not connection:
            return
        session.connection = None
        if expiry_s:
            loop = asyncio.get_running_loop()
            session.expires = loop.call_later(expiry_s, self._expire, session)
        else:
            self._drop(session)

    def _expire(self, session: Session) -> None:
        self.counters.sessions_expired += 1
        self._drop(session)

    def _drop(self, session: Session) -> None:
        sessions = self._devices[session.device]
        del sessions[session.client_id]
        if not sessions:
            del self._devices[session.device]
        self._forget(session)

    def _forget(self, session: Session) -> None:
        self.counters.sessions -= 1
        if session.expires is not None:
            session.expires.cancel()

    # ------------------------------------------------------------------ congestion, the end

    def freeze(self, connection: Uplink) -> None:
        """Remember a connection that stopped reading because the sink is congested."""
        self._frozen[connection] = None
        self._congested.set()

    async def _thaw_for_ever(self) -> None:
        """The one waiter for the sink: wake the connections in the order in which they stopped."""
        while True:
            await self._congested.wait()
            await self.sink.uncongested()
            while self._frozen and not self.sink.congested:
                connection = next(iter(self._frozen))
                del self._frozen[connection]
                connection.thaw()
            if not self._frozen:
                self._congested.clear()
            await asyncio.sleep(0)

    async def _close_all(self) -> None:
        """Tell every band that we shut down, and let the last bytes out."""
        for flow in tuple(self._flows):
            flow.quit(Reason.SHUTTING_DOWN, "the gateway shuts down")
        self._empty.clear()
        if self._flows:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), self.settings.close_grace_s)
        for flow in tuple(self._flows):
            flow.abort()
        for sessions in self._devices.values():
            for session in sessions.values():
                if session.expires is not None:
                    session.expires.cancel()


TRANSPORT = MqttListener
