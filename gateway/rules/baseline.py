"""Notices what is unusual for this one wearer at this hour of the day, whatever the limits say.

Of each quantity the first good reading of every hour is kept for ten days, one byte each.
What is usual at an hour is the median of that hour and its neighbours, give or take a multiple of the
median absolute deviation: a few bad readings, or one bad day, move neither.
It is a notice, never more: whatever goes beyond a limit is the rule `vitals`' to raise.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Annotated, ClassVar, NamedTuple

import msgspec
from msgspec.structs import replace

from gateway.effects import Effect
from gateway.model import WearerView
from gateway.rules.base import RuleEvent, TimerDue
from gateway.rules.measurements import BODIES, WITNESSES, Still, to_judge
from gateway.rules.quality import Quality
from gateway.rules.vitals_runs import NEVER, Limit, Run, held, raising

DAYS = 10
HOURS = 24
CELLS = DAYS * HOURS
EMPTY = bytes(CELLS)
CHINA_S = 8 * 3600
PER_SIGMA = 1.4826
"""The median absolute deviation of a normal distribution, times this, is its standard deviation."""
SUSTAINED = timedelta(seconds=600)
GAP = timedelta(seconds=3600)
ANYTHING = (float("-inf"), float("inf"))
"""What is usual while nothing is known."""

Least = Annotated[float, msgspec.Meta(ge=0, le=200)]


class BaselineSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[rules.baseline]; a least difference of 0 turns a quantity off.

    least_readings: so many of the hour and its neighbours must be kept before anything is unusual.
    deviations: so many standard deviations from the median are unusual ...
    heart_rate_bpm, systolic_mmhg, spo2_pct, body_temp_c: ... and at least this much.
    cooldown_s: the same is noticed again at the earliest after this.
    max_event_age_s: older readings fill the history only.
    """

    least_readings: Annotated[int, msgspec.Meta(ge=5, le=30)] = 15
    deviations: Annotated[float, msgspec.Meta(ge=2, le=10)] = 4.0
    heart_rate_bpm: Least = 20.0
    systolic_mmhg: Least = 25.0
    spo2_pct: Least = 4.0
    body_temp_c: Least = 1.1
    cooldown_s: Annotated[float, msgspec.Meta(ge=0, le=604_800)] = 21_600.0
    max_event_age_s: Annotated[float, msgspec.Meta(gt=0)] = 600.0


class Scale(NamedTuple):
    """How a quantity is kept in a byte, 1 to 255: (value - `offset`) * `per`; 0 is an empty cell."""

    offset: float
    per: float
    unit: str


SCALES = MappingProxyType(
    {
        "heart_rate": Scale(0.0, 1.0, "bpm"),
        "systolic": Scale(30.0, 1.0, "mmHg"),
        "spo2": Scale(0.0, 1.0, "%"),
        "body_temp": Scale(25.0, 10.0, "°C"),
    }
)


class BaselineState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`cells`: of each quantity a byte an hour of the last ten days, at hour * 10 + day % 10.

    `day` is the newest day in them, counted from 1970 in China; `runs` is what is unusual now.
    """

    cells: dict[str, bytes] = {}
    day: int = 0
    runs: dict[str, Run] = {}
    quality: Quality = Quality()


class BaselineRule:
    """Knows what is usual for one wearer at each hour."""

    name: ClassVar[str] = "baseline"
    Settings: ClassVar[type[BaselineSettings]] = BaselineSettings
    State: ClassVar[type[BaselineState]] = BaselineState
    hears: frozenset[type] | None = BODIES | WITNESSES

    def __init__(self, wearer: WearerView, settings: BaselineSettings) -> None:
        self._wearer = wearer.wearer
        self._deviations = settings.deviations
        self._least_readings = settings.least_readings
        self._cooldown = timedelta(seconds=settings.cooldown_s)
        self._max_age = timedelta(seconds=settings.max_event_age_s)
        self._least = {
            "heart_rate": settings.heart_rate_bpm,
            "systolic": settings.systolic_mmhg,
            "spo2": settings.spo2_pct,
            "body_temp": settings.body_temp_c,
        }
        self._known: dict[str, tuple[bytes, int, tuple[float, float] | None]] = {}
        self._still: dict[str, Still] = {}

    def initial(self) -> BaselineState:
        """Give the state of a wearer of whom nothing is usual yet."""
        return BaselineState()

    def step(
        self, state: BaselineState, event: RuleEvent, now: datetime
    ) -> tuple[BaselineState, tuple[Effect, ...]]:
        """Hold each good reading against what is usual, and keep the first of every hour."""
        del now  # the frame carries its own time, so that a replay gives the same
        if isinstance(event, TimerDue) or event.uplink.backlog:
            return state, ()
        kept = None if state.runs else state.cells
        quality, values = to_judge(event, state.quality, kept=kept, still=self._still, max_age=self._max_age)
        if quality is not state.quality:
            state = replace(state, quality=quality)
        if not values:
            return state, ()
        effects: list[Effect] = []
        for when, name, value in values:
            state = self._judge(state, name, value, when, event.received_at, effects)
        return state, tuple(effects)

    def _judge(
        self,
        state: BaselineState,
        name: str,
        value: float,
        when: datetime,
        heard_at: datetime,
        effects: list[Effect],
    ) -> BaselineState:
        if not self._least[name]:
            return state
        day, of_day_s = divmod(int(when.timestamp()) + CHINA_S, 86_400)
        hour = of_day_s // 3600
        cells = state.cells.get(name, EMPTY)
        usual = self._usual(name, cells, hour)
        if usual is not None and (state.runs or not usual[0] <= value <= usual[1]):
            for sign, limit_value in ((-1, usual[0]), (1, usual[1]))[: 1 if name == "spo2" else 2]:
                limit = _limit(name, sign, limit_value)
                runs, raised = held(state.runs, limit, value, when, heard_at, self._cooldown)
                state = state if runs is state.runs else replace(state, runs=runs)
                if raised is not None:
                    effects.append(raising(self.name, self._wearer, limit, raised, value, when))
        here = hour * DAYS + day % DAYS
        if day == state.day and cells[here]:
            low, high = usual or ANYTHING
            left_s = 3600 - of_day_s % 3600 - 1  # of the hour, to the second
            self._still[name] = (cells, low, high, when, when + timedelta(seconds=left_s))
            return state
        state = _turned(state, day)
        cells = state.cells.get(name, EMPTY)
        if cells[here]:
            return state
        scale = SCALES[name]
        byte = min(255, max(1, round((value - scale.offset) * scale.per)))
        kept = cells[:here] + bytes((byte,)) + cells[here + 1 :]
        return replace(state, cells={**state.cells, name: kept})

    def _usual(self, name: str, cells: bytes, hour: int) -> tuple[float, float] | None:
        """Give the lowest and highest usual value of an hour; remembered until another cell is filled."""
        known, scale = self._known.get(name), SCALES[name]
        if known is not None and known[1] == hour and known[0] is cells:
            return known[2]
        usual = usual_range(
            cells, hour, self._least_readings, self._deviations, self._least[name] * scale.per
        )
        given = (
            None
            if usual is None
            else (usual[0] / scale.per + scale.offset, usual[1] / scale.per + scale.offset)
        )
        self._known[name] = (cells, hour, given)
        return given


def usual_range(
    cells: bytes, hour: int, least_readings: int, deviations: float, least: float
) -> tuple[float, float] | None:
    """Give median -/+ the greater of `deviations` robust standard deviations and `least`, in bytes' units.

    Made from the hour and its two neighbours; None while fewer than `least_readings` are kept of them.
    """
    values: list[int] = []
    for near in (hour - 1, hour, hour + 1):
        begin = near % HOURS * DAYS
        values += [byte for byte in cells[begin : begin + DAYS] if byte]
    if len(values) < least_readings:
        return None
    middle = _median(values)
    spread = PER_SIGMA * _median([abs(value - middle) for value in values])
    reach = max(deviations * spread, least)
    return middle - reach, middle + reach


def _median(values: list[int] | list[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _turned(state: BaselineState, day: int) -> BaselineState:
    """Empty the cells of the days that are over; a newest day in the future was a wrong clock of ours."""
    passed = day - state.day
    if passed == 0 or -DAYS < passed < 0:
        return state
    if passed >= DAYS or passed <= -DAYS:
        return replace(state, day=day, cells={})
    over = {(state.day + ahead) % DAYS for ahead in range(1, passed + 1)}
    cells = {
        name: bytes(0 if place % DAYS in over else byte for place, byte in enumerate(old))
        for name, old in state.cells.items()
    }
    return replace(state, day=day, cells=cells)


def _limit(name: str, sign: int, limit: float) -> Limit:
    return Limit(
        code=f"{name}_unusual_high" if sign > 0 else f"{name}_unusual_low",
        sign=sign,
        limit=round(limit, 1),
        hysteresis=0.0,
        unit=SCALES[name].unit,
        needed=NEVER,
        sustained=SUSTAINED,
        gap=GAP,
        jump=float("inf"),
        severity="notice",
    )


RULE = BaselineRule
