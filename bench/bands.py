"""Bands that press and never give a press up: the same press id again and again until it is acknowledged.

An acknowledgement is what each wire has: PUBACK at QoS 1, 2.04 of CoAP, the watch's `AL` answer.
They connect again at once, because the gateway they speak to is killed several times a second.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from aiocoap import POST, Context, Message
from aiocoap.error import Error as CoapError

from bench.load import packet, string
from firmware_sim import watch_frames
from firmware_sim.band import Sample
from firmware_sim.report import Press, Report, senml_cbor, senml_json

COMMUNITY = "kills"
AGAIN_S = 0.04
"""Between two tries to connect."""
ANSWER_S = 0.6
"""How long a band waits for its acknowledgement before it sends the press again."""
SENML_CBOR = 112
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]
KEY = "key-of-{}"
GARDEN = Sample(
    at_s=0,
    lat=31.1553,
    lon=121.1050,
    alt_m=4,
    speed_m_s=0.5,
    course_deg=90,
    accuracy_m=6,
    satellites=9,
    battery_pct=64,
    steps=1200,
    worn=True,
    vitals=None,
)


@dataclass(slots=True, eq=False)
class Pressed:
    """One press as its band knows it: how often it was sent, and when it was first acknowledged."""

    wearer: str
    device: str
    wire: str
    at: datetime
    press_id: str
    sent: int = 0
    acknowledged_at: datetime | None = None


class Wire(Protocol):
    """One way to send a press."""

    name: str

    async def send(self, device: str, report: Report) -> bool:
        """Send once; True when it was acknowledged. Never raises, and always ends."""
        ...


class MqttWire:
    """MQTT 3.1.1, QoS 1, a connection a try, and DUP on every try after the first (3.3.1.1)."""

    name = "mqtt"

    def __init__(self, port: int) -> None:
        self._port = port
        self._tried: set[datetime] = set()

    async def send(self, device: str, report: Report) -> bool:
        """Log in, publish, wait for the PUBACK."""
        again = report.at in self._tried
        self._tried.add(report.at)
        hello = string("MQTT") + b"\x04\xc2\x00\x3c" + string(f"k-{device}")
        hello = packet(0x10, hello + string(device) + string(KEY.format(device)))
        topic = string(f"sw/{COMMUNITY}/{device}/up")
        publish = packet(0x3A if again else 0x32, topic + b"\x00\x07" + senml_json(device, report))

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
            writer.write(hello)
            connack = await reader.readexactly(4)
            if connack[0] != 0x20 or connack[3]:
                return False
            writer.write(publish)
            return await reader.readexactly(4) == b"\x40\x02\x00\x07"

        return await _on_a_line(self._port, talk)


class WatchWire:
    """The watch protocol over TCP; it knows no press id, the press is its device time."""

    name = "tcp"

    def __init__(self, port: int) -> None:
        self._port = port

    async def send(self, device: str, report: Report) -> bool:
        """Write the alarm frame and wait for its answer."""

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
            writer.write(watch_frames.position(device, report))
            buffer = bytearray()
            while data := await reader.read(4096):
                buffer += data
                if any(command == "AL" for command, _ in watch_frames.cut_frames(buffer)):
                    return True
            return False

        return await _on_a_line(self._port, talk)


class CoapWire:
    """SenML CBOR in a confirmable POST; aiocoap repeats the datagram, we repeat the request."""

    name = "coap"

    def __init__(self, port: int, context: Context) -> None:
        self._port = port
        self._context = context

    async def send(self, device: str, report: Report) -> bool:
        """POST and wait for the 2.04."""
        uri = f"coap://127.0.0.1:{self._port}/sw/{COMMUNITY}/{device}/up?k={KEY.format(device)}"
        request = Message(code=POST, uri=uri, payload=senml_cbor(device, report), content_format=SENML_CBOR)
        answer = self._context.request(request).response
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            # Shielded: aiocoap's shutdown trips over an answer that somebody has cancelled.
            response = await asyncio.wait_for(asyncio.shield(answer), ANSWER_S)
        except (CoapError, OSError, TimeoutError):
            return False
        return bool(response.code.is_successful())


async def _on_a_line(port: int, talk: Talk) -> bool:
    """Talk over a new connection; whatever goes wrong on it ends the try as a no, and so does `ANSWER_S`."""
    writer = None
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            return await talk(reader, writer)
    except (OSError, EOFError, TimeoutError):
        return False
    finally:
        if writer is not None:
            writer.transport.abort()


@dataclass(slots=True, eq=False)
class Band:
    """One wearer's band; `presses` is everything it ever pressed."""

    wearer: str
    device: str
    wire: Wire
    presses: list[Pressed] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def _a_new_time(self) -> datetime:
        """A time no press of this band has yet, as its wire can say it: a watch knows whole seconds only."""
        while True:
            now = datetime.now(UTC)
            now = now.replace(microsecond=0 if self.wire.name == "tcp" else now.microsecond // 1000 * 1000)
            if not self.presses or self.presses[-1].at < now:
                return now
            await asyncio.sleep(AGAIN_S)

    async def press(self) -> None:
        """Press once and send that press until it is acknowledged, however often the gateway dies."""
        at = await self._a_new_time()
        press = Pressed(
            wearer=self.wearer,
            device=self.device,
            wire=self.wire.name,
            at=at,
            press_id=f"{round(at.timestamp() * 1000):x}-{next(self._numbers)}",
        )
        self.presses.append(press)
        await self._say(press)

    async def again(self) -> None:
        """Go on with the presses that nobody has acknowledged yet."""
        for press in self.presses:
            await self._say(press)

    async def _say(self, press: Pressed) -> None:
        report = Report(at=press.at, sample=GARDEN, press=Press(press_id=press.press_id, at=press.at))
        while press.acknowledged_at is None:
            press.sent += 1
            if await self.wire.send(self.device, report):
                press.acknowledged_at = datetime.now(UTC)
            else:
                await asyncio.sleep(AGAIN_S)
