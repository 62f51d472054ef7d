"""MQTT through a site's own broker: an aiomqtt client that acknowledges after the journal's commit.

The session is persistent: a stable client id, and 5.0 session expiry or 3.1.1 `clean_session` false.
The subscription `sw/<community>/+/up` is QoS 1,
and paho's manual acknowledgement holds each PUBACK back until the sink has settled the message.
Whatever was not acknowledged the broker delivers again after a reconnect,
so an acknowledgement is only ever given on the connection that delivered the message; a later one is dropped.

Nothing is queued here and nothing can be dropped silently:
aiomqtt's own queue, which discards when it is full, is bypassed by taking paho's `on_message`,
and each message goes to the sink at once.
The bound is the broker's: it keeps at most `max_in_flight` messages unacknowledged (5.0 receive maximum;
for 3.1.1 the broker's own `max_inflight_messages`) and holds the rest.
While the sink is congested the socket is not read at all, so TCP stops the broker, QoS 0 included.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from secrets import SystemRandom
from typing import Annotated, ClassVar, Final, Literal

import aiomqtt
from msgspec import Meta, Struct
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.bands.mosquitto import USABLE, MosquittoTable
from gateway.errors import NeedsHuman
from gateway.transports.base import Inbound, Link, Outcome, Settlement, Sink, Site
from gateway.transports.mqtt_line import Line, TlsSocket
from gateway.transports.tls import no_password

log = logging.getLogger(__name__)

DO_NOT_SEND_RETAINED: Final = 2
FAILURE: Final = 0x80
V5: Final = 5
ORDER_KEPT_S: Final = 86_400
"""As long as any order is of use (`gateway.downlink.orders`): a 5.0 broker keeps none longer for a band that
is away. A 3.1.1 broker keeps it for as long as it keeps the band's session."""
_random = SystemRandom()


class MqttClientSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[transports.mqtt_client]`."""

    host: str
    port: Annotated[int, Meta(ge=1, le=65_535)] = 1883
    username: str = ""
    password: str = ""
    client_id: str = ""
    """Empty takes `shouwang-<gateway>`; it must stay the same, for the broker keeps the session under it."""
    protocol: Literal[4, 5] = 4
    """4 is MQTT 3.1.1, 5 is MQTT 5.0, which costs paho about twice the time a message."""
    tls_ca: str = ""
    """A file with the certificate authority of the broker; empty is no TLS."""
    tls_certificate: str = ""
    tls_key_file: str = ""
    """The gateway's own certificate, for a broker that asks for one."""
    share: str = ""
    """Group of a shared subscription, for several workers of one community (5.0, or a broker that can)."""
    keep_alive_s: Annotated[int, Meta(ge=5, le=65_535)] = 60
    session_expiry_s: Annotated[int, Meta(ge=1, le=4_294_967_295)] = 7 * 86_400
    max_in_flight: Annotated[int, Meta(ge=1, le=65_535)] = 1_000
    max_links: Annotated[int, Meta(ge=1)] = 20_000
    max_queued_down: Annotated[int, Meta(ge=1)] = 256
    backoff_min_s: Annotated[float, Meta(gt=0)] = 0.5
    backoff_max_s: Annotated[float, Meta(gt=0)] = 60.0
    mosquitto: MosquittoTable | None = None
    """A Mosquitto on this box whose files `shouwang device` writes."""

    def __post_init__(self) -> None:
        """Raise ValueError for a wish that needs another key."""
        if self.mosquitto is not None and not USABLE.fullmatch(self.username):
            raise ValueError("a username for the gateway's own account, without spaces or any of : / + # $")
        if bool(self.tls_certificate) != bool(self.tls_key_file) or (
            self.tls_certificate and not self.tls_ca
        ):
            raise ValueError("tls_certificate and tls_key_file together, beside tls_ca")


@dataclass(slots=True)
class Counters:
    """What the client has seen since its start; `connected` (0 or 1), `in_flight` and `links` are of now."""

    connected: int = 0
    in_flight: int = 0
    links: int = 0
    connects: int = 0
    failures: int = 0
    messages: int = 0
    acknowledged: int = 0
    acks_dropped: int = 0
    unavailable: int = 0
    strange_topics: int = 0
    retained_ignored: int = 0
    held: int = 0
    links_evicted: int = 0
    down_queued: int = 0
    down_refused: int = 0
    down_done: int = 0


@dataclass(slots=True, eq=False)
class _Down:
    topic: str
    payload: bytes
    done: Callable[[], None]

    def is_same(self, topic: str, payload: bytes) -> bool:
        return (self.topic, self.payload) == (topic, payload)


class MqttClient:
    """The transport `mqtt_client`."""

    name: ClassVar[str] = "mqtt_client"
    Settings: ClassVar[type] = MqttClientSettings

    def __init__(self, settings: MqttClientSettings, sink: Sink, site: Site) -> None:
        self.settings = settings
        self.sink = sink
        self.site = site
        self.counters = Counters()
        self._links: OrderedDict[str, Link] = OrderedDict()
        self._down: deque[_Down] = deque()
        self._leaving: _Down | None = None
        self._down_came = asyncio.Event()
        self._ready: Callable[[str], None] | None = None
        self._delay_s = 0.0
        self._address = f"{settings.host}:{settings.port}"

    async def run(self, ready: Callable[[str], None]) -> None:
        """Stay connected until cancelled; `ready` gets "host:port" after the first subscription.

        Raises NeedsHuman when the CA file cannot be used; every other trouble is retried with backoff.
        """
        self._ready = ready
        tls = self._tls()
        while True:
            try:
                await self._serve(tls)
            except aiomqtt.MqttError as error:
                self.counters.failures += 1
                if not self._delay_s:
                    log.warning("MQTT broker %s: %s; trying again", self._address, error)
            _heed_cancellation()
            await asyncio.sleep(self._backoff_s())

    def send(self, device: str, data: bytes, done: Callable[[], None]) -> bool:
        """Publish an order to the band with QoS 1; `done` is called once, when the broker has it.

        False when this device was not heard here, or when `max_queued_down` orders wait for the broker.
        An order that was taken is published again after a reconnect until the broker has it.
        """
        if device not in self._links or len(self._down) >= self.settings.max_queued_down:
            self.counters.down_refused += 1
            return False
        topic = self._topic_of(device)
        if any(one.is_same(topic, data) and one.done == done for one in self._down):
            return True
        self._down.append(_Down(topic, data, done))
        self.counters.down_queued += 1
        self._down_came.set()
        return True

    def withdraw(self, device: str, data: bytes) -> None:
        """Take an order out of the queue to the broker, but for one that is just leaving."""
        topic = self._topic_of(device)
        self._down = deque(one for one in self._down if one is self._leaving or not one.is_same(topic, data))

    def _topic_of(self, device: str) -> str:
        return f"sw/{self.site.community}/{device}/down"

    def forget(self, device: str) -> None:
        """Drop its link; the broker's own files say who may connect (`shouwang device mosquitto`)."""
        link = self._links.pop(device, None)
        if link is not None:
            self.counters.links -= 1
            self.sink.closed(link)

    # ------------------------------------------------------------------ one connection

    async def _serve(self, tls: ssl.SSLContext | None) -> None:
        """Connect, subscribe, and serve until the line breaks; always ends by raising."""
        client = self._client(tls)
        line = Line(client, self._heard, self.sink)
        why = "the line has ended"
        try:
            async with client, asyncio.TaskGroup() as tasks:
                _heed_cancellation()
                await self._subscribe(client)
                _heed_cancellation()
                self.counters.connects += 1
                self.counters.connected = 1
                self._delay_s = 0.0
                if self._ready is not None:
                    self._ready(self._address)
                    self._ready = None
                tasks.create_task(self._thaw(line), name="mqtt_client.thaw")
                tasks.create_task(self._publish_downs(client), name="mqtt_client.down")
                await line.broken
        except* (aiomqtt.MqttError, OSError) as several:
            why = str(several.exceptions[0])
        finally:
            self.counters.connected = 0
            line.close()
        raise aiomqtt.MqttError(why)

    def _client(self, tls: ssl.SSLContext | None) -> aiomqtt.Client:
        settings, v5 = self.settings, self.settings.protocol == V5
        terms = None
        if v5:
            terms = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            terms.SessionExpiryInterval = settings.session_expiry_s
            terms.ReceiveMaximum = settings.max_in_flight
        return aiomqtt.Client(
            settings.host,
            settings.port,
            username=settings.username or None,
            password=settings.password or None,
            identifier=settings.client_id or f"shouwang-{self.site.gateway}",
            protocol=aiomqtt.ProtocolVersion(settings.protocol),
            clean_session=None if v5 else False,
            clean_start=False if v5 else MQTT_CLEAN_START_FIRST_ONLY,
            keepalive=settings.keep_alive_s,
            properties=terms,
            tls_context=tls,
        )

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        topic = f"sw/{self.site.community}/+/up"
        if self.settings.share:
            topic = f"$share/{self.settings.share}/{topic}"
        if self.settings.protocol == V5:
            options = SubscribeOptions(qos=1, retainHandling=DO_NOT_SEND_RETAINED)
            granted = await client.subscribe(topic, options=options)
        else:
            granted = await client.subscribe(topic, qos=1)
        for code in granted:
            number = code if isinstance(code, int) else code.value
            if number >= FAILURE:
                raise aiomqtt.MqttError(f"the broker does not let us subscribe to {topic} ({number})")

    async def _thaw(self, line: Line) -> None:
        while True:
            await line.congested.wait()
            self.counters.held += 1
            await self.sink.uncongested()
            line.resume()

    async def _publish_downs(self, client: aiomqtt.Client) -> None:
        """Publish the orders one after the other; one that fails stays first for the next connection."""
        kept = None
        if self.settings.protocol == V5:
            kept = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            kept.MessageExpiryInterval = ORDER_KEPT_S
        while True:
            while self._down:
                down = self._leaving = self._down[0]
                try:
                    await client.publish(down.topic, down.payload, qos=1, properties=kept)
                finally:
                    self._leaving = None
                _heed_cancellation()
                self._down.popleft()
                self.counters.down_done += 1
                down.done()
            self._down_came.clear()
            await self._down_came.wait()

    # ------------------------------------------------------------------ messages

    def _heard(self, line: Line, message: MQTTMessage) -> None:
        """Hand one message over; runs on the loop, inside the reading of the socket."""
        if not line.alive:
            return
        if message.retain:
            self.counters.retained_ignored += 1
            line.acknowledge(message.mid, message.qos)
            return
        device = _device(message)
        if device is None:
            self.counters.strange_topics += 1
            line.acknowledge(message.mid, message.qos)
            return
        self.counters.messages += 1
        self.counters.in_flight += 1
        settle = partial(self._settled, line, device, message)
        self.sink.receive(Inbound(self._link(device), bytes(message.payload), settle))

    def _settled(self, line: Line, device: str, message: MQTTMessage, settlement: Settlement) -> None:
        """Acknowledge what is kept; what could not be stored ends the connection, so that it comes again.

        FORBIDDEN is acknowledged too: it is in quarantine, and a broker has nobody to refuse it to.
        """
        self.counters.in_flight -= 1
        if settlement.outcome is Outcome.UNAVAILABLE:
            self.counters.unavailable += 1
            if message.qos and line.alive:
                line.give_up("a message could not be stored")
        elif line.acknowledge(message.mid, message.qos):
            self.counters.acknowledged += 1
        else:
            self.counters.acks_dropped += 1
        for reply in settlement.replies:
            self.send(device, reply, _nothing)

    def _link(self, device: str) -> Link:
        """The device's link, the most recently heard last; the one silent longest makes room."""
        link = self._links.get(device)
        if link is not None:
            self._links.move_to_end(device)
            return link
        link = Link(wire="mqtt_client", protocol="senml", peer=self._address, device=device)
        self._links[device] = link
        self.counters.links += 1
        if len(self._links) > self.settings.max_links:
            _, silent = self._links.popitem(last=False)
            self.counters.links -= 1
            self.counters.links_evicted += 1
            self.sink.closed(silent)
        return link

    # ------------------------------------------------------------------ time, TLS

    def _backoff_s(self) -> float:
        """Twice as long each time, half of it random: a whole town must not come back at once."""
        most, least = self.settings.backoff_max_s, self.settings.backoff_min_s
        self._delay_s = min(max(self._delay_s * 2, least), most)
        return _random.uniform(self._delay_s / 2, self._delay_s)

    def _tls(self) -> ssl.SSLContext | None:
        settings = self.settings
        if not settings.tls_ca:
            return None
        try:
            context = ssl.create_default_context(cafile=settings.tls_ca)
            context.sslsocket_class = TlsSocket
            if settings.tls_certificate:
                context.load_cert_chain(settings.tls_certificate, settings.tls_key_file, password=no_password)
        except (OSError, ssl.SSLError) as error:
            files = ", ".join(
                filter(None, (settings.tls_ca, settings.tls_certificate, settings.tls_key_file))
            )
            raise NeedsHuman(f"transports.mqtt_client: tls_ca and its like ({files}): {error}") from error
        return context


def _device(message: MQTTMessage) -> str | None:
    """The device of `sw/<community>/<device>/up`; None for a topic that is not of this shape."""
    try:
        parts = message.topic.split("/")
    except UnicodeDecodeError:
        return None
    return parts[2] or None if len(parts) == 4 else None  # noqa: PLR2004 -- the four levels


def _nothing() -> None:
    """What is done when a protocol's own reply has arrived."""


def _heed_cancellation() -> None:
    """Raise the cancellation that `asyncio.wait_for` of Python 3.11 loses when it comes with the result."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


TRANSPORT = MqttClient
