"""Believable things a gateway of 新河苑 tells the portal: two wearers, their family, an alarm, a profile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from gateway.model import (
    Battery,
    BloodPressure,
    ContactView,
    FenceView,
    Fix,
    HeartRate,
    Reading,
    WearerView,
    Why,
)
from gateway.profile import ContactTable, FenceTable, Profile
from gateway.told import (
    CommandDone,
    IncidentChanged,
    IncidentView,
    LegView,
    ProfileInForce,
    Roster,
    Telemetry,
)

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)

DAUGHTER = ContactView(contact="li-xiaomei", name="李晓梅", phone="+8613800138002", relation="女儿")
SON = ContactView(contact="li-jianguo", name="李建国", phone="+8613800138001", relation="儿子")
ZHANG = WearerView(
    wearer="zhang-guilan",
    name="张桂兰",
    birth_year=1943,
    home="3栋2单元401",
    devices=("band-zhang",),
    contacts=(SON, DAUGHTER),
)
WANG = WearerView(
    wearer="wang-deshun",
    name="王德顺",
    birth_year=1947,
    home="5栋1单元102",
    devices=("4700186508",),
    contacts=(ContactView(contact="wang-fang", name="王芳", phone="+8613800138003", relation="女儿"),),
    fences=(FenceView(fence="home", name="5栋与中心花园", centre=(31.15535, 121.1046), radius_m=90),),
)
ROSTER = Roster(community="xinhe", wearers=(ZHANG, WANG))


def telemetry(
    *readings: Reading, wearer: str = "zhang-guilan", ago_s: float = 0, backlog: bool = False
) -> Telemetry:
    return Telemetry(
        device=f"band-{wearer}",
        wearer=wearer,
        received_at=NOW - timedelta(seconds=ago_s),
        backlog=backlog,
        readings=readings,
    )


def at_home(*, ago_s: float = 0) -> Telemetry:
    """张桂兰 near building 3 with pulse, pressure and charge."""
    return telemetry(
        Fix(lat=31.15590, lon=121.10650, valid=True, accuracy_m=12.0, source="gnss"),
        HeartRate(heart_rate_bpm=76),
        BloodPressure(systolic_mmhg=132, diastolic_mmhg=84),
        Battery(battery_pct=64),
        ago_s=ago_s,
    )


def leg(number: int, channel: str, state: str, *, contact: ContactView = SON, round_: int = 1) -> LegView:
    return LegView(
        leg_id=f"inc1.{round_}.{contact.contact}.{channel}.{number}",
        contact=contact.contact,
        name=contact.name,
        role="family",
        channel=channel,
        round=round_,
        attempt=number,
        state=state,
        carrier="twilio",
        at=NOW - timedelta(seconds=60),
    )


def incident(state: str = "notifying", *legs: LegView, **more) -> IncidentChanged:
    fields = {
        "incident_id": "inc1",
        "ref": "A7K2",
        "wearer": "zhang-guilan",
        "kind": "sos",
        "severity": "critical",
        "why": Why(code="sos"),
        "opened_at": NOW - timedelta(minutes=2),
        "lat": 31.15590,
        "lon": 121.10650,
    }
    return IncidentChanged(incident=IncidentView(state=state, legs=legs, **(fields | more)))


# ---------------------------------------------------------------- a wearer's profile

ZHANG_PROFILE = Profile(
    name="张桂兰",
    birth_year=1943,
    home="3栋2单元401",
    contacts=(
        ContactTable(id="li-jianguo", name="李建国", phone="+8613800138001", relation="儿子"),
        ContactTable(id="li-xiaomei", name="李晓梅", phone="+8613800138002", relation="女儿"),
    ),
    fences=(FenceTable(id="home", name="家和花园", centre=(31.15535, 121.1046), radius_m=90.0),),
    rules={"vitals": {"heart_rate_high_bpm": 120, "sustained_readings": 2}},
)


def profile_told(version: int = 1, profile: Profile = ZHANG_PROFILE, **more) -> ProfileInForce:
    """A version of 张桂兰's profile, as her gateway tells it."""
    fields = {"source": "portal", "by": "李晓梅", "at": NOW - timedelta(hours=9 - version)} | more
    return ProfileInForce(wearer="zhang-guilan", version=version, profile=profile, **fields)


def profile_taken(command: dict, version: int) -> tuple[ProfileInForce, CommandDone]:
    """What a gateway says that takes a `set_profile`."""
    profile = msgspec.convert(command["profile"], Profile)
    told = profile_told(version, profile, by=command["by"], at=NOW)
    return told, CommandDone(command=command["command"], done=True)
