"""The shape of a codec: bytes in, uplinks out, pure."""

from __future__ import annotations

from typing import ClassVar, Protocol

from gateway.model import DownCommand, Uplink


class Codec(Protocol):
    """Decodes one connection's bytes; one instance a connection.

    A codec module ends with `CODEC = TheClass`; the class takes its `Settings` (a msgspec Struct) or nothing.
    Message wires (MQTT, CoAP) feed one whole payload and read it out before they feed the next.
    """

    name: ClassVar[str]
    Settings: ClassVar[type]

    def feed(self, data: bytes) -> None:
        """Take more bytes; never raises. Buffers are bounded."""
        ...

    def next_event(self) -> Uplink | None:
        """Give the next whole frame, or None when more bytes are needed.

        Raises FrameError for bytes that are no frame;
        the codec is then already past them, so calling again goes on with what follows.
        """
        ...

    def end_of_message(self) -> None:
        """Say that the payload ends here: a partial frame left over becomes a FrameError of `next_event`.

        Called by message wires and at the end of a connection.
        """
        ...

    # `calls_back: ClassVar[bool] = True` where `encode_down` knows `call_back`.

    def encode_down(self, command: DownCommand, device: str) -> bytes | None:
        """Translate an order to the band; None when this protocol has no words for it."""
        ...
