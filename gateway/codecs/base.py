"""The shape of a codec: bytes in, uplinks out, pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

from gateway.model import DownCommand, Uplink


class Order(NamedTuple):
    """An order in a band's own bytes.

    `tag` is how the codec will know the band's answer to it again (`DownAnswer.tag`),
    empty where the protocol has no answers: the order is then done when the wire says the band has it.
    """

    data: bytes
    tag: str = ""


class Known(NamedTuple):
    """What a codec is told of a band of the allow-list.

    `settings` are those of the band's model (an instance of the codec's `Settings`), None without a model;
    `login_code` is what a protocol with a login of its own expects of it, empty where it has none;
    `serial` is the number printed on the band, empty where nobody wrote it down.
    """

    settings: Any = None
    login_code: str = ""
    serial: str = ""


Bands = Callable[[str], Known | None]
"""Looks a wire id up in the allow-list; None for a stranger."""

S = TypeVar("S")


def settings_of(wire_id: str, bands: Bands | None, otherwise: S) -> S:
    """The settings of a band's model where it is known to have one, else `otherwise`."""
    return settings_in(bands(wire_id) if bands is not None else None, otherwise)


def settings_in(known: Known | None, otherwise: S) -> S:
    """The settings of a known band's model, else `otherwise`.

    On a port of another protocol anybody may claim its id: a model of that protocol then says nothing.
    """
    if known is None or not isinstance(known.settings, type(otherwise)):
        return otherwise
    return known.settings


class Codec(Protocol):
    """Decodes one connection's bytes; one instance a connection.

    A codec module ends with `CODEC = TheClass`, built as `TheClass(settings, now=…, bands=…)`, each of them
    optional: its `Settings` (a msgspec Struct), the clock, and what is known of a band.
    Without `bands` every band is believed, with the settings given: captures are decoded that way.
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

    # `calls_back: ClassVar[bool] = True` where `encode_down` knows `call_back`;
    # `logs_in: ClassVar[bool] = True` where the protocol has a login of its own (`Known.login_code`).

    def encode_down(self, command: DownCommand, device: str) -> Order | None:
        """Translate an order to the band of this wire id; None when this protocol has no words for it."""
        ...
