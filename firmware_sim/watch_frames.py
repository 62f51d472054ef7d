"""Frames of the watch text protocol, made from captured ones. Pure.

The templates are frames of `tests/vectors/watch.jsonl`, captured from real watches
(traccar test suite, Apache-2.0).
Id, length, time, position, accuracy and status are replaced, the rest stays as captured.
The live fix and the stored fix are both of watch 9059011020, the alarm of 8308373902 (bit 16 of its status is
the button), the heartbeat of 4700186508, the pressure of 4700609403, the oxygen of 9705141740.
"""

from __future__ import annotations

import re
from datetime import datetime
from types import MappingProxyType

from firmware_sim.report import Report

CAPTURED = MappingProxyType(
    {
        "UD": "[SG*9059011020*006b*UD2,240123,162011,A,54.427621,N,6.409190,W,0.00,0,0,8,19,88,0,0,00000000,"
        "1,1,FFFF,FFFF,FFFE,3B882A2,132,,00]",
        "AL": "[3G*8308373902*0080*AL,230817,095346,A,47.083950,N,15.4821850,E,7.60,273.8,0.0,4,15,44,0,0,"
        "00200010,2,255,232,1,7605,42530,118,7605,58036,119,0,65.8]",
        "LK": "[3G*4700186508*000B*LK,0,10,100]",
        "bphrt": "[3G*4700609403*0013*bphrt,120,79,73,,,,]",
        "oxygen": "[3G*9705141740*000B*oxygen,0,98]",
    }
)
MAKER = "3G"
SOS_BIT = 1 << 16
NOT_WORN_BIT = 1 << 20
POSITION_FIELDS = 17
"""Command, date, time, A, lat, N, lon, E, speed, course, alt, sats, rssi, battery, steps, rolls, status."""

FRAME = re.compile(rb"\[([A-Z0-9]{2})\*(\d+)\*(?:[0-9A-Fa-f]{4}\*)?([0-9A-Fa-f]{4})\*([^\]]*)\]")


def content_of(captured: str) -> str:
    """The content of a captured frame, after its length."""
    return captured[1:-1].split("*", 3)[3]


def frame(device: str, content: str) -> bytes:
    """A whole frame: maker, id, length in hex, content."""
    return f"[{MAKER}*{device}*{len(content):04X}*{content}]".encode("ascii")


def position(device: str, report: Report) -> bytes:
    """UD for a live fix, UD2 for a stored one, AL while the button is pressed."""
    kind = "AL" if report.press is not None else "UD"
    fields = content_of(CAPTURED[kind]).split(",")
    command = "AL" if report.press is not None else ("UD2" if report.stored else "UD")
    at: datetime = report.press.at if report.press is not None else report.at
    sample = report.sample
    status = (SOS_BIT if report.press is not None else 0) | (0 if sample.worn else NOT_WORN_BIT)
    head = [
        command,
        at.strftime("%d%m%y"),
        at.strftime("%H%M%S"),
        "A",
        f"{abs(sample.lat):.6f}",
        "N" if sample.lat >= 0 else "S",
        f"{abs(sample.lon):.6f}",
        "E" if sample.lon >= 0 else "W",
        f"{sample.speed_m_s * 3.6:.2f}",
        f"{sample.course_deg:.0f}",
        f"{sample.alt_m:.0f}",
        str(min(sample.satellites, 12)),
        fields[12],
        str(round(sample.battery_pct)),
        str(sample.steps),
        fields[15],
        f"{status:08X}",
    ]
    return frame(device, ",".join([*head, *fields[POSITION_FIELDS:-1], f"{sample.accuracy_m:.1f}"]))


def heartbeat(device: str, report: Report) -> bytes:
    """LK with steps, rolls and battery."""
    _, _, rolls, _ = content_of(CAPTURED["LK"]).split(",")
    return frame(device, f"LK,{report.sample.steps},{rolls},{round(report.sample.battery_pct)}")


def health(device: str, report: Report) -> tuple[bytes, ...]:
    """The pressure (with heart rate) and oxygen frames of a report that has measurements, else nothing."""
    vitals = report.sample.vitals
    if vitals is None:
        return ()
    tail = content_of(CAPTURED["bphrt"]).split(",")[4:]
    numbers = [str(vitals.systolic_mmhg), str(vitals.diastolic_mmhg), str(vitals.heart_rate_bpm)]
    name, kind, _ = content_of(CAPTURED["oxygen"]).split(",")
    return (
        frame(device, ",".join(["bphrt", *numbers, *tail])),
        frame(device, f"{name},{kind},{vitals.spo2_pct}"),
    )


def cut_frames(buffer: bytearray) -> list[tuple[str, tuple[str, ...]]]:
    """Take every whole frame out of `buffer`: (command in upper case, arguments)."""
    found = []
    end = 0
    for match in FRAME.finditer(buffer):
        command, *arguments = match.group(4).decode("latin-1").split(",")
        found.append((command.upper(), tuple(arguments)))
        end = match.end()
    del buffer[:end]
    return found


def message_text(hex_text: str) -> str:
    """The words of a MESSAGE order: UTF-16BE in hex; "" when it is none."""
    try:
        return bytes.fromhex(hex_text).decode("utf-16-be")
    except (ValueError, UnicodeDecodeError):
        return ""
