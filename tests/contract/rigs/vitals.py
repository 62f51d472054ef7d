"""A believable month of vital signs in a portal's store: steady days and nights, gaps, a bad evening."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
from flask import Flask

from gateway.model import BloodPressure, BodyTemp, HeartRate, SpO2, Steps, Why, Worn
from portal.care.history import HistoryRows
from portal.care.models import AlarmRecord, Wearer
from portal.db import writing

EVERY = timedelta(minutes=5)


def wearer_id(app: Flask, code: str = "zhang-guilan") -> int:
    """The row of a wearer by the gateway's short name."""
    with app.app_context(), writing() as session:
        return session.scalars(sa.select(Wearer.id).where(Wearer.code == code)).one()


def month(app: Flask, wearer: int, until: datetime, *, days: int = 60, every: timedelta = EVERY) -> int:
    """Write a history that ends at `until`; gives how many readings there are of a heart rate."""
    rows = HistoryRows()
    chance = random.Random(7)
    at = until - timedelta(days=days)
    steps, day, count = 0, None, 0
    while at < until:
        here = at + timedelta(hours=8)
        hour = here.hour + here.minute / 60
        if here.date() != day:
            day, steps = here.date(), 0
        awake = 6.5 <= hour <= 21.5
        steps += chance.choice((0, 0, 8, 20)) if awake else 0
        if not (here.day % 9 == 0 and 9 <= hour < 14):  # on some days the band lies on the table
            count += 1
            today = until - at < timedelta(hours=24)
            pulse = (72 if awake else 58) + 7 * math.sin(hour / 2) + chance.gauss(0, 3) + 2 * today
            add(rows, wearer, HeartRate(heart_rate_bpm=round(pulse)), at)
            if here.minute < 5 and hour % 2 < 1:
                high = 126 + chance.gauss(0, 5) + 8 * today
                pressure = BloodPressure(systolic_mmhg=round(high), diastolic_mmhg=round(high - 48))
                add(rows, wearer, pressure, at)
                add(rows, wearer, SpO2(spo2_pct=round(96.5 + chance.gauss(0, 0.8))), at)
                add(rows, wearer, BodyTemp(body_temp_c=round(36.4 + chance.gauss(0, 0.15), 1)), at)
            add(rows, wearer, Steps(steps=steps), at)
        at += every
    with app.app_context(), writing() as session:
        rows.write(session)
    return count


def evening(app: Flask, wearer: int, at: datetime) -> None:
    """A racing heart, a band taken off, what came late, an alarm and a drill around a time."""
    rows = HistoryRows()
    for n, pulse in enumerate((131, 134, 129)):
        add(rows, wearer, HeartRate(heart_rate_bpm=pulse), at + timedelta(minutes=n))
    add(rows, wearer, Worn(worn=False), at + timedelta(minutes=40))
    add(rows, wearer, HeartRate(heart_rate_bpm=44), at + timedelta(minutes=40, seconds=20))
    add(rows, wearer, HeartRate(heart_rate_bpm=80), at + timedelta(minutes=50), backlog=True)
    with app.app_context(), writing() as session:
        rows.write(session)
        why = Why(code="heart_rate_high", value=131, limit=120, unit="bpm")
        for code, drill, when in (("a1", False, at), ("a2", True, at - timedelta(hours=3))):
            session.add(alarm(wearer, code, when, why=why, drill=drill))


def alarm(wearer: int, code: str, at: datetime, *, why: Why, **more) -> AlarmRecord:
    """A row of the alarm history."""
    values = {"kind": "vitals", "severity": "warning", "incident": None, "drill": False, "late": False}
    values |= {"gateway": "gw-xinhe-1", "code": code, "wearer_id": wearer, "at": at} | more
    return AlarmRecord(why=msgspec.to_builtins(why), lat=None, lon=None, **values)


def add(rows: HistoryRows, wearer: int, reading, at: datetime, *, backlog: bool = False) -> None:
    """Gather one reading; what comes late was received two hours after it was measured."""
    received = at + timedelta(hours=2) if backlog else at
    rows.add(wearer, reading, at=at, received_at=received, backlog=backlog)
