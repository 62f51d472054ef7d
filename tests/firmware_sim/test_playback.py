"""A capture played back: its order, its time, its replies."""

from __future__ import annotations

import asyncio

import pytest

from firmware_sim import playback
from firmware_sim.playback import Pace, play, renamed
from firmware_sim.playback_wires import TcpWire
from gateway.capture_format import CaptureError, Piece


def up(at_s, link, data, **fields):
    return Piece(at_s=at_s, what="up", link=link, hex=data.hex(), protocol="watch", **fields)


def reply(at_s, link, data=b"ok"):
    return Piece(at_s=at_s, what="reply", link=link, hex=data.hex())


def closed(at_s, link):
    return Piece(at_s=at_s, what="closed", link=link)


class Stage:
    """A wire that writes down what happens, in a time of its own."""

    def __init__(self, *, answers=True, cuts_after=99):
        self.said = []
        self.slept = []
        self.now_s = 100.0
        self.answers = answers
        self.cuts_after = cuts_after

    async def open(self, device):
        self.said.append(("open", device))
        return self

    async def send(self, data):
        if len([said for said in self.said if isinstance(said, bytes)]) >= self.cuts_after:
            raise ConnectionResetError
        self.said.append(data)

    async def answered(self, replies, reply_bytes):
        self.said.append(("waits for", replies, reply_bytes))
        return self.answers

    async def close(self):
        self.said.append("close")

    def now(self):
        return self.now_s

    async def sleep(self, seconds):
        self.slept.append(round(seconds, 3))
        self.now_s += seconds


SESSION = [
    up(3.0, 1, b"login", device="a"),
    reply(3.2, 1),
    up(4.0, 2, b"other", device="b"),
    up(5.5, 1, b"more"),
    reply(5.6, 1, b"fine"),
    closed(6.0, 1),
]


async def test_pieces_are_said_in_their_order_and_a_band_waits_for_its_replies():
    stage = Stage()
    played = await play(SESSION, stage, Pace(0, stage.now, stage.sleep))
    assert stage.said == [
        ("open", "a"),
        b"login",
        ("waits for", 1, 2),
        ("open", "b"),
        b"other",
        b"more",
        ("waits for", 2, 6),
        "close",
        "close",
    ]
    assert str(played) == "2 links, 3 pieces (14 bytes) up, 2 of 2 replies came"
    assert stage.slept == []


@pytest.mark.parametrize(("speed", "slept"), [(1.0, [1.0, 1.5]), (10.0, [0.1, 0.15])])
async def test_pieces_come_in_their_own_time_from_the_first_on(speed, slept):
    stage = Stage()
    await play(SESSION, stage, Pace(speed, stage.now, stage.sleep))
    assert stage.slept == slept


async def test_a_reply_that_does_not_come_is_missing_and_the_band_goes_on():
    stage = Stage(answers=False)
    played = await play(SESSION, stage, Pace(0, stage.now, stage.sleep))
    assert (played.pieces, played.replies, played.answered) == (3, 2, 0)


async def test_a_line_the_gateway_cuts_is_counted_and_says_no_more():
    stage = Stage(cuts_after=1)
    played = await play(
        [up(0, 1, b"a"), up(1, 1, b"b"), up(2, 1, b"c")], stage, Pace(0, stage.now, stage.sleep)
    )
    assert (played.pieces, played.cut) == (1, 1)
    assert str(played).endswith("1 links cut by the gateway")


def test_another_id_is_written_over_the_old_one_even_where_it_was_cut_in_two():
    pieces = [up(0, 1, b"[3G*4700", device="4700186508"), up(1, 1, b"186508*0002*LK]"), reply(2, 1)]
    changed = renamed(pieces, "4700186508", "9999999999")
    assert [bytes.fromhex(piece.hex) for piece in changed] == [b"[3G*9999", b"999999*0002*LK]", b"ok"]
    assert changed[0].device == "9999999999"


@pytest.mark.parametrize(
    ("protocol", "new", "why"), [("watch", "1", "one length"), ("jt808", "9999999999", "jt808")]
)
def test_an_id_that_cannot_be_written_into_the_frames_is_refused(protocol, new, why):
    piece = Piece(at_s=0, what="up", protocol=protocol, hex=b"4700186508".hex())
    with pytest.raises(CaptureError, match=why):
        renamed([piece], "4700186508", new)


async def test_over_tcp_each_link_is_a_connection_and_replies_are_counted_in_bytes(monkeypatch):
    monkeypatch.setattr(playback, "ANSWER_S", 0.05)
    heard = []

    async def serve(reader, writer):
        data = await reader.readexactly(5)
        heard.append(data)
        writer.write(b"o")
        await writer.drain()
        writer.write(b"k")
        heard.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pace = Pace(0, lambda: 0.0, asyncio.sleep)
    pieces = [up(0, 1, b"login"), reply(0.1, 1), reply(0.2, 1, b"never"), closed(1, 1)]
    played = await play(pieces, TcpWire("127.0.0.1", port), pace)
    server.close()
    await server.wait_closed()
    assert (played.replies, played.answered) == (2, 1)
    assert heard == [b"login", b""]
