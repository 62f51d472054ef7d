"""The UDP socket of the CoAP server, as aiocoap wants its wires.

aiocoap's own sockets need the standard event loop (`udp6`) or one explicit address (`simplesocketserver`).
This one runs on uvloop too, and may listen on `0.0.0.0` or `::`:
every answer leaves from the address its request came to (RFC 7252 section 8, IP_PKTINFO of RFC 3542).

It remembers requests itself, to know a repeated one (RFC 7252 section 4.5): the bytes of an answer instead of
aiocoap's message objects, which would make Python's garbage collector stop everything for half a second.

It also knows what aiocoap keeps to itself: which confirmable message was acknowledged (`when_acknowledged`),
and that a request got its empty acknowledgement (`heard`), so that its answer will be a message of its own.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import struct
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiocoap import Context, Message
from aiocoap.error import UnparsableMessage
from aiocoap.interfaces import EndpointAddress, MessageInterface
from aiocoap.numbers import ACK, CON, EMPTY, NON, RST, TransportTuning
from aiocoap.util import hostportjoin

MAX_DATAGRAM = 4096
BURST = 64
"""Datagrams read before other work has its turn."""
MAX_REMEMBERED = 65_536
"""Requests remembered at a time, with their answers; one more makes the oldest forgotten.
A request heard twice is a reading twice, at worst; one that is not heard may be an SOS."""
REMEMBERED_S = TransportTuning().EXCHANGE_LIFETIME
MAX_AWAITED = 4096
IP_PKTINFO = 8
"""Of <linux/in.h>; Python's socket module has no name for it."""


class _Forgetful(TransportTuning):  # type: ignore[misc]  # aiocoap has no types
    """Keeps aiocoap from remembering what is remembered here."""

    EXCHANGE_LIFETIME = 0.0


FORGETFUL = _Forgetful()

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Peer(EndpointAddress):  # type: ignore[misc]  # aiocoap has no types
    """Who sent a datagram (`address`), and which address of ours it came to (`ancillary`, to answer from)."""

    address: tuple[Any, ...]
    ancillary: tuple[tuple[int, int, bytes], ...] = ()
    scheme = "coap"
    is_multicast = False
    is_multicast_locally = False

    @property
    def host(self) -> str:
        """The address alone, an IPv4 one in its own form."""
        return str(self.address[0]).removeprefix("::ffff:")

    @property
    def loopback(self) -> bool:
        """Whether it is a program on this box; the kernel takes no such source from a network."""
        return ipaddress.ip_address(self.host.split("%")[0]).is_loopback

    @property
    def hostinfo(self) -> str:
        """Address and port, as in a URI."""
        return str(hostportjoin(self.host, self.address[1]))

    @property
    def hostinfo_local(self) -> str:
        """Empty: nothing we send names our own address."""
        return ""

    @property
    def uri_base(self) -> str:
        """The peer as the start of a URI."""
        return f"coap://{self.hostinfo}"

    @property
    def uri_base_local(self) -> str:
        """The start of a URI of ours, without an address."""
        return "coap://"

    @property
    def blockwise_key(self) -> tuple[Any, ...]:
        """Unused: packs are put together by device."""
        return self.address


class Wire(MessageInterface):  # type: ignore[misc]  # aiocoap has no types
    """One socket; `screen` gives the refusal of a request not worth remembering, or None to let it in."""

    def __init__(
        self, host: str, port: int, screen: Callable[[Any], Any | None], counts: Counter[str]
    ) -> None:
        """Bind at once; raises OSError when that is not possible or somebody listens there."""
        self._screen = screen
        self.counts = counts
        self._manager: Any = None
        self._remembered: OrderedDict[tuple[tuple[Any, ...], int], tuple[float, bytes]] = OrderedDict()
        self._awaited: OrderedDict[tuple[Peer, int], Callable[[], None]] = OrderedDict()
        self._emptied: OrderedDict[tuple[Peer, int], None] = OrderedDict()
        self._unheard: dict[tuple[Peer, int], asyncio.Future[None]] = {}
        self._loop = asyncio.get_running_loop()
        self._socket = _bound(host, port)
        shown = f"[{host}]" if ":" in host else host
        self.address = f"{shown}:{self._socket.getsockname()[1]}"

    async def serve(self, root: Any) -> Any:
        """Answer from `root` until the context this returns is shut down."""

        async def attach(manager: Any) -> Wire:
            self._manager = manager
            return self

        context = Context(loop=self._loop, serversite=root, loggername="coap-server")
        await context._append_tokenmanaged_messagemanaged_transport(attach)  # noqa: SLF001 - no public way in
        self._loop.add_reader(self._socket.fileno(), self._readable)
        return context

    def when_acknowledged(self, message: Any, call: Callable[[], None]) -> None:
        """Call back once the peer acknowledged this message, which has just been sent as confirmable."""
        self._awaited[message.remote, message.mid] = call
        if len(self._awaited) > MAX_AWAITED:
            self._awaited.popitem(last=False)
            self.counts["acknowledgements no longer awaited"] += 1

    async def heard(self, request: Any) -> None:
        """Wait until a confirmable request has its empty acknowledgement: at once for any other."""
        key = (request.remote, request.mid)
        if request.mtype is not CON or key in self._emptied:
            return
        heard = self._unheard[key] = self._loop.create_future()
        try:
            await heard
        finally:
            del self._unheard[key]

    def forget(self, request: Any) -> None:
        """Remember a request no longer: one that was refused at the door is refused again as cheaply."""
        self._remembered.pop((request.remote.address, request.mid), None)

    # ------------------------------------------------------------------ what aiocoap asks of a wire

    def send(self, message: Any) -> None:
        """Put it on the wire; what the socket cannot take is lost as datagrams are, and counted."""
        if self._socket.fileno() < 0:
            return
        peer = message.remote
        if message.code is EMPTY and message.mtype is ACK:
            self._note_emptied((peer, message.mid))
        data = message.encode()
        known = self._remembered.get((peer.address, message.mid))
        if known is not None and message.mtype is ACK:
            self._remembered[peer.address, message.mid] = (known[0], data)
        self._put(data, peer)

    def _put(self, data: bytes, peer: Peer) -> None:
        try:
            self._socket.sendmsg([data], peer.ancillary, 0, peer.address)
        except OSError as error:
            self.counts["not sent"] += 1
            log.debug("a datagram to %s was not sent: %s", peer.hostinfo, error)

    def _note_emptied(self, key: tuple[Peer, int]) -> None:
        self._emptied[key] = None
        if len(self._emptied) > MAX_AWAITED:
            self._emptied.popitem(last=False)
        heard = self._unheard.get(key)
        if heard is not None and not heard.done():
            heard.set_result(None)

    async def recognize_remote(self, remote: Any) -> bool:
        """Whether this peer is of this wire; we only ever answer."""
        return isinstance(remote, Peer)

    async def determine_remote(self, message: Any) -> None:  # noqa: ARG002 - aiocoap's shape
        """None: a server asks nobody."""
        return

    async def shutdown(self) -> None:
        """Close the socket."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    # ------------------------------------------------------------------ what comes in

    def _readable(self) -> None:
        for _ in range(BURST):
            try:
                data, ancillary, flags, address = self._socket.recvmsg(MAX_DATAGRAM, socket.CMSG_SPACE(32))
            except BlockingIOError:
                return
            except OSError as error:
                self.counts["not read"] += 1
                log.debug("a datagram was not read: %s", error)
                return
            if flags & socket.MSG_TRUNC:
                self.counts["datagram too long"] += 1
                continue
            local = _local(ancillary)
            if local is None:
                self.counts["sent to a group"] += 1
                continue
            self._received(data, Peer(address, local))

    def _received(self, data: bytes, peer: Peer) -> None:
        message = decoded(data, peer)
        if message is None or not fits(message):
            self.counts["not CoAP"] += 1
            return
        if message.code.is_request():
            refusal = self._screen(message)
            if refusal is not None:
                self._refuse(message, refusal)
                return
            if not self._new(message):
                return
        self._manager.dispatch_message(message)
        if message.code is EMPTY and message.mtype in (ACK, RST):
            arrived = self._awaited.pop((peer, message.mid), None)
            if arrived is not None and message.mtype is ACK:
                arrived()

    def _refuse(self, request: Any, refusal: Any) -> None:
        """Answer without remembering anything; a request that needs no answer gets none."""
        if request.mtype is CON:
            refusal.mtype, refusal.mid, refusal.token = ACK, request.mid, request.token
            refusal.remote = request.remote
            self.send(refusal)

    def _new(self, request: Any) -> bool:
        """Whether this request is none that was heard before, whose answer is then given again."""
        key = (request.remote.address, request.mid)
        now = time.monotonic()
        while self._remembered and now - next(iter(self._remembered.values()))[0] > REMEMBERED_S:
            self._remembered.popitem(last=False)
        known = self._remembered.get(key)
        if known is not None:
            self.counts["repeated"] += 1
            if known[1] and request.mtype is CON:
                self._put(known[1], request.remote)
            return False
        if len(self._remembered) >= MAX_REMEMBERED:
            self.counts["requests forgotten early"] += 1
            self._remembered.popitem(last=False)
        self._remembered[key] = (now, b"")
        request.transport_tuning = FORGETFUL
        return True


def decoded(data: bytes, peer: Peer) -> Any | None:
    """The message in a datagram, None when there is none (aiocoap also trips over options not in UTF-8)."""
    try:
        return Message.decode(data, remote=peer)
    except (UnparsableMessage, UnicodeDecodeError):
        return None


def fits(message: Any) -> bool:
    """Whether type and code go together (RFC 7252 table 1); aiocoap would log each one that does not."""
    if message.code is EMPTY:
        return message.mtype is not NON
    if message.code.is_request():
        return message.mtype in (CON, NON)
    return bool(message.code.is_response()) and message.mtype is not RST


def _bound(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            bound.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _local(ancillary: list[tuple[int, int, bytes]]) -> tuple[tuple[int, int, bytes], ...] | None:
    """What to send beside an answer so that it leaves from where the request came to; None for a group."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            _, mine, to = struct.unpack("i4s4s", data[:12])
            if to != mine:
                return None
            return ((level, kind, struct.pack("i4s4s", 0, mine, bytes(4))),)
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            to = ipaddress.IPv6Address(data[:16])
            if to.is_multicast:
                return None
            scope = data[16:20] if to.is_link_local else bytes(4)
            return ((level, kind, data[:16] + scope),)
    return ()
