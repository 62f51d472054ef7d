"""CoAP (RFC 7252): bands on NB-IoT and other narrow wires.

Owns the resources `/sw/<community>/<device>/up` (POST) and `/down` (GET); parses no payload.
Until object security comes with its own issue the key travels in clear in the query (`?k=<key>`),
so the transport refuses to listen anywhere but on a loopback address.

2.04 Changed is sent only after the settlement; a confirmable request that waits longer than a tenth of a
second is first acknowledged empty by aiocoap and answered by a separate response (RFC 7252 section 5.2.2).
A retransmitted request is recognised by aiocoap (message id and peer) and answered with the same response.

| answer | when |
| --- | --- |
| 2.04 Changed | stored, or kept in quarantine |
| 2.05 Content | the next waiting order, empty payload when none waits |
| 4.01 Unauthorized | no key |
| 4.03 Forbidden | unknown device, wrong key (indistinguishable), or a payload that names another device |
| 4.04 Not Found | any other path, another community |
| 4.05 Method Not Allowed | any other method |
| 4.13 Request Entity Too Large | over `max_payload_bytes`, blockwise or not |
| 4.15 Unsupported Content-Format | neither 110 (SenML JSON) nor 112 (SenML CBOR) |
| 5.03 Service Unavailable with Max-Age | the journal is behind or failed: ask again as a new request |
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec
from aiocoap import Context, Message
from aiocoap.error import ConstructionRenderableError
from aiocoap.numbers.codes import Code
from aiocoap.resource import PathCapable, Resource

from gateway.transports.base import Inbound, Link, Outcome, Settlement, Sink, Site

SENML_JSON = 110
SENML_CBOR = 112
OCTET_STREAM = 42
CONTENT_FORMATS = frozenset({SENML_JSON, SENML_CBOR})
RETRY_AFTER_S = 5
CLOSING_TURNS = 5
"""Loop turns an answer needs from its settlement to the socket, and a few more."""
MAX_IN_FLIGHT = 1024
MAX_DEVICES = 20_000
MAX_DOWN = 8
PATH_PARTS = 4

log = logging.getLogger(__name__)


class CoapSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[transports.coap]`; `codec` is handed to the protocol's codec as it is."""

    host: str = "127.0.0.1"
    port: int = 5683
    protocol: str = "senml"
    max_payload_bytes: int = 8192
    codec: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if not _is_loopback(self.host):
            raise ValueError(
                f"host {self.host!r} is not a loopback address: CoAP has no security of its own yet, "
                "so it may only listen on 127.0.0.1 or ::1"
            )
        if not 0 <= self.port <= 65535:  # noqa: PLR2004 - the range of a UDP port
            raise ValueError("port must be 0 to 65535")
        if self.max_payload_bytes < 1:
            raise ValueError("max_payload_bytes must be at least 1")


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
        self._devices: OrderedDict[str, _Device] = OrderedDict()
        self._waiting: set[asyncio.Future[Settlement]] = set()

    async def run(self, ready: Callable[[str], None]) -> None:
        """Serve until cancelled; raises OSError when the port is taken."""
        host, port = self.settings.host, self.settings.port or _free_port(self.settings.host)
        _refuse_taken(host, port)
        context = await Context.create_server_context(
            _Root(self), bind=(host, port), transports=[_server_transport()]
        )
        try:
            self.address = f"{host}:{port}"
            ready(self.address)
            await asyncio.get_running_loop().create_future()
        finally:
            await self._answer_what_waits()
            await context.shutdown()
            while self._devices:
                self._forget_oldest()

    def send(self, device: str, data: bytes, done: Callable[[], None]) -> bool:
        """Keep the order until the band asks; False when it never spoke or has `MAX_DOWN` waiting."""
        known = self._devices.get(device)
        if known is None or len(known.down) >= MAX_DOWN:
            return False
        known.down.append((data, done))
        return True

    def forget(self, device: str) -> None:
        """Drop what is kept of a device; its next request is refused."""
        known = self._devices.pop(device, None)
        if known is not None:
            self.counts["forgotten orders"] += len(known.down)
            self.sink.closed(known.link)

    # ------------------------------------------------------------------ requests

    def check(self, request: Any) -> None:
        """Raise _Refused for a request, or a block of one, that is not allowed.

        Runs before anything of the payload is kept, so only admitted devices can make us keep blocks.
        """
        path = tuple(request.opt.uri_path)
        if len(path) != PATH_PARTS or path[:2] != ("sw", self.site.community) or path[3] not in _METHODS:
            raise _Refused(Code.NOT_FOUND)
        if request.code is not _METHODS[path[3]]:
            raise _Refused(Code.METHOD_NOT_ALLOWED)
        keys = [query[2:] for query in request.opt.uri_query if query.startswith("k=")]
        if len(keys) != 1:
            raise _Refused(Code.UNAUTHORIZED)
        if not self.sink.admits(path[2], keys[0].encode()):
            raise _Refused(Code.FORBIDDEN)
        if path[3] == "up" and request.opt.content_format not in CONTENT_FORMATS:
            raise _Refused(Code.UNSUPPORTED_CONTENT_FORMAT)
        block = request.opt.block1
        size = len(request.payload) + (0 if block is None else block.start)
        if max(size, request.opt.size1 or 0) > self.settings.max_payload_bytes:
            raise _Refused(Code.REQUEST_ENTITY_TOO_LARGE)

    async def answer(self, request: Any) -> Any:
        """The response to a whole, checked request."""
        _, _, device, resource = request.opt.uri_path
        known = self._known(device, request.remote.hostinfo)
        if resource == "down":
            return self._next_order(known)
        if self.sink.congested or len(self._waiting) >= MAX_IN_FLIGHT:
            return self._unavailable("journal behind")
        settlement = await self._deliver(known.link, request.payload)
        if settlement.outcome is Outcome.UNAVAILABLE:
            return self._unavailable("not stored")
        if settlement.outcome is Outcome.FORBIDDEN:
            raise _Refused(Code.FORBIDDEN)
        self.counts["2.04"] += 1
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

    def _next_order(self, known: _Device) -> Any:
        self.counts["2.05"] += 1
        if not known.down:
            return Message(code=Code.CONTENT, content_format=OCTET_STREAM)
        data, done = known.down.popleft()
        done()
        return Message(code=Code.CONTENT, content_format=OCTET_STREAM, payload=data)

    def _unavailable(self, reason: str) -> Any:
        self.counts[f"5.03 {reason}"] += 1
        return Message(code=Code.SERVICE_UNAVAILABLE, max_age=RETRY_AFTER_S)

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
            known = self._devices[device] = _Device(link)
            if len(self._devices) > MAX_DEVICES:
                self._forget_oldest()
        known.link.peer = peer
        self._devices.move_to_end(device)
        return known

    def _forget_oldest(self) -> None:
        _, known = self._devices.popitem(last=False)
        self.counts["forgotten orders"] += len(known.down)
        self.sink.closed(known.link)


@dataclass(slots=True, eq=False)
class _Device:
    """A device heard since the start, and the orders it has not fetched yet."""

    link: Link
    down: deque[tuple[bytes, Callable[[], None]]] = field(default_factory=deque)


_METHODS = {"up": Code.POST, "down": Code.GET}


class _Refused(ConstructionRenderableError):  # type: ignore[misc]  # aiocoap has no types
    """A request answered with an error code."""

    def __init__(self, code: Any) -> None:
        super().__init__()
        self.code = code


class _Root(Resource, PathCapable):  # type: ignore[misc]  # aiocoap has no types
    """Every path of the server; it has no other resource, not even a listing of them."""

    def __init__(self, transport: CoapTransport) -> None:
        super().__init__()
        self._transport = transport

    async def needs_blockwise_assembly(self, request: Any) -> bool:
        """Refuse a request at its first block."""
        with self._counted():
            self._transport.check(request)
        return True

    async def render(self, request: Any) -> Any:
        """Answer a whole request."""
        with self._counted():
            return await self._transport.answer(request)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            yield
        except _Refused as refused:
            self._transport.counts[refused.code.dotted] += 1
            raise


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _probe(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((host, port))
        return int(probe.getsockname()[1])


def _server_transport() -> str:
    """Name the aiocoap transport that works on this loop.

    `udp6` reads from the socket itself, which uvloop does not allow;
    `simplesocketserver` works on any loop, for one explicit address, and sees no ICMP errors.
    """
    on_standard_loop = isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)
    return "udp6" if on_standard_loop else "simplesocketserver"


def _free_port(host: str) -> int:
    """A free port: aiocoap binds but does not say where."""
    return _probe(host, 0)


def _refuse_taken(host: str, port: int) -> None:
    """Raise OSError when somebody listens there: aiocoap shares its port and would take half the bands."""
    _probe(host, port)


TRANSPORT = CoapTransport
