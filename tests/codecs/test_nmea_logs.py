"""The four receiver logs against gpsd's own reports of the same bytes.

What is compared: for every instant, the last TPV report with mode 2 or 3 and a time
(gpsd reports an epoch up to three times, each fuller than the last) against our valid fix of that instant:
lat and lon to 1e-8 degrees, altMSL exactly, speed to 0.001 m/s, course to 0.01 degrees.
gpsd says nothing of some instants, which are named here.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.codecs.decode import decode_lines
from gateway.codecs.nmea import NmeaCodec, NmeaSettings
from gateway.errors import FrameError

LOGS = Path(__file__).parents[1] / "vectors" / "nmea"
CHECKSUMMED = re.compile(rb"^ ?\$.*\*[0-9A-F]{2}\s*$")

# log: reports compared, instants of ours that gpsd has no report of, sentences, fixes that are not valid
EXPECTED = {
    "beidou-bd": (4, {"2015-02-25T07:41:55.799Z"}, 79, 5),
    "beidou-gb": (1, {"2015-03-02T05:32:32.438Z"}, 68, 3),
    "quectel-l76k-nmea": (150, {"2026-08-05T05:53:04.000Z"}, 2280, 0),
    "ublox-neo-m9n-nmea": (61, set(), 1403, 0),
}
every_log = pytest.mark.parametrize("log", sorted(EXPECTED))


def sentences(log: str) -> list[bytes]:
    return [line for line in (LOGS / f"{log}.log").read_bytes().splitlines() if CHECKSUMMED.match(line)]


def reports(log: str) -> dict[str, dict[str, Any]]:
    """The last report of each instant."""
    lines = (LOGS / f"{log}.tpv.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return {report["time"]: report for report in found if report["mode"] >= 2 and "time" in report}


def fixes(log: str) -> list[dict[str, Any]]:
    answers = [json.loads(line) for line in decode_lines("nmea", sentences(log), hex_lines=False)]
    assert [answer for answer in answers if "error" in answer] == []
    return [reading for answer in answers for reading in answer["readings"]]


def instant(fix: dict[str, Any]) -> str:
    """The time as gpsd writes it: three decimals."""
    at = fix["at"].removesuffix("Z")
    return f"{at}.000Z" if "." not in at else f"{at[:23]}Z"


@every_log
def test_every_checksummed_sentence_decodes(log: str) -> None:
    lines = sentences(log)
    assert len(lines) == EXPECTED[log][2]
    answers = [json.loads(line) for line in decode_lines("nmea", lines, hex_lines=False)]
    assert len(answers) == len(lines) + 1
    assert [answer["error"] for answer in answers if "error" in answer] == []


@every_log
def test_fixes_agree_with_gpsd(log: str) -> None:
    count, ours_alone, _, _ = EXPECTED[log]
    oracle = reports(log)
    valid = {instant(fix): fix for fix in fixes(log) if fix["valid"]}
    assert len(oracle) == count
    assert set(oracle) - set(valid) == set()
    assert set(valid) - set(oracle) == ours_alone
    for time, report in oracle.items():
        fix = valid[time]
        assert fix["lat"] == pytest.approx(report["lat"], abs=1e-8)
        assert fix["lon"] == pytest.approx(report["lon"], abs=1e-8)
        assert fix["speed_m_s"] == pytest.approx(report["speed"], abs=1e-3)
        if "altMSL" in report:
            assert fix["alt_m"] == report["altMSL"]
        if "track" in report:
            assert fix["course_deg"] == pytest.approx(report["track"], abs=0.01)


@every_log
def test_epochs_without_a_fix_are_told_and_are_not_valid(log: str) -> None:
    invalid = [fix for fix in fixes(log) if not fix["valid"]]
    assert len(invalid) == EXPECTED[log][3]
    assert {(fix["lat"], fix["lon"]) for fix in invalid} <= {(0.0, 0.0)}


@every_log
def test_the_whole_log_fed_in_odd_pieces_gives_the_same_fixes(log: str) -> None:
    data = (LOGS / f"{log}.log").read_bytes()
    codec = NmeaCodec(NmeaSettings(interval_s=0, earliest_year=2010))
    seen = []
    pieces = [data[at : at + 37] for at in range(0, len(data), 37)]
    for piece in [*pieces, b""]:
        codec.feed(piece)
        if not piece:
            codec.end_of_message()
        while True:
            try:
                uplink = codec.next_event()
            except FrameError:
                continue
            if uplink is None:
                break
            seen.append(uplink.readings[0])
    assert [(fix.lat, fix.lon, fix.valid, fix.alt_m) for fix in seen] == [
        (fix["lat"], fix["lon"], fix["valid"], fix["alt_m"]) for fix in fixes(log)
    ]


def test_five_fixes_a_second_become_one_a_second() -> None:
    codec = NmeaCodec()
    codec.feed(b"\r\n".join(sentences("quectel-l76k-nmea")) + b"\r\n")
    codec.end_of_message()
    times = []
    while (uplink := codec.next_event()) is not None:
        times.append(uplink.readings[0].at)
    assert len(times) == 31
    assert codec.decimated_fixes == 120
    assert {(later - earlier).total_seconds() for earlier, later in pairwise(times)} == {1.0}


def test_old_dates_are_refused_by_a_live_receiver() -> None:
    codec = NmeaCodec(NmeaSettings(interval_s=0))
    codec.feed(b"\r\n".join(sentences("beidou-bd")) + b"\r\n")
    codec.end_of_message()
    seen = []
    while (uplink := codec.next_event()) is not None:
        seen.append(uplink.readings[0])
    assert len(seen) == 10
    assert {(fix.valid, fix.at) for fix in seen} == {(False, None)}
