"""One wearer's history under one setting after the other: what each would have avoided, kept and lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from gateway import history, plugins
from gateway.backtest import (
    Suspended,
    changed_settings,
    compare,
    raised_by,
    replay,
    suspending,
    warm_up,
    without_own,
)
from gateway.config import Settings
from gateway.desk.knobs import KNOBS, MARGIN, Knob
from gateway.history import Judged
from gateway.journal.reader import JournalReader
from gateway.model import Alarm, Envelope, WearerView
from gateway.rules.fence import FenceRule, watch
from gateway.rules.vitals_settings import VitalsSettings, quantities

WORTH = 0.5
"""A suggestion avoids at least this share of the false ones."""
REPRODUCED = 0.75
"""At least this share of the false ones must come out of the journal again, and every true one."""

Outcome = Literal[
    "suggested", "never", "few", "unjudged", "mostly_true", "not_reproduced", "true_lost", "no_use"
]
"""Why there is a suggestion, or none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The alarms of one wearer by one rule; `said` counts the verdicts: true, false, test, or empty."""

    wearer: str
    name: str
    kind: str
    code: str
    alarms: int
    a_week: float
    said: Counter[str]
    outcome: Outcome = "few"

    @property
    def judged(self) -> int:
        """How many somebody said of whether they were true (tests are no alarms)."""
        return self.said["true"] + self.said["false"]

    @property
    def false_share(self) -> float | None:
        """The share of false alarms among those somebody judged; None for none."""
        return self.said["false"] / self.judged if self.judged else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One setting that was tried: today's value, the other, and what each would have raised.

    `false_avoided` of `false_seen` false alarms would not have been raised;
    every one of `true_kept` true ones would, at most `later_s` later;
    `unjudged_avoided` are alarms of which nobody said what they were.
    """

    wearer: str
    name: str
    code: str
    knob: Knob
    today: Any
    tried: Any
    alarms_today: int
    alarms_tried: int
    judged: int
    false_seen: int
    false_avoided: int
    true_kept: int
    unjudged_avoided: int
    later_s: float

    @property
    def key(self) -> str:
        """The key of the setting."""
        return self.knob.key


class Weighing:
    """One wearer's history under one setting after the other."""

    def __init__(
        self,
        reader: JournalReader,
        settings: Settings,
        view: WearerView,
        was: Sequence[Judged],
        *,
        since: datetime,
        until: datetime,
    ) -> None:
        self._reader = reader
        self._settings = settings
        self._view = view
        self._was = was
        self._since = since
        self._until = until
        self._frames: dict[timedelta, tuple[Envelope | Suspended, ...]] = {}

    def _heard(self, rule: str) -> tuple[Envelope | Suspended, ...]:
        """What a rule needs to have heard; read once."""
        before = warm_up(rule)
        if before not in self._frames:
            since = self._since - before
            heard = history.heard(self._reader, self._view.wearer, since=since, until=self._until)
            self._frames[before] = tuple(heard)
        return self._frames[before]

    def tried(self, line: Line) -> tuple[Outcome, list[Suggestion]]:
        """Give the smallest change of each knob that is worth it, or why there is none."""
        outcomes: list[Outcome] = []
        found: list[Suggestion] = []
        for knob in KNOBS[line.code]:
            outcome, suggestion = self._knob(line, knob)
            outcomes.append(outcome)
            found += [] if suggestion is None else [suggestion]
        best = next(
            (one for one in ("suggested", "true_lost", "no_use") if one in outcomes), "not_reproduced"
        )
        return best, found  # type: ignore[return-value]  # one of the outcomes above

    def _knob(self, line: Line, knob: Knob) -> tuple[Outcome, Suggestion | None]:
        frames = self._heard(knob.rule)
        today = self._settings.wearer_rules[self._view.wearer, knob.rule]
        of_rule = [one for one in self._was if raised_by(knob.rule, one.alarm)]
        true = [one.alarm for one in of_rule if one.verdict == "true"]
        false = [one.alarm for one in of_rule if one.verdict == "false" and one.alarm.why.code == line.code]
        base = self._alarms(knob, today, None, frames)
        false = [was for _, was in compare(base, false).both]
        if compare(base, true).only_raised or len(false) < REPRODUCED * line.said["false"]:
            return "not_reproduced", None
        outcome: Outcome = "no_use"
        standing = self._today(knob, today, base)
        for value in knob.values(standing):
            left = self._alarms(knob, today, value, frames)
            if left is None:
                continue
            later = _later(left, true, knob.latest_s)
            if later is None or self._others_lost(knob, line, base, left):
                return "true_lost", None
            avoided = len(compare(left, false).only_raised)
            if avoided < WORTH * len(false):
                continue
            mine, mine_left = _of(line.code, base), _of(line.code, left)
            gone = compare(mine_left, mine).only_raised
            said = {one.alarm.alarm_id for one in of_rule if one.verdict in ("true", "false", "test")}
            known = {
                one.alarm_id
                for one, was in compare(gone, [one.alarm for one in of_rule]).both
                if was.alarm_id in said
            }
            return "suggested", Suggestion(
                wearer=self._view.wearer,
                name=self._view.name,
                code=line.code,
                knob=knob,
                today=standing,
                tried=value,
                alarms_today=len(mine),
                alarms_tried=len(mine_left),
                judged=line.judged,
                false_seen=len(false),
                false_avoided=avoided,
                true_kept=len(true),
                unjudged_avoided=sum(one.alarm_id not in known for one in gone),
                later_s=later.total_seconds(),
            )
        return outcome, None

    def _today(self, knob: Knob, today: Any, base: Sequence[Alarm]) -> Any:
        """Today's value; of a margin the widest one of the fences that alarmed, which may have their own."""
        if knob is MARGIN:
            return max((one.why.limit or 0.0 for one in base if one.why.code == "fence_exit"), default=0.0)
        return getattr(today, knob.key)

    def _alarms(self, knob: Knob, today: Any, value: Any, frames: Sequence[Envelope | Suspended]) -> Any:
        """What the rule would have raised with a value of a knob (None: as today).

        None for a value that its settings refuse, or that would move a crisis limit with it.
        """
        changed = {} if value is None else {knob.key: value}
        if knob.rule == FenceRule.name:
            settings = changed_settings(today, changed)
            fences = tuple(without_own(one, changed) for one in self._view.fences)
            rule: Any = FenceRule(msgspec.structs.replace(self._view, fences=fences), settings)
            frames = tuple(suspending(frames, tuple(watch(one, settings) for one in fences)))
        else:
            try:
                settings = msgspec.structs.replace(today, **changed)
            except ValueError:
                return None  # such as a low limit above the high one
            if changed and not same_crises(today, settings):
                return None
            rule = plugins.get("rule", knob.rule)(self._view, settings)
        notices = knob.rule != FenceRule.name
        found = replay(rule, frames, until=self._until, notices=notices)
        return tuple(one for one in found if one.at >= self._since)

    def _others_lost(self, knob: Knob, line: Line, base: Sequence[Alarm], left: Sequence[Alarm]) -> bool:
        """Whether an alarm of another code would be lost too, such as that of a crisis.

        Steps of a fence belong to the exit they follow.
        """
        if knob.rule == FenceRule.name:
            return False
        others = [one for one in base if one.why.code != line.code and one.severity == "critical"]
        return _later(left, others, 0.0) is None


def same_crises(today: Any, tried: Any) -> bool:
    """Whether the crisis limits of two settings are the same, and the plain ones stay inside them."""
    if not isinstance(today, VitalsSettings) or not isinstance(tried, VitalsSettings):
        return True
    before, after = ([one for each in quantities(which) for one in each.limits] for which in (today, tried))
    crises = {one.code: one.limit for one in before if one.severity == "critical"}
    if crises != {one.code: one.limit for one in after if one.severity == "critical"}:
        return False
    plain = {one.code: one for one in after if one.severity != "critical"}
    return all(
        (limit - plain[code.replace("_crisis", "")].limit) * plain[code.replace("_crisis", "")].sign > 0
        for code, limit in crises.items()
    )


def _later(left: Sequence[Alarm], true: Sequence[Alarm], latest_s: float) -> timedelta | None:
    """How much later the latest of these alarms would have come; None where one would not, or much later."""
    compared = compare(left, true)
    later = max((would.at - was.at for would, was in compared.both), default=timedelta(0))
    too_late = later.total_seconds() > latest_s
    return None if compared.only_raised or too_late else max(later, timedelta(0))


def _of(code: str, alarms: Iterable[Alarm]) -> list[Alarm]:
    return [one for one in alarms if one.why.code == code]
