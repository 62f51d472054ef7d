"""Frames of the IW protocol, made from captured ones. Pure.

The login, the position and the heartbeat are frames of `tests/vectors/other_watches.jsonl`
(traccar test suite, Apache-2.0) with id, time, position, status and steps replaced.
An alarm is a position with the fields of an AP10 behind its cell, as docs/protocols/iw.md describes it.
"""

from __future__ import annotations

import re
from types import MappingProxyType

from firmware_sim.report import Report

CAPTURED = MappingProxyType(
    {
        "AP00": "IWAP00355932600077007,8901240204123656505f,310240202365650#",
        "AP01": "IWAP01080524A2232.9806N11404.9355E000.1061830323.8706000908000102,460,0,9520,3671,"
        "Home|74-DE-2B-44-88-8C|97& Home1|74-DE-2B-44-88-8C|97&Home2|74-DE-2B-44-88-8C|97&"
        " Home3|74-DE-2B-44-88-8C|97",
        "AP03": "IWAP03,06000908000102,5555,30",
    }
)
KMH_PER_MPS = 3.6
SOS = ",01,zh-cn,00"

_ORDER = re.compile(rb"IW(BP[0-9A-Z]{2})([^#]*)#")


def login(device: str) -> bytes:
    """The first frame of a line: who this is, and its cards as captured."""
    cards = CAPTURED["AP00"].partition(",")[2]
    return f"IWAP00{device},{cards}".encode("ascii")


def position(report: Report) -> bytes:
    """AP01, or AP10 with alarm 01 while the button is pressed."""
    sample = report.sample
    at = report.press.at if report.press is not None else report.at
    block, mcc, mnc, lac, cell, wifi = CAPTURED["AP01"].split(",", 5)
    signal = block[-14:-11]
    fix = (
        f"{at:%y%m%d}A{_degrees(sample.lat, 2)}{'N' if sample.lat >= 0 else 'S'}"
        f"{_degrees(sample.lon, 3)}{'E' if sample.lon >= 0 else 'W'}"
        f"{min(sample.speed_m_s * KMH_PER_MPS, 999.9):05.1f}{at:%H%M%S}{sample.course_deg % 360:06.2f}"
        f"{signal}{min(sample.satellites, 99):03d}{round(sample.battery_pct):03d}{block[-5:]}"
    )
    kind, alarm = ("AP10", SOS) if report.press is not None else ("AP01", "")
    return f"IW{kind}{fix},{mcc},{mnc},{lac},{cell}{alarm},{wifi}#".encode("ascii")


def heartbeat(report: Report) -> bytes:
    """AP03 with battery and steps."""
    name, status, _, rolls = CAPTURED["AP03"].split(",")
    battery = f"{round(report.sample.battery_pct):03d}"
    return f"{name},{status[:6]}{battery}{status[9:]},{report.sample.steps},{rolls}#".encode("ascii")


def health(report: Report) -> tuple[bytes, ...]:
    """APHP with everything measured, APHT of zeros while off the wrist, else nothing."""
    vitals = report.sample.vitals
    if not report.sample.worn:
        return (b"IWAPHT,0,0,0#",)
    if vitals is None:
        return ()
    numbers = (vitals.heart_rate_bpm, vitals.systolic_mmhg, vitals.diastolic_mmhg, vitals.spo2_pct)
    told = ",".join(str(round(number)) for number in numbers)
    return (f"IWAPHP,{told},,{vitals.body_temp_c:.1f},,,,,,,#".encode("ascii"),)


def answer(word: str, fields: tuple[str, ...]) -> bytes:
    """What a band says of an order: its word, the serial, and a 1 behind that of a text."""
    serial = fields[1] if len(fields) > 1 else ""
    return f"IWA{word[1:]},{serial}{',1' if word == 'BP40' else ''}#".encode("ascii")


def cut_frames(buffer: bytearray) -> list[tuple[str, tuple[str, ...]]]:
    """Take every whole frame of the gateway out of `buffer`: (type, arguments)."""
    found = []
    end = 0
    for match in _ORDER.finditer(buffer):
        word, arguments = match[1].decode("ascii"), match[2].decode("latin-1").removeprefix(",")
        found.append((word, tuple(arguments.split(",")) if arguments else ()))
        end = match.end()
    del buffer[:end]
    return found


def _degrees(value: float, digits: int) -> str:
    """Degrees and minutes to four places, as the frame has them: `2232.9806`."""
    whole, ten_thousandths = divmod(round(abs(value) * 600_000), 600_000)
    return f"{whole:0{digits}d}{ten_thousandths / 10_000:07.4f}"
