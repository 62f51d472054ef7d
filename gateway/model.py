"""What the gateway talks about: readings, the uplink that carried them, alarms, orders, who is watched.

Everything here crosses a wire, the disk or HTTP, so it is a frozen `msgspec.Struct`.
Times are aware datetimes in UTC; positions are WGS-84 degrees; a unit ends every name that has one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

# --------------------------------------------------------------------------- readings


class Fix(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="fix", omit_defaults=True):
    """A position: lat, lon in WGS-84 degrees.

    `valid` false means the receiver had no fix: lat and lon are then the last known ones or zero,
    and no rule may treat them as where the wearer is.
    `accuracy_m` is a radius (about 68 %), None where the wire gives none.
    `source` says what made the position.
    """

    lat: float
    lon: float
    valid: bool
    alt_m: float | None = None
    speed_m_s: float | None = None
    course_deg: float | None = None
    accuracy_m: float | None = None
    satellites: int | None = None
    source: Literal["gnss", "wifi", "cell"] | None = None
    at: datetime | None = None


class HeartRate(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="heart_rate", omit_defaults=True
):
    """Heart rate in beats a minute; a band's 0 or 255 ("no reading") never becomes one of these."""

    heart_rate_bpm: float
    at: datetime | None = None


class BloodPressure(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="blood_pressure", omit_defaults=True
):
    """Blood pressure in millimetres of mercury, systolic over diastolic."""

    systolic_mmhg: float
    diastolic_mmhg: float
    at: datetime | None = None


class SpO2(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="spo2", omit_defaults=True):
    """Oxygen saturation of the blood, 0 to 100 %."""

    spo2_pct: float
    at: datetime | None = None


class BodyTemp(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="body_temp", omit_defaults=True
):
    """Body (skin) temperature in degrees Celsius."""

    body_temp_c: float
    at: datetime | None = None


class Steps(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="steps", omit_defaults=True):
    """Steps since the band's midnight."""

    steps: int
    at: datetime | None = None


class Battery(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="battery", omit_defaults=True):
    """The band's charge, 0 to 100 %."""

    battery_pct: float
    at: datetime | None = None


class Worn(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="worn", omit_defaults=True):
    """Whether the band is on the wrist."""

    worn: bool
    at: datetime | None = None


BandAlarmKind = Literal[
    "sos",
    "cancel",
    "fall",
    "removed",
    "geofence_exit",
    "geofence_enter",
    "power_cut",
    "low_battery",
    "general",
    "other",
]
BAND_ALARM_ORDER: tuple[BandAlarmKind, ...] = (
    "sos",
    "cancel",
    "fall",
    "removed",
    "geofence_exit",
    "geofence_enter",
    "power_cut",
    "low_battery",
    "general",
    "other",
)
"""Most severe first: the order in which the alarms of one frame are emitted."""


class BandAlarm(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="alarm", omit_defaults=True):
    """An alarm the band itself raised.

    `press_id` is the band's own number for this press, where its protocol has one.
    "cancel" is the wearer taking an SOS back (a long press).
    """

    alarm: BandAlarmKind
    press_id: str | None = None
    at: datetime | None = None


Reading = Fix | HeartRate | BloodPressure | SpO2 | BodyTemp | Steps | Battery | Worn | BandAlarm


class DownAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a band said of an order: `tag` is that of the order (`gateway.codecs.base.Order`).

    `done` false means that it refused or cannot; `detail` is its own word for why.
    """

    tag: str
    done: bool
    detail: str = ""


class Uplink(msgspec.Struct, frozen=True, kw_only=True):
    """One frame, decoded.

    `device` is the wire id the frame itself claims, None where only the connection knows it.
    `backlog` is true for stored readings sent late: they fill the history and move no live state.
    `reply` is what the protocol wants sent back, and it is sent only after the commit.
    `answers` are what the band says of orders it was given.
    `refusal` is why a protocol with a login of its own does not believe this frame (a constant phrase):
    it goes to quarantine under that reason, and `reply` says no in the protocol's own words.
    What readings it has are then only cries for help, for staff to look after the band.
    """

    device: str | None
    readings: tuple[Reading, ...]
    raw: bytes
    backlog: bool = False
    reply: bytes | None = None
    answers: tuple[DownAnswer, ...] = ()
    refusal: str = ""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """An uplink that was admitted: the gateway knows whose band it is and when it came.

    `device` is the band's identity (`gateway.bands.registry`), whatever the band calls itself on its wire.
    `replayed` is true for a frame out of the quarantine: the band itself was not heard now.
    """

    uplink: Uplink
    wire: str
    device: str
    wearer: str | None
    received_at: datetime
    replayed: bool = False


# --------------------------------------------------------------------------- what people answer for

AlarmKind = Literal[
    "sos", "fall", "fence", "vitals", "silence", "low_battery", "removed", "band", "system", "inactivity"
]
Severity = Literal["critical", "warning", "notice"]


WHY_READINGS = 8
"""So many readings, the newest of them, an alarm carries at most: what a person can look through."""


class WhyReading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reading an alarm rests on, in the unit of its `Why`: a measurement, or metres beyond a border.

    `accuracy_m` is that of a fix, where it named one.
    """

    at: datetime
    value: float
    accuracy_m: float | None = None


class Why(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a rule raised an alarm, in numbers; a screen turns it into words.

    `code` is a stable phrase such as `fence_exit` or `heart_rate_high`;
    `value`, `limit` and `unit` belong together; `place` names the fence.
    `readings` are the newest it rests on, oldest first, at most `WHY_READINGS`;
    `count` is how many there were in all, the first of them at `since`.
    """

    code: str
    value: float | None = None
    limit: float | None = None
    unit: str | None = None
    place: str | None = None
    readings: tuple[WhyReading, ...] = ()
    count: int | None = None
    since: datetime | None = None


class Alarm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that went wrong, as a rule saw it.

    `alarm_id` is derived from the cause, so that the same cause twice is the same alarm.
    `late` marks an SOS that reached us long after it was pressed.
    """

    alarm_id: str
    wearer: str
    kind: AlarmKind
    severity: Severity
    why: Why
    at: datetime
    lat: float | None = None
    lon: float | None = None
    late: bool = False
    drill: bool = False


LOUD = frozenset({"fence", "vitals", "silence", "inactivity"})
"""The kinds whose plan rings telephones, and of which there are mere notices too."""


FARTHER = frozenset({"fence_farther", "fence_deeper"})
"""Why codes of a wearer who has left already and goes on."""


def cannot_wait(alarm: Alarm) -> bool:
    """Whether telephones ring at once, however gently the plan of its kind begins.

    That is a crisis of a vital sign, and a wearer who is farther away than where the alarm is raised again.
    """
    return alarm.severity == "critical" and (alarm.kind == "vitals" or alarm.why.code in FARTHER)


def rings_nobody(alarm: Alarm) -> bool:
    """Whether this is a mere notice of a kind that rings telephones: it is shown, and nobody is told."""
    return alarm.severity == "notice" and alarm.kind in LOUD


class DownCommand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order to a band, in words every protocol can translate (or refuse by giving None)."""

    name: Literal[
        "help_is_coming", "cancelled", "find", "locate_now", "message", "interval", "call_back", "fences"
    ]
    text: str | None = None
    interval_s: int | None = None
    phone: str | None = None
    """Whom the band is to ring (`call_back`), E.164."""
    fences: tuple[FenceView, ...] | None = None
    """What the band is to watch by itself (`fences`): they replace those it has, none clears them.

    None in an order that has not been sent yet: the wearer's own as they are at that moment.
    """


BandOrderState = Literal[
    "waiting", "sent", "delivered", "done", "refused", "expired", "unsupported", "given_up"
]


# --------------------------------------------------------------------------- who is watched


class ContactView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A guardian or duty person of a wearer, as configured."""

    contact: str
    name: str
    phone: str
    relation: str = ""
    role: Literal["family", "staff"] = "family"


class FencePart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A circle (`centre`, `radius_m`), a `polygon` less `holes`, or what is near a `line` (`half_width_m`).

    Places are [lat, lon] in degrees: of WGS-84 in a `FenceView`, of the fence's `datum` in a configuration.
    """

    polygon: tuple[tuple[float, float], ...] = ()
    holes: tuple[tuple[tuple[float, float], ...], ...] = ()
    centre: tuple[float, float] | None = None
    radius_m: float | None = None
    line: tuple[tuple[float, float], ...] = ()
    half_width_m: float | None = None


class FenceView(FencePart, frozen=True, kw_only=True, omit_defaults=True):
    """A fence: one piece of ground, or several `parts`.

    `keep` says on which side the wearer should be; `exit_margin_m` 0, `hysteresis_m` and `dwell_s` None
    are the community's (`gateway.rules.fence.FenceSettings`).
    `schedule`: the lines that say when it counts (`geofence.schedule`), none: always.
    `approach_m`: a notice so near before the border, 0: none.
    `escalate_m`: past each of these metres beyond the border the alarm is raised again; rising.
    """

    fence: str
    name: str
    parts: tuple[FencePart, ...] = ()
    exit_margin_m: float = 0.0
    keep: Literal["in", "out"] = "in"
    hysteresis_m: float | None = None
    dwell_s: float | None = None
    schedule: tuple[str, ...] = ()
    approach_m: float = 0.0
    escalate_m: tuple[float, ...] = ()


class FenceSuspension(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A wearer's fence does not count `until` a time, because somebody said so: out with the daughter.

    `fence` empty: all of the wearer's fences.
    """

    until: datetime
    by: str
    given_at: datetime
    fence: str = ""
    note: str = ""


class WearerView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A wearer with all that belongs to them, as configured."""

    wearer: str
    name: str
    birth_year: int | None = None
    home: str = ""
    devices: tuple[str, ...] = ()
    contacts: tuple[ContactView, ...] = ()
    fences: tuple[FenceView, ...] = ()
