"""Packs that come in blocks (RFC 7959 Block1), put together by device: one a device, few in all."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Any

from aiocoap.numbers.codes import Code

from gateway.transports.coap_door import Refused

MAX_UNFINISHED = 1024


@dataclass(slots=True)
class _Unfinished:
    """What has come so far, and as what."""

    content_format: int | None
    data: bytearray


class Packs:
    """Unfinished packs; the one untouched for longest makes room, and its band begins again."""

    def __init__(self, counts: Counter[str], *, max_bytes: int) -> None:
        self._counts = counts
        self._max_bytes = max_bytes
        self._unfinished: OrderedDict[str, _Unfinished] = OrderedDict()

    def take(self, device: str, request: Any) -> bytes | None:
        """The whole pack, or None while blocks of it are to come.

        Raises Refused: 4.13 for a pack that is or says it will be too long, 4.08 for a block out of order.
        """
        block = request.opt.block1
        size = len(request.payload) + (0 if block is None else block.start)
        if max(size, request.opt.size1 or 0) > self._max_bytes:
            self.forget(device)
            raise Refused(Code.REQUEST_ENTITY_TOO_LARGE)
        if block is None:
            return bytes(request.payload)
        pack = self._pack(device, request)
        have = bytes(pack.data[block.start :])
        if block.start + len(have) == len(pack.data) and have in (b"", request.payload):
            pack.data[block.start :] = request.payload
        else:
            self.forget(device)
            raise Refused(Code.REQUEST_ENTITY_INCOMPLETE)
        if block.more:
            return None
        del self._unfinished[device]
        return bytes(pack.data)

    def forget(self, device: str) -> None:
        """Drop what has come of a device's pack."""
        self._unfinished.pop(device, None)

    def _pack(self, device: str, request: Any) -> _Unfinished:
        pack = self._unfinished.get(device)
        if request.opt.block1.block_number == 0:
            pack = self._unfinished[device] = _Unfinished(request.opt.content_format, bytearray())
        if pack is None or pack.content_format != request.opt.content_format:
            raise Refused(Code.REQUEST_ENTITY_INCOMPLETE)
        self._unfinished.move_to_end(device)
        if len(self._unfinished) > MAX_UNFINISHED:
            self._unfinished.popitem(last=False)
            self._counts["unfinished packs dropped"] += 1
        return pack
