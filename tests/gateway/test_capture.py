"""What a capture hears, and what it costs and keeps when nobody listens."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from gateway import capture
from gateway.capture import Captures
from gateway.capture_format import CaptureError, Header, Piece, read
from gateway.local_orders import Capture
from gateway.told import ControlAnswer
from gateway.transports.base import Link, Site

HEART = '[{"kind": "heart_rate", "heart_rate_bpm": 72}]'


class Wire:
    """A transport that takes orders of one band."""

    def __init__(self, name):
        self.name = name

    def send(self, device, _data, done):
        if device == "4700186508":
            done()
        return device == "4700186508"


@pytest.fixture
async def recording(house, tmp_path):
    """A capture of `tcp` at the intake of the house; `heard` fills while it runs."""
    site = Site(gateway="gw-test", community="xinhe", data_dir=tmp_path)
    captures = Captures(house.intake, site, house.clock, ("tcp", "serial"))
    heard = []

    put = heard.append

    async def listen(lines):
        async with contextlib.aclosing(lines):
            async for line in lines:
                put(line)

    running = asyncio.create_task(listen(captures.record(Capture(transport="tcp"))))
    await asyncio.sleep(0)
    yield captures, heard, running
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def settle():
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_capture_begins_with_its_header_and_hears_what_goes_up_and_comes_back(
    house, watch, recording
):
    _, heard, _ = recording
    house.hear(f"4700186508 {HEART}", watch)
    house.journal.commit()
    house.intake.closed(watch)
    await settle()
    assert heard[0] == ControlAnswer(done=True)
    assert isinstance(heard[1], Header)
    assert (heard[1].gateway, heard[1].transport) == ("gw-test", "tcp")
    told = [(piece.what, piece.link, piece.device, bytes.fromhex(piece.hex)) for piece in heard[2:]]
    assert told == [
        ("up", watch.number, None, f"4700186508 {HEART}".encode()),
        ("reply", watch.number, "4700186508", b"reply to 4700186508"),
        ("closed", watch.number, "4700186508", b""),
    ]


async def test_other_transports_are_not_heard(house, band, recording):
    _, heard, _ = recording
    house.hear(f"- {HEART}", band)
    house.journal.commit()
    await settle()
    assert len(heard) == 2


async def test_orders_are_heard_when_the_wire_takes_them(recording):
    captures, heard, _ = recording
    wires = list(captures.wires([Wire("tcp"), Wire("serial")]))
    for device in ("4700186508", "nobody"):
        for wire in wires:
            wire.send(device, b"FIND", lambda: None)
    await settle()
    assert [(piece.what, piece.device, piece.hex) for piece in heard[2:]] == [
        ("down", "4700186508", b"FIND".hex())
    ]


async def test_when_whoever_listened_is_gone_nothing_is_tapped_any_more(house, recording):
    captures, _, running = recording
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert house.intake.tap is None
    wires = [Wire("tcp")]
    assert captures.wires(wires) is wires


@pytest.mark.parametrize(
    ("transport", "why"), [("tcp", "recording already"), ("pigeon", "no transport 'pigeon'")]
)
async def test_a_second_capture_and_an_unknown_transport_are_refused(house, recording, transport, why):
    captures, _, running = recording
    (answer,) = [answer async for answer in captures.record(Capture(transport=transport))]
    assert not answer.done
    assert why in answer.reason
    assert house.intake.tap is not None
    assert not running.done()


async def test_what_a_slow_listener_does_not_take_is_left_out_and_said_in_the_capture(monkeypatch):
    monkeypatch.setattr(capture, "WAITING_BYTES", 500)
    tap = capture.Tap("tcp")
    link = Link(wire="tcp", protocol="watch", peer="p")
    for number in range(10):
        tap.up(link, b"%d" % number)
    taken = []
    async with contextlib.aclosing(tap.pieces()) as pieces:
        async for piece in pieces:
            taken.append(piece)
            if len(taken) == 3:
                tap.up(link, b"after")
            if piece.hex == b"after".hex():
                break
    assert [piece.what for piece in taken] == ["up", "up", "up", "lost", "up"]
    assert taken[3].count == 7


HEAD = '{"shouwang_capture":1,"gateway":"g","community":"c","transport":"tcp","at":"2026-01-01T00:00:00Z"}'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "line 1"),
        ('{"shouwang_capture": 1}', "line 1"),
        (HEAD.replace(":1,", ":2,"), "version 2"),
        (HEAD + '\n{"at_s":0,"what":"up","hex":"0x"}', "line 2"),
    ],
)
def test_what_is_no_capture_is_said_with_its_line(text, why):
    with pytest.raises(CaptureError, match=why):
        read(text.encode().splitlines())


def test_a_piece_says_only_what_it_has():
    import msgspec

    assert msgspec.json.encode(Piece(at_s=1.5, what="closed", link=3)) == (
        b'{"at_s":1.5,"what":"closed","link":3}'
    )
