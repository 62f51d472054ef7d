"""What a JT/T 808 terminal says, what it is answered, and in which order it is believed."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta

import pytest

from firmware_sim.jt808_frames import Terminal, bcd_time, item, result_of
from gateway.codecs.base import Known
from gateway.codecs.jt808 import Jt808Codec
from gateway.codecs.jt808_frame import Frame, build, parse
from gateway.codecs.jt808_settings import AlarmBit, Field, Jt808Settings
from gateway.errors import FrameError
from gateway.model import BandAlarm, Battery, BloodPressure, BodyTemp, Fix, HeartRate, Uplink, Worn

NOW = datetime(2026, 8, 5, 12, tzinfo=UTC)
PHONE = "013800138000"


class Line:
    """One connection to a codec whose clock is set by hand."""

    def __init__(self, settings: Jt808Settings | None = None, bands=None) -> None:
        self.now = NOW
        self.codec = Jt808Codec(settings, now=lambda: self.now, bands=bands)

    def say(self, data: bytes) -> list[Uplink]:
        self.codec.feed(data)
        seen = []
        while (uplink := self.codec.next_event()) is not None:
            seen.append(uplink)
        return seen

    def one(self, data: bytes) -> Uplink:
        (uplink,) = self.say(data)
        return uplink


def replies(uplink: Uplink) -> list[Frame]:
    """The frames of a reply, unescaped."""
    assert uplink.reply is not None
    return [parse(b"\x7e" + piece + b"\x7e") for piece in uplink.reply.split(b"\x7e") if piece]


def result(uplink: Uplink) -> int:
    (reply,) = replies(uplink)
    said = result_of(reply)
    assert said is not None
    heard = parse(uplink.raw)
    assert (said.serial, said.message) == (heard.serial, heard.message)
    assert reply.phone == heard.phone
    return said.result


def body(
    *, alarm: int = 0, status: int = 2, at: datetime = NOW, items: bytes = b"", lat: int = 31_155_000
) -> bytes:
    return struct.pack(">IIIIhHH", alarm, status, lat, 121_105_000, -3, 45, 90) + bcd_time(at) + items


def alarms(uplink: Uplink) -> list[BandAlarm]:
    return [reading for reading in uplink.readings if isinstance(reading, BandAlarm)]


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def terminal() -> Terminal:
    return Terminal(PHONE)


# --------------------------------------------------------------------------- positions


def test_a_position_is_a_fix_in_our_units_and_is_acknowledged(line, terminal):
    uplink = line.one(terminal.frame(0x0200, body(items=item(0x31, b"\x0c"))))
    fix = Fix(
        lat=31.155,
        lon=121.105,
        valid=True,
        alt_m=-3.0,
        speed_m_s=pytest.approx(1.25),
        course_deg=90.0,
        satellites=12,
        source="gnss",
        at=NOW,
    )
    assert (uplink.device, uplink.readings, uplink.backlog) == (PHONE, (fix,), False)
    assert result(uplink) == 0


def test_south_west_and_no_fix_come_from_the_status(line, terminal):
    (fix,) = line.one(terminal.frame(0x0200, body(status=0b1100))).readings
    assert (fix.lat, fix.lon, fix.valid, fix.source) == (-31.155, -121.105, False, None)


@pytest.mark.parametrize("settings", [Jt808Settings(time_offset_s=0), Jt808Settings(time_offset_s=28800)])
def test_the_clock_is_that_of_the_model(settings, terminal):
    (fix,) = Line(settings).one(terminal.frame(0x0200, body(at=NOW - timedelta(hours=9)))).readings
    assert fix.at == NOW - timedelta(hours=9) + timedelta(hours=8 - settings.time_offset_s / 3600)


@pytest.mark.parametrize("at", [datetime(2009, 1, 1, tzinfo=UTC), NOW + timedelta(seconds=601)])
def test_a_time_that_cannot_be_true_is_none(line, terminal, at):
    (fix,) = line.one(terminal.frame(0x0200, body(at=at))).readings
    assert fix.at is None


def test_a_batch_out_of_the_store_is_backlog_and_a_live_one_is_not(line, terminal):
    record = body()
    batch = struct.pack(">H", len(record)) + record
    stored = line.one(terminal.frame(0x0704, b"\0\2\1" + batch * 2))
    live = line.one(terminal.frame(0x0704, b"\0\2\0" + batch * 2))
    assert (stored.backlog, live.backlog) == (True, False)
    assert len(stored.readings) == len(live.readings) == 2
    assert (result(stored), line.codec.wrong_counts) == (0, 0)


def test_a_batch_with_a_wrong_count_or_cut_short_is_read_as_far_as_it_goes(line, terminal):
    record = body()
    batch = struct.pack(">H", len(record)) + record
    uplink = line.one(terminal.frame(0x0704, b"\0\5\1" + batch + batch[:20]))
    assert len(uplink.readings) == 1
    assert (line.codec.wrong_counts, line.codec.unreadable_positions) == (1, 1)


def test_the_short_batch_has_positions_and_charges(line, terminal):
    record = body()
    charge = b"\x3e" + bcd_time(NOW)
    uplink = line.one(terminal.frame(0x0210, bytes([len(record)]) + record + bytes([7]) + charge))
    assert [type(reading) for reading in uplink.readings] == [Fix, Battery]
    assert uplink.readings[1] == Battery(battery_pct=62, at=NOW)


# --------------------------------------------------------------------------- alarms


def test_all_alarms_that_are_set_are_given_most_severe_first_after_the_fix(line, terminal):
    word = 1 << 7 | 1 << 0 | 1 << 8 | 1 << 20 | 1 << 1
    uplink = line.one(terminal.frame(0x0200, body(alarm=word)))
    assert [alarm.alarm for alarm in alarms(uplink)] == ["sos", "geofence_exit", "power_cut", "low_battery"]
    assert isinstance(uplink.readings[0], Fix)
    assert {alarm.at for alarm in alarms(uplink)} == {NOW}


def test_an_sos_is_answered_alarm_handled_unless_the_model_minds(terminal):
    sos = body(alarm=1)
    assert result(Line().one(terminal.frame(0x0200, sos))) == 4
    assert result(Line(Jt808Settings(confirms_sos=False)).one(terminal.frame(0x0200, sos))) == 0
    assert result(Line().one(terminal.frame(0x0200, body(alarm=1 << 7)))) == 0


@pytest.mark.parametrize(("direction", "kind"), [(0, "geofence_enter"), (1, "geofence_exit")])
def test_item_12_says_which_way_through_a_fence(line, terminal, direction, kind):
    area = item(0x12, b"\1" + struct.pack(">I", 3) + bytes([direction]))
    (alarm,) = alarms(line.one(terminal.frame(0x0200, body(alarm=1 << 20, items=area))))
    assert alarm.alarm == kind


def test_a_model_gives_its_bits_other_meanings(terminal):
    settings = Jt808Settings(
        alarm_bits=(AlarmBit(bit=29, alarm="fall"), AlarmBit(bit=17, alarm="removed")),
        ignored_bits=(8, 20),
    )
    word = 1 << 29 | 1 << 17 | 1 << 8 | 1 << 20
    uplink = Line(settings).one(terminal.frame(0x0200, body(alarm=word)))
    assert [alarm.alarm for alarm in alarms(uplink)] == ["fall", "removed"]


def test_an_alarm_is_heard_in_a_position_that_is_cut_short_or_on_no_map(line, terminal):
    for sent in (body(alarm=1)[:4], body(alarm=1)[:20], body(alarm=1, lat=95_000_000)):
        uplink = line.one(terminal.frame(0x0200, sent))
        assert [type(reading) for reading in uplink.readings] == [BandAlarm]
        assert uplink.refusal == ""
        assert result(uplink) == 4


def test_a_position_with_nothing_in_it_is_refused_as_wrong_and_kept(line, terminal):
    for sent in (b"", body()[:3], body()[:27], body(lat=95_000_000)):
        uplink = line.one(terminal.frame(0x0200, sent))
        assert (uplink.readings, uplink.refusal, result(uplink)) == ((), "position unreadable", 2)
    assert line.codec.unreadable_positions == 4


# --------------------------------------------------------------------------- what makers add

HEALTH = (
    Field(id=0x65, offset=0, name="heart_rate_bpm", invalid=(0, 255)),
    Field(id=0x65, offset=1, name="systolic_mmhg", invalid=(0, 255)),
    Field(id=0x65, offset=2, name="diastolic_mmhg", invalid=(0, 255)),
    Field(id=0x65, offset=3, type="u16", scale=0.1, name="body_temp_c", invalid=(0, 0xFFFF)),
)


@pytest.mark.parametrize("message", [0x0200, 0x0900])
def test_a_models_map_finds_the_health_readings(message, terminal):
    value = bytes([72, 128, 76]) + struct.pack(">H", 365)
    settings = Jt808Settings(tlvs=HEALTH, transparent=HEALTH)
    sent = body(items=item(0x65, value)) if message == 0x0200 else b"\x65" + value
    uplink = Line(settings).one(terminal.frame(message, sent))
    at = NOW if message == 0x0200 else None
    assert uplink.readings[-3:] == (
        HeartRate(heart_rate_bpm=72, at=at),
        BodyTemp(body_temp_c=36.5, at=at),
        BloodPressure(systolic_mmhg=128, diastolic_mmhg=76, at=at),
    )


def test_numbers_that_mean_nothing_and_values_no_body_has_give_no_reading(terminal):
    settings = Jt808Settings(transparent=HEALTH)
    for value in (bytes([0, 0, 0, 0, 0]), bytes([255] * 5), bytes([72]) + bytes([70, 128]) + b"\2\0", b""):
        readings = Line(settings).one(terminal.frame(0x0900, b"\x65" + value)).readings
        assert [type(reading) for reading in readings] in ([], [HeartRate])


def test_a_heartbeat_may_carry_charge_and_strap(terminal):
    settings = Jt808Settings(
        heartbeat=(
            Field(name="battery_pct", min_length=3),
            Field(offset=2, name="worn", mask=0x01, min_length=3),
            Field(offset=2, name="alarm", alarm="fall", mask=0x80, min_length=3),
        )
    )
    line = Line(settings)
    assert line.one(terminal.frame(0x0002, b"\x55\x1f\x01")).readings == (
        Battery(battery_pct=85),
        Worn(worn=True),
    )
    assert line.one(terminal.frame(0x0002)).readings == ()
    first, second = (alarms(line.one(terminal.frame(0x0002, b"\x55\x1f\x81")))[0] for _ in range(2))
    assert first == second


def test_items_nobody_knows_are_counted_and_the_frame_is_kept(line, terminal):
    sent = terminal.frame(0x0200, body(items=item(0xEC, b"wifi") * 2 + item(0x30, b"\x1f")))
    assert line.one(sent).raw == sent
    line.one(terminal.frame(0x0900, b"\x41abc"))
    assert line.codec.unknown_items.counts == {"ec": 2, "0900 41": 1}


# --------------------------------------------------------------------------- the other messages


@pytest.mark.parametrize("message", [0x0002, 0x0003, 0x0107, 0x1007, 0x1300, 0x6006])
def test_messages_without_a_reading_are_acknowledged(line, terminal, message):
    uplink = line.one(terminal.frame(message, bytes(4)))
    assert (uplink.readings, uplink.answers, uplink.refusal, result(uplink)) == ((), (), "", 0)


def test_what_nobody_knows_is_counted_and_answered_unsupported(line, terminal):
    uplink = line.one(terminal.frame(0x0F01, b"what"))
    assert (uplink.readings, uplink.refusal, result(uplink)) == ((), "", 3)
    assert line.codec.unknown_messages.counts == {"0f01": 1}


def test_an_encrypted_body_is_kept_and_answered_unsupported(line, terminal):
    plain = bytearray(terminal.frame(0x0200, body())[1:-1])
    plain[2] |= 0x04
    plain[-1] ^= 0x04
    uplink = line.one(b"\x7e" + bytes(plain) + b"\x7e")
    assert (uplink.readings, uplink.refusal) == ((), "body is encrypted")
    assert replies(uplink)[0].body[4] == 3


def test_the_time_is_told_in_utc_in_both_forms(line, terminal):
    (standard,) = replies(line.one(terminal.frame(0x0004)))
    (vendor,) = replies(line.one(terminal.frame(0x0109)))
    assert (standard.message, standard.body.hex()) == (0x8004, "260805120000")
    assert (vendor.message, vendor.body) == (0x8109, struct.pack(">H5B", 2026, 8, 5, 12, 0, 0))
    codec = Jt808Codec()
    codec.feed(terminal.frame(0x0004))
    untold = codec.next_event()
    assert untold is not None
    assert result(untold) == 3


def test_a_2019_terminal_is_answered_with_a_2019_header(line):
    phone = bytes.fromhex("00000000013800138000")
    uplink = line.one(build(0x0002, b"", phone=phone, serial=5, version=1))
    (reply,) = replies(uplink)
    assert (reply.version, reply.phone, uplink.device) == (1, phone, "00000000013800138000")


def test_our_serials_rise_and_wrap(line, terminal):
    line.codec._serial = 0xFFFF
    serials = [replies(line.one(terminal.frame(0x0002)))[0].serial for _ in range(3)]
    assert serials == [0xFFFF, 0, 1]


def test_a_wrong_length_is_counted_and_the_flags_are_trusted(line, terminal):
    lying = bytearray(terminal.frame(0x0200, body())[1:-1])
    lying[3] += 10
    lying[-1] ^= lying[3] ^ (lying[3] - 10)
    (fix,) = line.one(b"\x7e" + bytes(lying) + b"\x7e").readings
    assert (fix.lat, line.codec.wrong_lengths) == (31.155, 1)


def test_a_wrong_checksum_is_refused_unless_the_model_is_lenient(terminal):
    damaged = terminal.frame(0x0200, body())[:-2] + b"\0\x7e"
    strict = Line()
    strict.codec.feed(damaged + terminal.frame(0x0002))
    with pytest.raises(FrameError, match="checksum wrong") as refused:
        strict.codec.next_event()
    assert refused.value.raw == damaged
    assert strict.codec.next_event() is not None
    assert len(Line(Jt808Settings(lenient=True)).one(damaged).readings) == 1
    of_model = {PHONE: Known(settings=Jt808Settings(lenient=True))}
    assert len(Line(bands=of_model.get).one(damaged).readings) == 1


# --------------------------------------------------------------------------- long messages


def parts_of(terminal: Terminal, whole: bytes, size: int) -> list[bytes]:
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    frames = []
    for number, piece in enumerate(pieces, start=1):
        terminal.serial += 1
        frames.append(
            build(
                0x0704,
                piece,
                phone=bytes.fromhex(PHONE),
                serial=terminal.serial,
                parts=len(pieces),
                part=number,
            )
        )
    return frames


def batch_of(count: int) -> bytes:
    record = body()
    return struct.pack(">HB", count, 1) + (struct.pack(">H", len(record)) + record) * count


def test_a_batch_in_parts_is_one_event_with_all_its_frames_answered_once(line, terminal):
    frames = parts_of(terminal, batch_of(40), 400)
    assert [line.say(frame) for frame in frames[:-1]] == [[]] * (len(frames) - 1)
    (uplink,) = line.say(frames[-1])
    assert (len(uplink.readings), uplink.backlog, uplink.raw) == (40, True, b"".join(frames))
    (reply,) = replies(uplink)
    assert result_of(reply) == (terminal.serial, 0x0704, 0)


def test_a_lost_part_is_asked_for_and_completes_the_message(line, terminal):
    frames = parts_of(terminal, batch_of(40), 400)
    for frame in frames[:1] + frames[2:-1]:
        assert line.say(frame) == []
    (asked,) = replies(line.one(frames[-1]))
    first = parse(frames[0]).serial
    assert (asked.message, asked.body) == (0x8003, struct.pack(">HBH", first, 1, 2))
    assert len(line.one(frames[1]).readings) == 40


def test_a_quiet_message_is_asked_for_with_the_next_frame_and_given_up_in_the_end(line, terminal):
    frames = parts_of(terminal, batch_of(40), 400)
    assert line.say(frames[0]) == []
    line.now += timedelta(seconds=10)
    assert [reply.message for reply in replies(line.one(terminal.frame(0x0002)))] == [0x8001, 0x8003]
    line.now += timedelta(seconds=120)
    line.codec.feed(terminal.frame(0x0002))
    with pytest.raises(FrameError, match="long message never whole") as lost:
        line.codec.next_event()
    assert lost.value.raw == frames[0]
    assert line.codec.next_event() is not None


def test_a_terminal_that_waits_after_each_part_is_answered_each(terminal):
    line = Line(Jt808Settings(acks_parts=True))
    answered = [line.one(frame) for frame in parts_of(terminal, batch_of(40), 400)]
    assert [result_of(replies(uplink)[0]).result for uplink in answered] == [0] * len(answered)
    assert [len(uplink.readings) for uplink in answered] == [0] * (len(answered) - 1) + [40]


def test_the_parts_of_a_message_nobody_knows_are_each_kept_and_answered_unsupported(line):
    photo = build(0x0801, b"photo", phone=bytes.fromhex(PHONE), serial=3, parts=9, part=1)
    uplink = line.one(photo)
    assert (uplink.raw, uplink.readings, result(uplink)) == (photo, (), 3)


def halves(content: bytes) -> tuple[bytes, bytes]:
    """A position in two parts."""
    first, second = (
        build(0x0200, piece, phone=bytes.fromhex(PHONE), serial=7 + part, parts=2, part=part)
        for part, piece in ((1, content[:40]), (2, content[40:]))
    )
    return first, second


LONG = item(0xF9, bytes(40))


def test_an_sos_is_heard_in_the_first_part_of_a_position_that_is_never_whole(line):
    uplink = line.one(halves(body(alarm=1, items=LONG))[0])
    assert [alarm.alarm for alarm in alarms(uplink)] == ["sos"]
    assert uplink.reply is None
    assert isinstance(uplink.readings[0], Fix)


def test_a_position_in_parts_that_is_whole_is_the_press_of_its_first_part(line):
    first, second = halves(body(alarm=1, items=LONG))
    (begun,), (whole,) = alarms(line.one(first)), alarms(line.one(second))
    assert begun == whole


def test_the_first_part_of_a_position_without_an_alarm_is_no_event(line):
    first, second = halves(body(items=LONG))
    assert line.say(first) == []
    assert len(line.one(second).readings) == 1


@pytest.mark.parametrize(("parts", "part"), [(3, 0), (3, 4), (256, 1), (0xFFFF, 1)])
def test_impossible_numbers_of_parts_are_kept_and_answered(line, terminal, parts, part):
    frame = build(0x0900, b"x", phone=bytes.fromhex(PHONE), serial=7, parts=parts, part=part)
    uplink = line.one(frame)
    assert (uplink.refusal, result(uplink)) == ("part number impossible", 2)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_the_only_part_is_the_whole_whatever_its_number(line, terminal, part):
    frame = build(0x0200, body(alarm=1), phone=bytes.fromhex(PHONE), serial=7, parts=1, part=part)
    uplink = line.one(frame)
    assert [alarm.alarm for alarm in alarms(uplink)] == ["sos"]
    assert result(uplink) == 4
