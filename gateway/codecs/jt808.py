"""JT/T 808-2011, -2013 and -2019: the Ministry of Transport's terminals, and the BeiDou bands made like them.

Binary frames over TCP; docs/protocols/jt808.md has the whole story.
Whatever a terminal sends is answered once it is stored, understood or not, or it would come for ever;
nothing is believed before the terminal has shown its authentication code.
"""

from __future__ import annotations

import struct
from typing import ClassVar

from gateway.codecs import jt808_down
from gateway.codecs.band_text import text_of
from gateway.codecs.base import Bands, Known, Order, settings_in, settings_of
from gateway.codecs.device_clock import Now
from gateway.codecs.framing import FrameBuffer, Framed, Tally
from gateway.codecs.jt808_frame import FlagCutter, Frame, build, parse
from gateway.codecs.jt808_login import ANSWER, DONE, WRONG, Gate, address, names, result
from gateway.codecs.jt808_messages import LOCATED, POSITION, Messages, tag
from gateway.codecs.jt808_parts import Parts, is_possible
from gateway.codecs.jt808_settings import Jt808Settings
from gateway.errors import FrameError
from gateway.model import BandAlarm, DownCommand, FenceView, Reading, Uplink

FIND_TEXT = "家人在找您，请看一下手环。"
ASK_AGAIN = 0x8003


class Jt808Codec(Framed):
    """Decodes one connection, and answers in the form the terminal speaks (2013 or 2019).

    `now` is needed to give the time, to give up long messages that never end, and to tell presses apart.
    """

    name: ClassVar[str] = "jt808"
    Settings: ClassVar[type] = Jt808Settings
    calls_back: ClassVar[bool] = True
    logs_in: ClassVar[bool] = True

    def __init__(
        self, settings: Jt808Settings | None = None, *, now: Now | None = None, bands: Bands | None = None
    ) -> None:
        self.settings = settings or Jt808Settings()
        self.wrong_lengths = 0
        self._now = now
        self._bands = bands
        self._messages = Messages(now)
        self._gate = Gate()
        self._parts = Parts()
        self._speaks: tuple[str, bytes, int | None] | None = None
        self._serial = 0 if now is None else int(now().timestamp()) & 0xFFFF
        self._frames = FrameBuffer(FlagCutter(), max_frame_bytes=self.settings.max_frame_bytes)

    @property
    def unknown_messages(self) -> Tally:
        """Message ids nobody knows, by how often they came."""
        return self._messages.unknown_messages

    @property
    def unknown_items(self) -> Tally:
        """Items of additional information and sub-types no map knows, by how often they came."""
        return self._messages.unknown_items

    @property
    def unreadable_positions(self) -> int:
        """Positions cut short or on no map."""
        return self._messages.unreadable_positions

    @property
    def wrong_counts(self) -> int:
        """Batches whose count is not that of their records."""
        return self._messages.wrong_counts

    def end_of_message(self) -> None:
        """See `Codec.end_of_message`; a long message that is not whole by now never will be."""
        super().end_of_message()
        self._parts.end()

    def next_event(self) -> Uplink | None:
        """See `Codec.next_event`; a part of a long message is no event of its own."""
        while True:
            now = None if self._now is None else self._now()
            given_up = self._parts.given_up(now)
            if given_up is not None:
                raise FrameError("long message never whole", raw=given_up)
            raw = self._frames.next()
            if raw is None:
                return None
            uplink = self._frame(parse(raw))
            if uplink is not None:
                return uplink

    def _frame(self, frame: Frame) -> Uplink | None:
        wire_id, known = self._who(frame.phone)
        settings = settings_in(known, self.settings)
        if frame.fault and not settings.lenient:
            raise FrameError(frame.fault, offset=max(len(frame.raw) - 2, 0), raw=frame.raw)
        if frame.declared_bytes != len(frame.body):
            self.wrong_lengths += 1
        answer = self._gate.judge(frame, wire_id, known, authenticates=settings.authenticates)
        if answer is not None:
            reply = self._reply(frame, answer.message, answer.body)
            cries = () if known is None else self._cries(frame, settings)
            return Uplink(device=wire_id, readings=cries, raw=frame.raw, reply=reply, refusal=answer.refusal)
        self._speaks = wire_id, frame.phone, frame.version
        if frame.parts <= 1 or not self._messages.knows(frame.message):
            return self._whole(frame, wire_id, settings)
        if not is_possible(frame):
            reply = self._reply(frame, ANSWER, result(frame, WRONG))
            refusal = "part number impossible"
            return Uplink(device=wire_id, readings=(), raw=frame.raw, reply=reply, refusal=refusal)
        now = None if self._now is None else self._now()
        whole = self._parts.add(frame, now)
        if whole is not None:
            return self._whole(whole, wire_id, settings)
        return self._part(frame, wire_id, settings)

    def _part(self, frame: Frame, wire_id: str, settings: Jt808Settings) -> Uplink | None:
        """A part of a message that is not whole: an event only where it is an alarm, or is answered."""
        readings = tuple(self._messages.begun(frame, settings))
        reply = self._asked_again(frame)
        if settings.acks_parts:
            reply = self._reply(frame, ANSWER, result(frame, DONE)) + reply
        if not readings and not reply:
            return None
        return Uplink(device=wire_id, readings=readings, raw=frame.raw, reply=reply or None)

    def _cries(self, frame: Frame, settings: Jt808Settings) -> tuple[Reading, ...]:
        """The SOS or fall in a position we do not believe, for somebody to look after the band."""
        if frame.message not in (POSITION, LOCATED) or frame.parts:
            return ()
        said = self._messages.read(frame, settings).readings
        return tuple(one for one in said if isinstance(one, BandAlarm) and one.alarm in {"sos", "fall"})

    def _whole(self, frame: Frame, wire_id: str, settings: Jt808Settings) -> Uplink:
        said = self._messages.read(frame, settings)
        reply = b"" if said.result is None else self._reply(frame, ANSWER, result(frame, said.result))
        if said.reply is not None:
            reply += self._reply(frame, *said.reply)
        reply += self._asked_again(frame)
        return Uplink(
            device=wire_id,
            readings=tuple(said.readings),
            raw=frame.raw,
            backlog=said.backlog,
            reply=reply or None,
            answers=said.answers,
            refusal=said.refusal,
        )

    def encode_down(self, command: DownCommand, device: str) -> Order | None:
        """Translate to a text, a call back, a position asked for, an interval, a ring or fences.

        None without its text, interval, number or fences, for fences no terminal can hold,
        and for a wire id that is no terminal number.
        """
        settings = settings_of(device, self._bands, self.settings)
        if self._speaks is not None and self._speaks[0] == device:
            _, phone, version = self._speaks
        else:
            found = address(device, settings.version)
            if found is None:
                return None
            phone, version = found
        try:
            orders = _bodies(command, settings, version)
        except ValueError:
            return None  # more corners or circles than a message holds
        if not orders:
            return None
        frames, name = [], ""
        for message, body in orders:
            name = tag(message, self._serial)
            frames.append(self._build(message, body, phone, version))
        if orders[-1][0] == jt808_down.TEXT:
            self._messages.text_tag = name
        return Order(b"".join(frames), name)

    # ------------------------------------------------------------------ who, and answers

    def _who(self, phone: bytes) -> tuple[str, Known | None]:
        """The wire id of a terminal's number, as the list writes it; without a list everybody is believed."""
        candidates = names(phone)
        if self._bands is None:
            return candidates[0], Known()
        for name in candidates:
            known = self._bands(name)
            if known is not None:
                return name, known
        return candidates[0], None

    def _reply(self, frame: Frame, message: int, body: bytes) -> bytes:
        return self._build(message, body, frame.phone, frame.version)

    def _build(self, message: int, body: bytes, phone: bytes, version: int | None) -> bytes:
        serial = self._serial
        self._serial = (serial + 1) & 0xFFFF
        return build(message, body, phone=phone, serial=serial, version=version)

    def _asked_again(self, frame: Frame) -> bytes:
        """0x8003 for the parts of a long message that are missing; empty when none is to be asked for."""
        wanted = self._parts.wanted(frame, None if self._now is None else self._now())
        if wanted is None:
            return b""
        serial, parts = wanted
        count = struct.pack(">B" if frame.version is None else ">H", len(parts))
        return self._reply(
            frame, ASK_AGAIN, struct.pack(">H", serial) + count + struct.pack(f">{len(parts)}H", *parts)
        )


def _bodies(command: DownCommand, settings: Jt808Settings, version: int | None) -> list[tuple[int, bytes]]:
    """The messages of an order: (id, body), in order; none where there are no words for it."""
    words = text_of(command)
    if command.name == "find" and settings.find_control is not None:
        return [(jt808_down.CONTROL, bytes([settings.find_control]))]
    if words or command.name == "find":
        text = jt808_down.text(words or FIND_TEXT, flags=settings.text_flags, version=version)
        return [(jt808_down.TEXT, text)]
    if command.name == "call_back" and command.phone is not None:
        return [(jt808_down.CALL_BACK, jt808_down.call_back(command.phone.removeprefix("+86")))]
    if command.name == "locate_now":
        return [(jt808_down.LOCATE, b"")]
    if command.name == "interval" and command.interval_s is not None:
        if settings.interval_by == "tracking":
            return [(jt808_down.TRACK, jt808_down.track(command.interval_s))]
        return [(jt808_down.PARAMETERS, jt808_down.interval(command.interval_s))]
    if command.name == "fences" and command.fences is not None:
        return _fences(command.fences, version)
    return []


def _fences(fences: tuple[FenceView, ...], version: int | None) -> list[tuple[int, bytes]]:
    """Circles and polygons; the ids count from 1.

    A polygon goes without its holes. Corridors and fences of several parts stay with the gateway alone:
    their parts, told one by one, would each raise when the next is entered.
    """
    numbered = list(enumerate(fences, start=1))
    circles = [
        (number, fence.name, *fence.centre, fence.radius_m)
        for number, fence in numbered
        if fence.centre is not None and fence.radius_m is not None
    ]
    return [(jt808_down.CIRCLES, jt808_down.circles(circles, version=version))] + [
        (jt808_down.POLYGON, jt808_down.polygon(number, fence.name, fence.polygon, version=version))
        for number, fence in numbered
        if fence.polygon
    ]


CODEC = Jt808Codec
