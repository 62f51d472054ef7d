"""A second look at quarantined frames: what is good now is history, once; what is not stays."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import timedelta

import msgspec
import pytest

from gateway.bands.keys import Keys
from gateway.bands.registry import Device
from gateway.errors import FrameError
from gateway.journal.reader import JournalReader
from gateway.journal.records import QuarantineRow, Record, Rest, to_ms
from gateway.journal.retention import QUARANTINE_ROWS, drop_oldest
from gateway.journal.schema import open_for_writing
from gateway.journal.writer import JournalWriter
from gateway.local_orders import Replayed, ReplayQuarantine
from gateway.plugins import make_codec
from gateway.quarantine import MAX_NUMBERS, SecondLook, codec_table
from gateway.told import ControlAnswer
from gateway.transports.control import Control, OrderRefused, ask_on
from gateway.transports.tcp import Listener, TcpSettings

HEART = '[{"kind": "heart_rate", "heart_rate_bpm": 72}]'
SOS = '[{"kind": "alarm", "alarm": "sos"}]'


class Kept:
    """A quarantine of rows made by hand."""

    def __init__(self):
        self.rows = {}

    def put(self, raw, *, reason="unknown device", device=None, length=None, at_ms=0, wire="tcp"):
        number = len(self.rows) + 1
        self.rows[number] = {
            "number": number,
            "received_ms": at_ms,
            "wire": wire,
            "protocol": "watch",
            "peer": "127.0.0.1:9",
            "device": device,
            "reason": reason,
            "offset": 0,
            "raw": raw.encode(),
            "length": len(raw) if length is None else length,
        }
        return number

    def quarantined(self, *, numbers, limit):
        return [self.rows[number] for number in numbers if number in self.rows][:limit]


@pytest.fixture
def look(house):
    kept = Kept()
    second_look = SecondLook(house.intake, kept, house.engine, house.clock, {}, codec=house.intake._codec)

    async def replay(*numbers, dry_run=False):
        answers = []
        asking = asyncio.create_task(_all(second_look, numbers, dry_run, answers))
        while not asking.done():
            await asyncio.sleep(0)
            house.journal.commit()
        await asking
        return answers

    return kept, replay


async def _all(second_look, numbers, dry_run, answers):
    async for answer in second_look.replay(ReplayQuarantine(numbers=tuple(numbers), dry_run=dry_run)):
        if isinstance(answer, Replayed):
            answers.append((answer.what, answer.reason))


async def test_a_band_that_is_known_now_has_its_frames_as_history(house, look):
    kept, replay = look
    at = house.clock.now() - timedelta(hours=3)
    number = kept.put(f"4700186508 {HEART}", device="4700186508", at_ms=to_ms(at))
    assert await replay(number) == [("taken", "")]
    (telemetry,) = house.events("telemetry")
    assert telemetry.backlog
    assert [reading.at for reading in telemetry.readings] == [at]
    assert telemetry.received_at == house.clock.now()
    assert [record.rest.released for record in house.journal.records] == [[number]]


async def test_a_dry_run_says_the_same_and_writes_nothing(house, look):
    kept, replay = look
    number = kept.put(f"4700186508 {HEART}")
    assert await replay(number, dry_run=True) == [("taken", "")]
    assert house.journal.records == []


async def test_an_old_cry_for_help_starts_its_cascade_marked_late(house, look):
    kept, replay = look
    at = house.clock.now() - timedelta(hours=3)
    await replay(kept.put(f"4700186508 {SOS}", at_ms=to_ms(at)))
    (incident,) = [change.incident for change in house.events("incident")][:1]
    assert (incident.late, incident.wearer) == (True, "wang")
    assert house.carried_out


async def test_a_replayed_frame_is_no_sign_of_life(house, look):
    """Whoever waits for a band that fell silent must not be told that it was heard."""
    kept, replay = look
    await replay(kept.put(f"4700186508 {HEART}"))
    assert not [record for record in house.journal.records if ("silence/wang", "silent") in record.timers]
    assert "silence/wang" not in {owner for record in house.journal.records for owner in record.states}


@pytest.mark.parametrize(
    ("raw", "fields", "reason"),
    [
        (f"stranger {HEART}", {}, "unknown device"),
        ("bad", {"reason": "no frame"}, "no frame"),
        ("", {}, "no whole frame"),
        (f"4700186508 {HEART}", {"reason": "speaks for another device"}, "speaks for another device"),
        (f"4700186508 {HEART}", {"reason": "no frame", "device": "4700186509"}, "speaks for another device"),
        (f"4700186508 {HEART}", {"length": 5000}, "kept cut short"),
        ("x" * 4096, {"length": 0}, "kept cut short"),
        (f"4700186508 {HEART}\nstranger {HEART}", {}, "several devices in one frame"),
        (f"band-zhang {HEART}", {}, "device is registered for another protocol"),
    ],
)
async def test_what_is_not_good_stays_and_says_why(house, look, raw, fields, reason):
    kept, replay = look
    assert await replay(kept.put(raw, **fields)) == [("stays", reason)]
    assert house.journal.records == []


async def test_a_band_added_since_is_found_in_what_it_said_before(house, look):
    kept, replay = look
    number = kept.put(f"new-band {HEART}", device="new-band")
    assert await replay(number) == [("stays", "unknown device")]
    house.people.registry.replace([Device(device="new-band", protocol="watch", wearer="wang")])
    assert await replay(number) == [("taken", "")]


async def test_two_frames_in_one_row_are_one_event(house, look):
    kept, replay = look
    await replay(kept.put(f"4700186508 {HEART}\n4700186508 {SOS}"))
    (telemetry,) = house.events("telemetry")
    assert len(telemetry.readings) == 2


async def test_a_frame_on_its_way_is_not_taken_twice(house, look):
    kept, _ = look
    second_look = SecondLook(house.intake, kept, house.engine, house.clock, {}, codec=house.intake._codec)
    number = kept.put(f"4700186508 {HEART}")
    first, second = [], []
    asking = asyncio.create_task(_all(second_look, [number], False, first))
    await asyncio.sleep(0)
    await _all(second_look, [number], False, second)
    house.journal.commit()
    await asking
    assert (first, second) == ([("taken", "")], [("stays", "already on its way")])
    assert len(house.journal.records) == 1


async def test_a_number_that_is_not_there_is_gone_and_too_many_are_refused(house, look):
    _, replay = look
    assert await replay(7) == [("gone", "")]
    assert await replay(*range(MAX_NUMBERS + 1)) == []


def test_a_frame_is_judged_with_the_settings_of_the_listener_it_came_through():
    lenient = {"lenient": True}
    tables = {"tcp": TcpSettings(listeners=(Listener(port=1), Listener(port=2, protocol="x", codec=lenient)))}
    assert codec_table(tables, "tcp", "x", "10.0.0.9:4711") == lenient
    assert codec_table(tables, "tcp", "watch", "10.0.0.9:4711") is None
    assert codec_table(tables, "serial", "x", "/dev/a") is None


# ----------------------------------------------------------------------------- on the disk


async def test_the_frame_leaves_with_the_commit_that_makes_it_an_event(tmp_path):
    writer = JournalWriter(tmp_path / "j.db")
    writer.start()
    frame = QuarantineRow(5, "tcp", "watch", "p", "4700186508", "unknown device", 0, b"[..]", 4)
    await writer.commit(Record(rest=Rest(quarantine=[frame, frame._replace(reason="no frame")])))
    reader = JournalReader(writer.path)
    assert [row["number"] for row in reader.quarantined(limit=9)] == [1, 2]
    assert [row["number"] for row in reader.quarantined(limit=9, reason="no frame")] == [2]
    assert [row["number"] for row in reader.quarantined(limit=9, device="4700186508", since_ms=6)] == []
    assert [row["number"] for row in reader.quarantined(limit=9, numbers=(2, 77), after=1)] == [2]
    await writer.commit(Record(rest=Rest(released=[1])))
    assert [row["number"] for row in reader.quarantined(limit=9)] == [2]
    reader.close()
    await writer.stop()


def test_the_quarantine_is_bounded_in_frames_and_in_bytes_and_counts_what_it_dropped(tmp_path):
    connection = open_for_writing(tmp_path / "j.db")
    insert = (
        "insert into quarantine (received_ms, wire, protocol, peer, reason, offset, raw, length)"
        " values (0, '', '', '', '', 0, zeroblob(?), 1)"
    )
    connection.execute("begin")
    connection.executemany(insert, [(1000,)] * (QUARANTINE_ROWS + 10))
    connection.execute("commit")
    drop_oldest(connection, max_size_bytes=1 << 40)
    assert connection.execute("select count(*), min(number) from quarantine").fetchone() == (10_000, 11)
    connection.executemany(insert, [(4096,)] * 4096)
    drop_oldest(connection, max_size_bytes=1 << 40)
    assert connection.execute("select count(*), sum(length(raw)) from quarantine").fetchone() == (
        4096,
        16 * 1024 * 1024,
    )
    dropped = connection.execute("select value from marks where name = 'dropped_quarantine'").fetchone()
    assert dropped == (10 + 10_000,)
    connection.close()


# ----------------------------------------------------------------------------- through the door


@pytest.fixture
async def door(tmp_path):
    """A door whose orders say how many numbers they have, then wait for ever."""
    ended = asyncio.Event()

    async def execute(order):
        if not order.numbers:
            yield ControlAnswer(done=False, reason="nothing asked for")
            return
        yield ControlAnswer(done=True)
        try:
            for number in order.numbers:
                yield Replayed(number=number, what="taken")
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    async def obey(_command):
        raise AssertionError

    control = Control(tmp_path / "gw.sock", obey=obey, execute=execute)
    serving = asyncio.create_task(control.run())
    await control.serving.wait()
    yield control.path, ended
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_a_local_order_is_answered_line_by_line_until_whoever_asked_hangs_up(door):
    path, ended = door
    answers = []
    async with contextlib.aclosing(ask_on(path, ReplayQuarantine(numbers=(4, 5)), Replayed)) as lines:
        async for line in lines:
            answers.append(line.number)
            if len(answers) == 2:
                break
    assert answers == [4, 5]
    await ended.wait()


async def test_a_refused_local_order_says_why(door):
    with pytest.raises(OrderRefused, match="nothing asked for"):
        async for _ in ask_on(door[0], ReplayQuarantine(numbers=()), Replayed):
            pass


async def test_an_order_nobody_knows_is_refused_with_a_reason(door):
    reader, writer = await asyncio.open_unix_connection(door[0])
    writer.write(b'{"order": "explode"}\n')
    answer = msgspec.json.decode(await reader.readline(), type=ControlAnswer)
    writer.close()
    assert not answer.done
    assert "explode" in answer.reason


# ----------------------------------------------------------------------------- a protocol with a login


async def test_a_frame_of_a_protocol_with_a_login_is_believed_only_when_whoever_asks_says_so(house, root):
    rows = [json.loads(line) for line in (root / "tests/vectors/jt808.jsonl").read_text().splitlines()]
    codec = make_codec("jt808", None, house.clock.now)
    for row in rows:
        raw = bytes.fromhex(row["frame"]) if row["encoding"] == "hex" else b""
        codec.feed(raw)
        with contextlib.suppress(FrameError):
            uplink = codec.next_event()
            if uplink is not None and uplink.readings and uplink.device:
                break
    band = Device(
        device="terminal",
        wire_id=uplink.device,
        protocol="jt808",
        wearer="wang",
        keys=Keys(login_code="a-code-of-its-own"),
    )
    house.people.registry.replace([band])
    kept = Kept()
    number = kept.put("", reason="unknown terminal", device=uplink.device)
    kept.rows[number] |= {"raw": raw, "length": len(raw), "protocol": "jt808"}
    look = SecondLook(house.intake, kept, house.engine, house.clock, {})
    said = []
    for without_login in (False, True):
        order = ReplayQuarantine(numbers=(number,), dry_run=True, without_login=without_login)
        said += [answer async for answer in look.replay(order) if isinstance(answer, Replayed)]
    assert [(one.what, one.reason) for one in said] == [("stays", "not authenticated"), ("taken", "")]
    assert said[1].device == "terminal"
