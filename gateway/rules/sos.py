"""Turns what a band itself raised into alarms: the SOS before everything else.

Which press an SOS frame belongs to decides whether telephones ring again, so it is decided narrowly.
Two frames of one band are the same press when

1. both carry the same press number, and were pressed (by their own time, else ours) within 10 minutes; or
2. neither has a number, both carry the same device time, and came within 10 minutes of each other; or
3. they have neither, are the same bytes, and came within 30 seconds of the first.

A frame with the same device time out of a band's store (backlog) is the same press however late it comes.
Anything else is a new press.
A new press while an incident is open joins it, so a wrong guess this way costs nothing;
a wrong guess the other way would lose a cry for help.
The windows are there for bands that count from 1 again after a restart, or whose clock stands still.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Annotated, ClassVar
from zlib import crc32

import msgspec
from msgspec.structs import replace

from gateway.effects import CancelAlarm, Effect, RaiseAlarm
from gateway.model import Alarm, AlarmKind, BandAlarm, BandAlarmKind, Envelope, Fix, Severity, WearerView, Why
from gateway.rules.base import RuleEvent, TimerDue
from gateway.rules.moment import happened_at, milliseconds
from gateway.rules.position import is_position

SAME_PRESS = timedelta(minutes=10)
SAME_BYTES = timedelta(seconds=30)
REMEMBERED_PRESSES = 16
"""The oldest press is forgotten first; forgetting one can only ring twice."""
SANE_FROM = datetime(2020, 1, 1, tzinfo=UTC)
"""A device time before this is a clock that was never set."""

_CRIES = frozenset({"sos", "fall"})
"""Alarms of a person in need: each of them is raised."""
_URGENT = _CRIES | {"general"}
"""And one nobody could name, which may be such a cry in a broken frame: heard live, they may be late."""

MOVED_DEG = 0.0002
"""About 20 m: a smaller move does not rewrite the last known position ..."""
KEPT = timedelta(minutes=10)
"""... unless it is older than this."""

MEANING: MappingProxyType[BandAlarmKind, tuple[AlarmKind, Severity, str]] = MappingProxyType(
    {
        "sos": ("sos", "critical", "sos_pressed"),
        "fall": ("fall", "critical", "fall_detected"),
        "removed": ("removed", "warning", "band_removed"),
        "geofence_exit": ("band", "warning", "band_geofence_exit"),
        "geofence_enter": ("band", "warning", "band_geofence_enter"),
        "power_cut": ("band", "warning", "band_power_cut"),
        "low_battery": ("low_battery", "notice", "band_low_battery"),
        "general": ("band", "warning", "band_general"),
        "other": ("band", "warning", "band_other"),
    }
)


class SosSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[rules.sos].

    max_event_age_s: an SOS older than this is raised marked late, and so is a fall or an alarm nobody can
        name that is heard live, whose time may be that of a wrong clock; any other band alarm is not raised.
    repeat_after_s: band alarms other than SOS and fall raise again only after this, as bands latch them.
    """

    max_event_age_s: Annotated[float, msgspec.Meta(gt=0)] = 600.0
    repeat_after_s: Annotated[float, msgspec.Meta(ge=0, le=604_800)] = 3600.0


class Press(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One press (or fall) as remembered, to recognise its repeats."""

    device: str
    key: str
    pressed_at: datetime
    first_heard_at: datetime
    last_heard_at: datetime
    alarm_id: str


class SosState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last presses, when each latched band alarm was last raised, and where the wearer was last seen."""

    presses: tuple[Press, ...] = ()
    told: dict[str, datetime] = {}
    lat: float | None = None
    lon: float | None = None
    seen_at: datetime | None = None


class SosRule:
    """Raises what the bands of one wearer raised."""

    name: ClassVar[str] = "sos"
    Settings: ClassVar[type[SosSettings]] = SosSettings
    State: ClassVar[type[SosState]] = SosState
    hears: frozenset[type] | None = frozenset({Fix, BandAlarm})

    def __init__(self, wearer: WearerView, settings: SosSettings) -> None:
        self._wearer = wearer.wearer
        self._max_age = timedelta(seconds=settings.max_event_age_s)
        self._repeat_after = timedelta(seconds=settings.repeat_after_s)

    def initial(self) -> SosState:
        """Give the state of a wearer whose bands never raised anything."""
        return SosState()

    def step(self, state: SosState, event: RuleEvent, now: datetime) -> tuple[SosState, tuple[Effect, ...]]:
        """Raise every SOS there is, and the other band alarms that are fresh."""
        del now  # the frame carries its own time, so that a replay gives the same
        if isinstance(event, TimerDue):
            return state, ()
        effects: list[Effect] = []
        here: Fix | None = None
        alarms = False
        for reading in event.uplink.readings:
            kind = type(reading)
            if kind is Fix:
                assert isinstance(reading, Fix)
                if is_position(reading):
                    here = reading
                    if not event.uplink.backlog:
                        state = _remember(state, reading, event.received_at)
            elif kind is BandAlarm:
                alarms = True
        if alarms:
            for reading in event.uplink.readings:
                if isinstance(reading, BandAlarm):
                    state = self._judge(state, reading, event, here, effects)
        return state, tuple(effects)

    def _judge(
        self, state: SosState, alarm: BandAlarm, event: Envelope, here: Fix | None, effects: list[Effect]
    ) -> SosState:
        heard_at, known = event.received_at, alarm.at
        if known is not None and (known.tzinfo is None or not SANE_FROM <= known <= heard_at):
            known = None
        at = known or heard_at
        if alarm.alarm == "cancel":
            effects.append(CancelAlarm(at=at))
            return state
        late = event.uplink.backlog or heard_at - at > self._max_age
        if late and alarm.alarm != "sos" and (event.uplink.backlog or alarm.alarm not in _URGENT):
            return state
        if alarm.alarm not in _CRIES:
            told_at = state.told.get(alarm.alarm)
            if told_at is not None and timedelta(0) <= heard_at - told_at < self._repeat_after:
                return state
            state = replace(state, told={**state.told, alarm.alarm: heard_at})
        press = self._press(state.presses, alarm, event, known)
        presses = (*(old for old in state.presses if old.alarm_id != press.alarm_id), press)
        if press not in state.presses:
            state = replace(state, presses=presses[-REMEMBERED_PRESSES:])
        kind, severity, code = MEANING[alarm.alarm]
        lat, lon = (here.lat, here.lon) if here is not None else (state.lat, state.lon)
        raised = Alarm(
            alarm_id=press.alarm_id,
            wearer=self._wearer,
            kind=kind,
            severity=severity,
            why=Why(code=code),
            at=press.pressed_at,
            lat=lat,
            lon=lon,
            late=late,
        )
        effects.append(RaiseAlarm(alarm=raised))
        return state

    def _press(
        self, presses: tuple[Press, ...], alarm: BandAlarm, event: Envelope, known: datetime | None
    ) -> Press:
        """Give the press this alarm belongs to: one that is remembered, or a new one."""
        heard_at, at = event.received_at, known or event.received_at
        if alarm.press_id is not None:
            key = f"{alarm.alarm}.{event.device}.p{alarm.press_id}"
            alarm_id = f"{key}.{milliseconds(at)}"
        elif known is not None:
            key = alarm_id = f"{alarm.alarm}.{event.device}.t{milliseconds(known)}"
            if not event.uplink.backlog:
                alarm_id = f"{key}.{milliseconds(heard_at)}"  # a clock that stands still may say it again
        else:
            key = f"{alarm.alarm}.{event.device}.b{crc32(event.uplink.raw):08x}"
            alarm_id = f"{key}.{milliseconds(heard_at)}"
        taken = False
        for old in reversed(presses):
            if old.key != key:
                continue
            if alarm.press_id is not None:
                same = abs(at - old.pressed_at) <= SAME_PRESS
            elif known is not None:
                apart = max(heard_at - old.last_heard_at, old.first_heard_at - heard_at)
                same = event.uplink.backlog or apart <= SAME_PRESS
            else:
                same = abs(heard_at - old.first_heard_at) <= SAME_BYTES
            if same:
                return replace(
                    old,
                    first_heard_at=min(old.first_heard_at, heard_at),
                    last_heard_at=max(old.last_heard_at, heard_at),
                )
            taken = True
        if taken and alarm_id == key:
            alarm_id = f"{key}.{milliseconds(heard_at)}"
        return Press(
            device=event.device,
            key=key,
            pressed_at=at,
            first_heard_at=heard_at,
            last_heard_at=heard_at,
            alarm_id=alarm_id,
        )


def _remember(state: SosState, fix: Fix, heard_at: datetime) -> SosState:
    """Keep the newest valid position, rewritten only when it moved or is old."""
    lat, lon, seen_at = state.lat, state.lon, state.seen_at
    if lat is None or lon is None or seen_at is None or seen_at > heard_at:  # our own clock was set back
        return replace(state, lat=fix.lat, lon=fix.lon, seen_at=happened_at(fix.at, heard_at))
    if abs(fix.lat - lat) < MOVED_DEG and abs(fix.lon - lon) < MOVED_DEG and heard_at - seen_at < KEPT:
        return state
    at = happened_at(fix.at, heard_at)
    return replace(state, lat=fix.lat, lon=fix.lon, seen_at=at) if at > seen_at else state


RULE = SosRule
