"""CoAP (RFC 7252): bands on NB-IoT and other narrow wires.

Owns the resources `/sw/<community>/<device>/up` (POST) and `/down` (GET, observable); parses no payload.
Over OSCORE (RFC 8613) a band is who its key says, and may only use its own two paths.
Plain CoAP carries the key readable in the query (`?k=<key>`): only from this box,
unless `plain = "network"` says aloud that everybody on the way may read it.

2.04 Changed is sent only after the settlement; a confirmable request that waits longer than a tenth of a
second is first acknowledged empty by aiocoap and answered by a separate response (RFC 7252 section 5.2.2).
A retransmitted request is recognised by aiocoap (message id and peer) and answered with the same response.

| answer | when |
| --- | --- |
| 2.04 Changed | stored, or kept in quarantine |
| 2.05 Content | the next waiting order, empty payload when none waits |
| 2.31 Continue | a block of a longer pack |
| 4.01 Unauthorized | no key; or see `coap_door.py` |
| 4.02 Bad Option | a critical option that is not understood |
| 4.03 Forbidden | unknown device, wrong key (indistinguishable), another band's path or name |
| 4.04 Not Found | any other path, another community |
| 4.05 Method Not Allowed | any other method |
| 4.08 Request Entity Incomplete | a block out of its order |
| 4.13 Request Entity Too Large | over `max_payload_bytes`, blockwise or not |
| 4.15 Unsupported Content-Format | neither 110 (SenML JSON) nor 112 (SenML CBOR) |
| 5.03 Service Unavailable with Max-Age | the journal is behind or failed: ask again as a new request |
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import msgspec
from aiocoap import Message, oscore
from aiocoap.error import RenderableError
from aiocoap.numbers import OptionNumber
from aiocoap.numbers.codes import Code
from aiocoap.resource import Resource

from gateway.transports.base import Inbound, Link, Outcome, Settlement, Sink, Site
from gateway.transports.coap_contexts import Contexts
from gateway.transports.coap_door import Door, Exchange, Refused
from gateway.transports.coap_orders import Orders
from gateway.transports.coap_packs import Packs
from gateway.transports.coap_wire import Wire

SENML_JSON = 110
SENML_CBOR = 112
CONTENT_FORMATS = frozenset({SENML_JSON, SENML_CBOR})
RETRY_AFTER_S = 5
CLOSING_TURNS = 5
"""Loop turns an answer needs from its settlement to the socket, and a few more."""
MAX_IN_FLIGHT = 1024
MAX_DEVICES = 20_000
PATH_PARTS = 4
METHODS = {"up": Code.POST, "down": Code.GET}
UNDERSTOOD = frozenset(
    {
        OptionNumber.URI_HOST,
        OptionNumber.URI_PORT,
        OptionNumber.URI_PATH,
        OptionNumber.URI_QUERY,
        OptionNumber.ACCEPT,
        OptionNumber.BLOCK1,
        OptionNumber.BLOCK2,
        OptionNumber.OSCORE,
    }
)

log = logging.getLogger(__name__)


class CoapSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[transports.coap]`; `codec` is handed to the protocol's codec as it is."""

    host: str = "127.0.0.1"
    port: int = 5683
    protocol: str = "senml"
    plain: Literal["loopback", "network"] = "loopback"
    max_payload_bytes: int = 8192
    codec: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        try:
            ipaddress.ip_address("127.0.0.1" if self.host == "localhost" else self.host)
        except ValueError as error:
            raise ValueError(
                f"host {self.host!r} is not an address: write 127.0.0.1 or ::1 for this box alone, "
                "0.0.0.0 or :: for all its networks"
            ) from error
        if not 0 <= self.port <= 65535:  # noqa: PLR2004 - the range of a UDP port
            raise ValueError("port must be 0 to 65535")
        if self.max_payload_bytes < 1:
            raise ValueError("max_payload_bytes must be at least 1")

    @property
    def aloud(self) -> str:
        """What an installer must know that was chosen here; empty for nothing."""
        if self.plain == "loopback":
            return ""
        return (
            "plain requests are believed from every network: whoever is on the way can read the keys. "
            "明文 CoAP 对网络开放，途经者可读取密钥"
        )


class CoapTransport:
    """The CoAP server of a gateway; `counts` holds answers by code and reason, `address` where it listens."""

    name: ClassVar[str] = "coap"
    Settings: ClassVar[type] = CoapSettings

    def __init__(self, settings: CoapSettings, sink: Sink, site: Site) -> None:
        self.settings = settings
        self.sink = sink
        self.site = site
        self.counts: Counter[str] = Counter()
        self.address = ""
        self.contexts = Contexts(site.data_dir / "oscore" / f"{site.gateway}.json", sink.oscore)
        self.door = Door(self.contexts, self.counts, plain_everywhere=settings.plain == "network")
        self._packs = Packs(self.counts, max_bytes=settings.max_payload_bytes)
        self._devices: OrderedDict[str, _Device] = OrderedDict()
        self._waiting: set[asyncio.Future[Settlement]] = set()

    async def run(self, ready: Callable[[str], None]) -> None:
        """Serve until cancelled; raises OSError when the port is taken."""
        wire = Wire(self.settings.host, self.settings.port, self.door.screen, self.counts)
        if self.settings.aloud:
            log.warning("CoAP: %s", self.settings.aloud)
        context = await wire.serve(_Root(self, wire))
        try:
            self.contexts.open()
            self.address = wire.address
            ready(self.address)
            await asyncio.get_running_loop().create_future()
        finally:
            await self._answer_what_waits()
            while self._devices:
                self._forget_oldest()
            await context.shutdown()
            self.contexts.close()

    def send(self, device: str, data: bytes, done: Callable[[], None]) -> bool:
        """Keep the order until the band acknowledged it.

        False when the band never spoke since the start, or has `MAX_DOWN` orders waiting.
        """
        known = self._devices.get(device)
        return known is not None and known.orders.add(data, done)

    def withdraw(self, device: str, data: bytes) -> None:
        """Drop an order that the band has not acknowledged."""
        known = self._devices.get(device)
        if known is not None:
            known.orders.withdraw(data)

    def forget(self, device: str) -> None:
        """Drop what is kept of a device, its observer first; its next request is refused."""
        self._packs.forget(device)
        known = self._devices.pop(device, None)
        if known is not None:
            known.orders.forget()
            self.sink.closed(known.link)

    # ------------------------------------------------------------------ requests

    async def answer(self, exchange: Exchange) -> None:
        """Answer an opened request; raises Refused."""
        request = exchange.request
        try:
            device, resource = self._admitted(exchange)
        except Refused:
            exchange.wire.forget(exchange.outer)
            raise
        known = self._known(device, exchange.peer)
        if resource == "down":
            await known.orders.serve(exchange)
            return
        if request.opt.content_format not in CONTENT_FORMATS:
            raise Refused(Code.UNSUPPORTED_CONTENT_FORMAT)
        pack = self._packs.take(device, request)
        response = Message(code=Code.CONTINUE) if pack is None else await self._store(known.link, pack)
        response.opt.block1 = request.opt.block1
        self.counts[response.code.dotted] += 1
        exchange.answer(response)

    def _admitted(self, exchange: Exchange) -> tuple[str, str]:
        """The device and the resource of a request that may have it."""
        request = exchange.request
        if any(
            option.number.is_critical() and option.number not in UNDERSTOOD
            for option in request.opt.option_list()
        ):
            raise Refused(Code.BAD_OPTION)
        path = tuple(request.opt.uri_path)
        if len(path) != PATH_PARTS or path[:2] != ("sw", self.site.community) or path[3] not in METHODS:
            raise Refused(Code.NOT_FOUND)
        if request.code is not METHODS[path[3]]:
            raise Refused(Code.METHOD_NOT_ALLOWED)
        if exchange.device is not None:
            if path[2] != exchange.device:
                raise Refused(Code.FORBIDDEN)
        else:
            keys = [query[2:] for query in request.opt.uri_query if query.startswith("k=")]
            if len(keys) != 1:
                raise Refused(Code.UNAUTHORIZED)
            if not self.sink.admits(path[2], keys[0].encode()):
                raise Refused(Code.FORBIDDEN)
        return path[2], path[3]

    async def _store(self, link: Link, pack: bytes) -> Any:
        if self.sink.congested or len(self._waiting) >= MAX_IN_FLIGHT:
            raise Refused(Code.SERVICE_UNAVAILABLE, "journal behind", max_age_s=RETRY_AFTER_S)
        settlement = await self._deliver(link, pack)
        if settlement.outcome is Outcome.UNAVAILABLE:
            raise Refused(Code.SERVICE_UNAVAILABLE, "not stored", max_age_s=RETRY_AFTER_S)
        if settlement.outcome is Outcome.FORBIDDEN:
            raise Refused(Code.FORBIDDEN)
        return Message(code=Code.CHANGED, payload=b"".join(settlement.replies))

    async def _deliver(self, link: Link, data: bytes) -> Settlement:
        settled: asyncio.Future[Settlement] = asyncio.get_running_loop().create_future()

        def settle(settlement: Settlement) -> None:
            if settled.done():
                self.counts["settled after the request was gone"] += 1
            else:
                settled.set_result(settlement)

        self._waiting.add(settled)
        try:
            self.sink.receive(Inbound(link, data, settle))
            return await settled
        finally:
            self._waiting.discard(settled)

    async def _answer_what_waits(self) -> None:
        """Tell every request still in our hands to come again, before the socket is gone.

        aiocoap would otherwise acknowledge it on a closed socket a moment later.
        """
        for settled in self._waiting:
            if not settled.done():
                settled.set_result(Settlement(Outcome.UNAVAILABLE))
        for _ in range(CLOSING_TURNS):
            await asyncio.sleep(0)

    # ------------------------------------------------------------------ devices

    def _known(self, device: str, peer: str) -> _Device:
        """What is kept of a device; the one silent for longest makes room when there are too many."""
        known = self._devices.get(device)
        if known is None:
            link = Link(
                wire=self.name,
                protocol=self.settings.protocol,
                peer=peer,
                device=device,
                codec_settings=self.settings.codec,
            )
            known = self._devices[device] = _Device(link, Orders(self.counts))
            if len(self._devices) > MAX_DEVICES:
                self._forget_oldest()
        known.link.peer = peer
        self._devices.move_to_end(device)
        return known

    def _forget_oldest(self) -> None:
        _, known = self._devices.popitem(last=False)
        known.orders.forget()
        self.sink.closed(known.link)


@dataclass(frozen=True, slots=True, eq=False)
class _Device:
    """A device heard since the start, and the orders that have not arrived yet."""

    link: Link
    orders: Orders


class _Root(Resource):  # type: ignore[misc]  # aiocoap has no types
    """Every path of the server; it has no other resource, not even a listing of them."""

    def __init__(self, transport: CoapTransport, wire: Wire) -> None:
        super().__init__()
        self._transport = transport
        self._wire = wire

    async def render_to_pipe(self, pipe: Any) -> None:
        """Open, answer; what a request of a known band is refused with is protected like any answer."""
        door, counts = self._transport.door, self._transport.counts
        try:
            exchange = door.open(pipe, self._wire)
        except Refused as refused:
            door.note(refused, pipe.request)
            self._wire.forget(pipe.request)
            pipe.add_response(refused.unprotected(pipe.request), is_last=True)
            return
        except oscore.ReplayErrorWithEcho as fresh:
            self._wire.forget(pipe.request)
            pipe.add_response(fresh.to_message(), is_last=True)
            return
        try:
            await self._transport.answer(exchange)
        except oscore.ContextUnavailable as error:
            counts["no number may be used"] += 1
            log.error("no answer to %s: %s", exchange.peer, error)  # noqa: TRY400 - a line is enough
            exchange.end()
        except RenderableError as refused:
            if isinstance(refused, Refused):
                door.note(refused, pipe.request)
            exchange.answer(refused.to_message())


TRANSPORT = CoapTransport
