"""Raises once per discharge when a band's battery is low."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, ClassVar

import msgspec

from gateway.effects import Effect, RaiseAlarm
from gateway.model import Alarm, Battery, Envelope, WearerView, Why
from gateway.rules.base import RuleEvent, TimerDue
from gateway.rules.moment import happened_at, milliseconds

Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]


class BatterySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[rules.battery].

    low_pct: warn at or below this charge, in percent.
    rearm_pct: charged to this at least, the band can warn again.
    max_event_age_s: older readings fill the history only.
    """

    low_pct: Percent = 15.0
    rearm_pct: Percent = 20.0
    max_event_age_s: Annotated[float, msgspec.Meta(gt=0)] = 600.0

    def __post_init__(self) -> None:
        if self.rearm_pct <= self.low_pct:
            raise ValueError(f"rearm_pct must be above low_pct ({self.low_pct:g})")


class BatteryState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The wearer's bands that have warned and were not charged since."""

    low: tuple[str, ...] = ()


class BatteryRule:
    """Watches the charge of each band of one wearer."""

    name: ClassVar[str] = "battery"
    Settings: ClassVar[type[BatterySettings]] = BatterySettings
    State: ClassVar[type[BatteryState]] = BatteryState
    hears: frozenset[type] | None = frozenset({Battery})

    def __init__(self, wearer: WearerView, settings: BatterySettings) -> None:
        self._wearer = wearer.wearer
        self._low_pct = settings.low_pct
        self._rearm_pct = settings.rearm_pct
        self._max_age = timedelta(seconds=settings.max_event_age_s)

    def initial(self) -> BatteryState:
        """Give the state of a wearer none of whose bands has warned."""
        return BatteryState()

    def step(
        self, state: BatteryState, event: RuleEvent, now: datetime
    ) -> tuple[BatteryState, tuple[Effect, ...]]:
        """Judge a frame's charges; one outside 0 to 100 % is as if it never came."""
        del now  # the frame carries its own time, so that a replay gives the same
        if isinstance(event, TimerDue) or event.uplink.backlog:
            return state, ()
        effects: list[Effect] = []
        for reading in event.uplink.readings:
            if type(reading) is Battery:
                state = self._judge(state, reading, event, effects)
        return state, tuple(effects)

    def _judge(
        self, state: BatteryState, battery: Battery, event: Envelope, effects: list[Effect]
    ) -> BatteryState:
        charge, device = battery.battery_pct, event.device
        at = happened_at(battery.at, event.received_at)
        if not 0.0 <= charge <= 100.0 or event.received_at - at > self._max_age:  # noqa: PLR2004 (percent)
            return state
        if charge <= self._low_pct and device not in state.low:
            effects.append(RaiseAlarm(alarm=self._alarm(device, charge, at)))
            return BatteryState(low=(*state.low, device))
        if charge >= self._rearm_pct and device in state.low:
            return BatteryState(low=tuple(other for other in state.low if other != device))
        return state

    def _alarm(self, device: str, charge: float, at: datetime) -> Alarm:
        return Alarm(
            alarm_id=f"low_battery.{device}.{milliseconds(at)}",
            wearer=self._wearer,
            kind="low_battery",
            severity="notice",
            why=Why(code="battery_low", value=charge, limit=self._low_pct, unit="%"),
            at=at,
        )


RULE = BatteryRule
