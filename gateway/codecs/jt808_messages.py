"""What a believed JT/T 808 terminal says: readings, answers to orders, and the result to tell it. Pure."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from datetime import UTC
from types import MappingProxyType
from typing import ClassVar, NamedTuple

from gateway.codecs import jt808_alarms, jt808_fields, jt808_position
from gateway.codecs.device_clock import Now
from gateway.codecs.framing import Tally
from gateway.codecs.jt808_alarms import Latches
from gateway.codecs.jt808_frame import Frame
from gateway.codecs.jt808_login import ALARM_HANDLED, DONE, LOGOUT, UNSUPPORTED, WRONG
from gateway.codecs.jt808_position import Position
from gateway.codecs.jt808_settings import Field, Jt808Settings
from gateway.model import BandAlarm, DownAnswer, Reading

CONFIRM, HEARTBEAT, TIME, ATTRIBUTES, TIME_2 = 0x0001, 0x0002, 0x0004, 0x0107, 0x0109
POSITION, LOCATED, SHORT_BATCH, BATCH, TRANSPARENT = 0x0200, 0x0201, 0x0210, 0x0704, 0x0900
ZONE, TEXT_ANSWER, TEXT_REPORT = 0x1007, 0x1300, 0x6006
LOCATE, TEXT, TIME_ANSWER, TIME_ANSWER_2 = 0x8201, 0x8300, 0x8004, 0x8109
STORED = 1
"""The type of a batch out of the terminal's store."""
ORDER_ANSWERS = {0: "", 1: "failed", 2: "order wrong", 3: "unsupported"}
DETAIL_CHARS = 40
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")


class Said(NamedTuple):
    """What one message comes to.

    `result` goes back in 0x8001, None where it wants no such answer; `reply` is another answer (id, body);
    `refusal` sends the frame to quarantine: its body is no message of its kind.
    """

    readings: list[Reading] = []  # noqa: RUF012 - never changed
    result: int | None = DONE
    backlog: bool = False
    answers: tuple[DownAnswer, ...] = ()
    reply: tuple[int, bytes] | None = None
    refusal: str = ""


class Messages:
    """Reads the messages of one connection; remembers which alarm bits are set, and the last text sent."""

    def __init__(self, now: Now | None) -> None:
        self.unknown_messages = Tally()
        self.unknown_items = Tally()
        self.unreadable_positions = 0
        self.wrong_counts = 0
        self.text_tag = ""
        self._now = now
        self._positions = Latches()
        self._heartbeats = Latches()

    def knows(self, message: int) -> bool:
        """Whether there is anything to read in such a message; a long one is else not worth its parts."""
        return message in self._READERS

    def read(self, frame: Frame, settings: Jt808Settings) -> Said:
        """Read one whole message. What nobody knows is counted and answered "unsupported"."""
        if frame.encrypted:
            return Said(result=UNSUPPORTED, refusal="body is encrypted")
        reader = self._READERS.get(frame.message)
        if reader is None:
            self.unknown_messages.add(f"{frame.message:04x}")
            return Said(result=UNSUPPORTED)
        return reader(self, frame, settings)

    # ------------------------------------------------------------------ positions

    def begun(self, part: Frame, settings: Jt808Settings) -> list[Reading]:
        """What the first part of a position says, where it is an alarm: its other parts may never come."""
        if part.message != POSITION or part.part != 1 or part.encrypted:
            return []
        if not jt808_position.position(part.body, settings, self._now, Tally()).alarms:
            return []
        return self._live(part.body, part, settings)

    def _position(self, frame: Frame, settings: Jt808Settings) -> Said:
        readings = self._live(frame.body, frame, settings)
        if not readings:
            return Said(result=WRONG, refusal="position unreadable")
        is_sos = any(isinstance(reading, BandAlarm) and reading.alarm == "sos" for reading in readings)
        return Said(readings, result=ALARM_HANDLED if is_sos and settings.confirms_sos else DONE)

    def _located(self, frame: Frame, settings: Jt808Settings) -> Said:
        """0x0201: a position, and before it the serial of the order it answers."""
        if len(frame.body) < 2:  # noqa: PLR2004 - a serial
            return Said(result=WRONG, refusal="position unreadable")
        answer = DownAnswer(tag=tag(LOCATE, int.from_bytes(frame.body[:2], "big")), done=True)
        return Said(self._live(frame.body[2:], frame, settings), answers=(answer,))

    def _batch(self, frame: Frame, settings: Jt808Settings) -> Said:
        """0x0704: count 2, type 1, then records; they are read as far as they go, whatever the count says."""
        records = list(jt808_position.batch(frame.body))
        if len(frame.body) < 3 or int.from_bytes(frame.body[:2], "big") != len(records):  # noqa: PLR2004 - see above
            self.wrong_counts += 1
        is_stored = frame.body[2:3] == bytes([STORED])
        readings: list[Reading] = []
        latches = Latches()  # what the store says is told apart by its own times, whatever is set now
        for record in records:
            readings += (
                self._stored(record, settings, latches) if is_stored else self._live(record, frame, settings)
            )
        if not readings:
            return Said(result=WRONG, refusal="position unreadable")
        return Said(readings, backlog=is_stored)

    def _short_batch(self, frame: Frame, settings: Jt808Settings) -> Said:
        """0x0210, of some makers: records after one byte of length; one of 7 bytes is battery and time."""
        readings: list[Reading] = []
        for record in jt808_position.short_batch(frame.body):
            if len(record) == jt808_position.SHORT_BODY_BYTES:
                readings += jt808_position.short_record(record, settings, self._now)
            elif record:
                readings += self._live(record, frame, settings)
        if not readings:
            return Said(result=WRONG, refusal="position unreadable")
        return Said(readings)

    def _live(self, body: bytes, frame: Frame, settings: Jt808Settings) -> list[Reading]:
        seen = self._read_position(body, settings)
        if len(body) < jt808_position.ALARM_BYTES:
            return []
        alarms = self._positions.live(
            seen.alarms,
            at=seen.at,
            stamp=seen.stamp,
            raw=frame.raw,
            now=self._now() if self._now is not None and seen.alarms else None,
            latched_s=settings.latched_s,
        )
        return _joined(seen.readings, alarms)

    def _stored(self, body: bytes, settings: Jt808Settings, latches: Latches) -> list[Reading]:
        seen = self._read_position(body, settings)
        alarms = latches.live(
            seen.alarms, at=seen.at, stamp=seen.stamp, raw=body, now=None, latched_s=settings.latched_s
        )
        return _joined(seen.readings, alarms)

    def _read_position(self, body: bytes, settings: Jt808Settings) -> Position:
        seen = jt808_position.position(body, settings, self._now, self.unknown_items)
        self.unreadable_positions += not seen.is_whole
        return seen

    # ------------------------------------------------------------------ the rest

    def _heartbeat(self, frame: Frame, settings: Jt808Settings) -> Said:
        readings, alarms = jt808_fields.read([(0, frame.body)], settings.heartbeat, None)
        raised = self._heartbeats.live(
            alarms,
            at=None,
            stamp="",
            raw=frame.raw,
            now=self._now() if self._now is not None and alarms else None,
            latched_s=settings.latched_s,
        )
        return Said(_joined(readings, raised))

    def _transparent(self, frame: Frame, settings: Jt808Settings) -> Said:
        """0x0900: a sub-type, then bytes only the model's map can tell."""
        kind = frame.body[:1].hex()
        found = [(int(kind or "0", 16), frame.body[1:])]
        if not _is_mapped(found[0][0], settings.transparent):
            self.unknown_items.add(f"0900 {kind}")
        readings, alarms = jt808_fields.read(found, settings.transparent, None)
        return Said(_joined(readings, jt808_alarms.undated(alarms, name=f"0900{kind}", raw=frame.raw)))

    def _confirm(self, frame: Frame, _settings: Jt808Settings) -> Said:
        """0x0001: serial and id of the order, and what became of it."""
        if len(frame.body) < 5:  # noqa: PLR2004 - serial, id, result
            return Said(result=None, refusal="answer too short")
        serial, message, code = struct.unpack_from(">HHB", frame.body)
        detail = ORDER_ANSWERS.get(code, f"result {code}")
        return Said(
            result=None, answers=(DownAnswer(tag=tag(message, serial), done=code == DONE, detail=detail),)
        )

    def _text(self, frame: Frame, _settings: Jt808Settings) -> Said:
        """0x1300, 0x6006, of some makers: the answer to a text in words, UTF-16BE or GBK."""
        words = _CONTROLS.sub("", frame.body.decode("utf-16-be" if 0 in frame.body else "gbk", "replace"))
        words = words.strip()[:DETAIL_CHARS]
        if not self.text_tag:
            return Said()
        return Said(answers=(DownAnswer(tag=self.text_tag, done=True, detail=words),))

    def _nothing(self, _frame: Frame, _settings: Jt808Settings) -> Said:
        return Said()

    def _time(self, frame: Frame, _settings: Jt808Settings) -> Said:
        """The time in UTC: 0x8004 in BCD (2019), 0x8109 in binary with a year of two bytes (some makers)."""
        if self._now is None:
            return Said(result=UNSUPPORTED)
        now = self._now().astimezone(UTC)
        if frame.message == TIME:
            return Said(result=None, reply=(TIME_ANSWER, bytes.fromhex(f"{now:%y%m%d%H%M%S}")))
        body = struct.pack(">H5B", now.year, now.month, now.day, now.hour, now.minute, now.second)
        return Said(result=None, reply=(TIME_ANSWER_2, body))

    _READERS: ClassVar[MappingProxyType[int, Callable[[Messages, Frame, Jt808Settings], Said]]] = (
        MappingProxyType(
            {
                CONFIRM: _confirm,
                HEARTBEAT: _heartbeat,
                LOGOUT: _nothing,
                ATTRIBUTES: _nothing,
                ZONE: _nothing,
                TIME: _time,
                TIME_2: _time,
                POSITION: _position,
                LOCATED: _located,
                BATCH: _batch,
                SHORT_BATCH: _short_batch,
                TRANSPARENT: _transparent,
                TEXT_ANSWER: _text,
                TEXT_REPORT: _text,
            }
        )
    )


def tag(message: int, serial: int) -> str:
    """The name of an order: its message id in hex, and its serial."""
    return f"{message:04x}:{serial}"


def _is_mapped(kind: int, fields: tuple[Field, ...]) -> bool:
    return any(field.id == kind for field in fields)


def _joined(readings: list[Reading], alarms: list[BandAlarm]) -> list[Reading]:
    """The fix first, then the alarms, then the gauges."""
    return [*readings[:1], *alarms, *readings[1:]] if readings else list(alarms)
