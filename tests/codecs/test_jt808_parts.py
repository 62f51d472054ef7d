"""Long messages in parts: put together, asked for, given up, bounded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.jt808_frame import Frame
from gateway.codecs.jt808_parts import MAX_HELD_BYTES, Parts, is_possible

NOW = datetime(2026, 8, 5, 12, tzinfo=UTC)
PHONE = bytes(6)


def part(number: int, of: int, *, body: bytes | None = None, first: int = 10, message: int = 0x0704) -> Frame:
    body = bytes([number]) if body is None else body
    raw = b"raw%d." % number
    return Frame(message, PHONE, (first + number - 1) & 0xFFFF, body, parts=of, part=number, raw=raw)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@given(st.permutations(range(1, 8)), st.integers(0, 0xFFFF))
def test_parts_make_the_whole_in_whatever_order_they_come(order, first):
    parts = Parts()
    found = [parts.add(part(number, 7, first=first), NOW) for number in order]
    assert found[:-1] == [None] * 6
    assert found[-1] is not None
    assert (found[-1].body, found[-1].parts) == (bytes(range(1, 8)), 0)
    assert found[-1].raw == b"raw1.raw2.raw3.raw4.raw5.raw6.raw7."
    assert parts.given_up(later(1000)) is None


def test_a_part_sent_twice_counts_once():
    parts = Parts()
    assert [parts.add(part(number, 2), NOW) for number in (1, 1)] == [None, None]
    assert parts.add(part(2, 2), NOW) is not None


def test_what_is_missing_is_asked_for_when_the_last_part_came_and_three_times_at_most():
    parts = Parts()
    parts.add(part(1, 4), NOW)
    assert parts.wanted(part(1, 4), NOW) is None
    parts.add(part(4, 4), NOW)
    assert parts.wanted(part(4, 4), NOW) == (10, (2, 3))
    heartbeat = Frame(0x0002, PHONE, 99, b"")
    assert parts.wanted(heartbeat, later(5)) is None
    assert parts.wanted(heartbeat, later(6)) == (10, (2, 3))
    assert parts.wanted(heartbeat, later(12)) == (10, (2, 3))
    assert parts.wanted(heartbeat, later(18)) is None


def test_a_part_that_was_asked_for_may_come_with_a_new_serial():
    parts = Parts()
    parts.add(part(1, 2), NOW)
    assert parts.wanted(Frame(0x0002, PHONE, 99, b""), later(6)) == (10, (2,))
    whole = parts.add(part(2, 2, first=500), later(7))
    assert whole is not None
    assert whole.body == b"\1\2"


def test_a_newer_message_of_the_same_kind_is_never_mixed_with_an_older_one():
    parts = Parts()
    parts.add(part(1, 3), NOW)
    parts.add(part(2, 3), NOW)
    assert parts.add(part(3, 3, first=70), NOW) is None
    assert parts.given_up(NOW) == b"raw1.raw2."
    parts.add(part(1, 3, first=70), NOW)
    assert parts.add(part(1, 2, first=70), NOW) is None
    assert parts.given_up(NOW) == b"raw1.raw3."
    parts.add(part(2, 3, first=80, body=b"x"), NOW)
    assert parts.given_up(NOW) == b"raw1."
    assert parts.add(part(2, 3, first=80, body=b"y"), NOW) is None
    assert parts.given_up(NOW) == b"raw2."


def test_a_message_that_is_never_whole_is_given_up_after_two_minutes_with_all_its_bytes():
    parts = Parts()
    parts.add(part(2, 3), NOW)
    parts.add(part(1, 3), later(100))
    assert parts.given_up(later(120)) is None
    assert parts.given_up(later(121)) == b"raw1.raw2."
    assert parts.given_up(later(121)) is None


def test_without_a_clock_only_the_end_gives_up():
    parts = Parts()
    parts.add(part(1, 3), None)
    assert parts.given_up(None) is None
    parts.end()
    assert parts.given_up(None) == b"raw1."


def test_the_fifth_unfinished_message_pushes_out_the_oldest():
    parts = Parts()
    for message in range(5):
        parts.add(part(1, 2, message=message), NOW)
    assert parts.given_up(NOW) == b"raw1."
    assert parts.given_up(NOW) is None
    assert parts.add(part(2, 2, message=0), NOW) is None
    assert parts.add(part(2, 2, message=4), NOW) is not None


def test_parts_count_from_one_to_at_most_255():
    for number, of in ((0, 3), (4, 3), (1, 256), (1, 0xFFFF)):
        assert not is_possible(part(number, of))
    for number, of in ((1, 2), (3, 3), (255, 255)):
        assert is_possible(part(number, of))


def test_what_is_held_stays_below_its_bound():
    parts = Parts()
    given_up = 0
    for message in range(4):
        for number in range(1, 255):
            parts.add(part(number, 255, message=message)._replace(raw=bytes(2048)), NOW)
            while (raw := parts.given_up(NOW)) is not None:
                given_up += len(raw)
    assert parts._held_bytes() <= MAX_HELD_BYTES
    assert given_up > 0


def test_parts_that_all_have_one_serial_make_the_whole():
    parts = Parts()
    first, second, third = (part(number, 3)._replace(serial=9) for number in (1, 2, 3))
    assert parts.add(first, NOW) is None
    assert parts.add(second, NOW) is None
    whole = parts.add(third, NOW)
    assert whole is not None
    assert whole.body == first.body + second.body + third.body
    assert parts.given_up(NOW) is None
