"""What an alarm says of its cause, on disk and on the wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from gateway.model import Why, WhyReading

AT = datetime(2026, 11, 27, 6, 2, tzinfo=UTC)


def test_an_alarm_written_before_readings_were_told_still_reads() -> None:
    old = b'{"code":"heart_rate_high","value":138,"limit":125,"unit":"bpm"}'
    why = msgspec.json.decode(old, type=Why)
    assert why == Why(code="heart_rate_high", value=138, limit=125, unit="bpm")
    assert (why.readings, why.count, why.since) == ((), None, None)


def test_the_readings_of_an_alarm_come_back_as_they_were_written() -> None:
    readings = tuple(
        WhyReading(at=AT + timedelta(minutes=4 * n), value=value)
        for n, value in enumerate((132.0, 135.0, 138.0))
    )
    why = Why(code="heart_rate_high", value=138, limit=125, unit="bpm", readings=readings, count=3, since=AT)
    assert msgspec.json.decode(msgspec.json.encode(why), type=Why) == why


def test_a_screen_that_knows_no_readings_reads_the_rest() -> None:
    class OldWhy(msgspec.Struct, frozen=True, kw_only=True):
        code: str
        value: float | None = None

    why = Why(code="fence_exit", value=34.5, count=1, readings=(WhyReading(at=AT, value=34.5, accuracy_m=9),))
    assert msgspec.json.decode(msgspec.json.encode(why), type=OldWhy) == OldWhy(code="fence_exit", value=34.5)
