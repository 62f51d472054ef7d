"""SenML-CBOR in SLIP with a CRC-16: what a LoRa or BLE receiver on a serial port says of the bands it hears.

The pack is the house format (`gateway.codecs.senml`) and is read by its codec;
this room only takes it out of its frame (`gateway.codecs.slip`), answers it, and puts orders into frames.
Docs: docs/protocols/senml.md.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from gateway.codecs.base import Bands, Order
from gateway.codecs.framing import FrameBuffer, Framed
from gateway.codecs.senml import Now, SenmlCodec, SenmlSettings
from gateway.codecs.senml_pack import cbor_pack
from gateway.codecs.slip import END, SlipCutter, unwrap, wrap
from gateway.errors import FrameError
from gateway.model import DownCommand, Uplink

FIRST_ARRAY, LAST_ARRAY = 0x80, 0x9F
"""A CBOR array begins with one of these (RFC 8949, 3.1, major type 4), and a pack is an array."""


class SenmlSlipCodec(Framed):
    """Decodes the packs of a receiver; a frame whose CRC does not fit is a FrameError with its raw bytes.

    `skipped_bytes` counts what stood between the frames.
    An offset in a FrameError about the pack counts from the start of the pack.
    """

    name: ClassVar[str] = "senml_slip"
    Settings: ClassVar[type] = SenmlSettings

    def __init__(
        self, settings: SenmlSettings | None = None, *, now: Now | None = None, bands: Bands | None = None
    ) -> None:
        self.packs = SenmlCodec(settings, now=now, bands=bands)
        longest = 2 * self.packs.settings.max_pack_bytes  # every byte of it may be escaped
        self._frames = FrameBuffer(SlipCutter(_begins_pack), max_frame_bytes=longest)

    def next_event(self) -> Uplink | None:
        """See `Codec.next_event`; an uplink of a named band is answered with the CRC of its frame."""
        frame = self._frames.next()
        if frame is None:
            return None
        if frame[0] != END:  # it shares its first END with the frame before: make it whole, for the record
            frame = bytes((END,)) + frame
        pack, crc = unwrap(frame)
        try:
            uplink = self.packs.read_pack(pack)
        except FrameError as error:
            raise FrameError(error.reason, offset=error.offset, raw=frame) from None
        reply = None if uplink.device is None else acknowledgement(uplink.device, crc)
        return msgspec.structs.replace(uplink, raw=frame, reply=reply)

    def encode_down(self, command: DownCommand, device: str) -> Order | None:
        """The order of the house format as a framed CBOR pack whose base name says whom to radio it to."""
        order = self.packs.encode_down(command, device)
        if order is None:
            return None
        records: list[dict[str, Any]] = msgspec.json.decode(order.data)
        return Order(_frame(device, records), order.tag)


def acknowledgement(device: str, crc: int) -> bytes:
    """The frame that tells a receiver that the pack of this CRC is stored: it need not be said again."""
    return _frame(device, [{"n": "ack", "v": crc}])


def base_name(device: str) -> str:
    """The base name from which the house format reads this wire id (RFC 9039; `sw` is our own kind)."""
    return f"urn:dev:{device}:" if ":" in device else f"urn:dev:sw:{device}:"


def _frame(device: str, records: list[dict[str, Any]]) -> bytes:
    first, *rest = records
    return wrap(cbor_pack([{"bn": base_name(device), **first}, *rest]))


def _begins_pack(byte: int) -> bool:
    return FIRST_ARRAY <= byte <= LAST_ARRAY


CODEC = SenmlSlipCodec
