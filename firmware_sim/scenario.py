"""A scenario: who wears which band, how they walk and feel, what happens when, and who answers the telephone.

Pure: text in, checked scenario out.
`parse` raises ScenarioError with every problem it can find, each with its path in the file.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar, get_type_hints

import msgspec

from firmware_sim.faults import Faults
from firmware_sim.ground import Ground, Point
from firmware_sim.people import Persona
from firmware_sim.physiology import Quantity
from firmware_sim.walk import Line, Manner

Waypoint = str | tuple[float, float]
"""The name of a place of the community, or [east_m, north_m] from the origin."""


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file; an unknown key is a problem."""


class Walk(Strict, frozen=True, kw_only=True):
    """The daily round: along a `road` by name, or along a `path`; one point is somebody who stays."""

    road: str | None = None
    path: tuple[Waypoint, ...] = ()
    manner: Manner = "to_and_fro"
    speed_m_s: float = 0.9
    start_m: float = 0.0


class Vitals(Strict, frozen=True, kw_only=True):
    """The body at rest."""

    heart_rate_bpm: float = 72
    systolic_mmhg: float = 128
    diastolic_mmhg: float = 76
    spo2_pct: float = 97
    body_temp_c: float = 36.4


class Event(Strict, frozen=True, kw_only=True):
    """Something that happens `at_s` seconds into the story; `say` and `say_en` tell it to whoever watches."""

    at_s: float
    say: str | None = None
    say_en: str | None = None

    words: ClassVar[tuple[str, str]] = ("", "")

    @property
    def line(self) -> tuple[str, str]:
        """The story line in Chinese and in English."""
        return self.say or self.words[0], self.say_en or self.words[1]


class PressSos(Event, frozen=True, kw_only=True, tag_field="do", tag="press_sos"):
    """Press the button; resent until the gateway acknowledges it."""

    words: ClassVar[tuple[str, str]] = ("按下求救", "presses SOS")


class Leave(Event, frozen=True, kw_only=True, tag_field="do", tag="leave"):
    """Leave the daily round and walk through these points."""

    path: tuple[Waypoint, ...]
    speed_m_s: float = 1.2

    words: ClassVar[tuple[str, str]] = ("走开了", "walks off")


class ComeBack(Event, frozen=True, kw_only=True, tag_field="do", tag="come_back"):
    """Go back the way one came."""

    speed_m_s: float = 1.0

    words: ClassVar[tuple[str, str]] = ("往回走", "comes back")


class Drift(Event, frozen=True, kw_only=True, tag_field="do", tag="drift"):
    """A quantity of the body goes to a value in some time."""

    what: Quantity
    to: float
    over_s: float = 60

    words: ClassVar[tuple[str, str]] = ("身体指标在变化", "is not quite the same")


class TakeOff(Event, frozen=True, kw_only=True, tag_field="do", tag="take_off"):
    """The band comes off the wrist."""

    words: ClassVar[tuple[str, str]] = ("摘下手环", "takes the band off")


class PutOn(Event, frozen=True, kw_only=True, tag_field="do", tag="put_on"):
    """The band goes back on."""

    words: ClassVar[tuple[str, str]] = ("戴上手环", "puts the band on")


AnyEvent = PressSos | Leave | ComeBack | Drift | TakeOff | PutOn


class BandPlan(Strict, frozen=True, kw_only=True):
    """One band and its wearer."""

    device: str
    wearer: str
    wearer_en: str = ""
    walk: Walk
    vitals: Vitals = Vitals()
    battery_pct: float = 80
    fix_every_s: float = 2.5
    vitals_every_s: float = 10
    faults: Faults = Faults()
    events: tuple[AnyEvent, ...] = ()


class PersonPlan(Strict, frozen=True, kw_only=True):
    """One telephone; the fields of `Persona`."""

    phone: str
    name: str = ""
    answer: Literal["no_answer", "busy", "rejects", "voicemail", "answers", "presses"] = "no_answer"
    after_s: float = 3.0
    key: str = "1"
    key_after_s: float = 4.0
    reply_text: str | None = None


class Scenario(Strict, frozen=True, kw_only=True):
    """A whole story; `origin` is where its metre grid touches WGS-84: [lat, lon]."""

    name: str
    title: str
    title_en: str
    origin: tuple[float, float]
    bands: tuple[BandPlan, ...]
    people: tuple[PersonPlan, ...] = ()

    def personas(self) -> dict[str, Persona]:
        """The people by telephone number."""
        return {plan.phone: Persona(**msgspec.structs.asdict(plan)) for plan in self.people}

    def timeline(self) -> tuple[tuple[float, str, AnyEvent], ...]:
        """(at_s, device, event) of everything that happens, in the order of time."""
        told = [(event.at_s, band.device, event) for band in self.bands for event in band.events]
        return tuple(sorted(told, key=lambda entry: entry[:2]))


class ScenarioError(Exception):
    """The file is no scenario; `problems` are lines of the form `path: what is wrong`."""

    def __init__(self, source: str, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Router:
    """Turns names of roads and places into points."""

    ground: Ground

    def point(self, waypoint: Waypoint) -> Point:
        """The point of a waypoint; KeyError for an unknown name."""
        return self.ground.places[waypoint] if isinstance(waypoint, str) else waypoint

    def line(self, walk: Walk) -> Line:
        """The line of a daily round; KeyError for an unknown name."""
        if walk.road is not None:
            return Line(self.ground.roads[walk.road])
        return Line(tuple(self.point(waypoint) for waypoint in walk.path))


def origin_of(text: str, *, source: str = "scenario") -> tuple[float, float]:
    """The origin of a scenario, before its ground is known. Raises ScenarioError."""
    return _read(text, source).origin


def parse(text: str, ground: Ground, *, source: str = "scenario") -> Scenario:
    """The scenario in a TOML text, checked against the ground its people walk on.

    Raises ScenarioError with every problem found.
    """
    scenario = _read(text, source)
    problems = [*_doubles(scenario), *_impossible(scenario), *_nowhere(scenario, ground)]
    if problems:
        raise ScenarioError(source, tuple(problems))
    return scenario


def _read(text: str, source: str) -> Scenario:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(source, (f"not TOML: {error}",)) from error
    problems: list[str] = []
    bands = _each(table, "bands", BandPlan, problems)
    people = _each(table, "people", PersonPlan, problems)
    head = {key: value for key, value in table.items() if key not in ("bands", "people")}
    scenario = _convert({**head, "bands": []}, Scenario, "", problems)
    if "bands" not in table:
        problems.append("bands: missing; a scenario needs at least one")
    if problems or scenario is None:
        raise ScenarioError(source, tuple(problems))
    return msgspec.structs.replace(scenario, bands=bands, people=people)


Table = TypeVar("Table", bound=Strict)


def _each(table: dict[str, Any], key: str, kind: type[Table], problems: list[str]) -> tuple[Table, ...]:
    found = table.get(key, [])
    if not isinstance(found, list):
        problems.append(f"{key}: expected tables [[{key}]]")
        return ()
    converted = [_convert(item, kind, f"{key}[{index}]", problems) for index, item in enumerate(found)]
    return tuple(item for item in converted if item is not None)


def _convert(value: Any, kind: type[Table], path: str, problems: list[str]) -> Table | None:
    """Check a table key by key, so that every wrong key of it is found."""
    if not isinstance(value, dict):
        problems.append(f"{path}: expected a table")
        return None
    before = len(problems)
    types = get_type_hints(kind)
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    dot = f"{path}." if path else ""
    problems += [f"{dot}{key}: no such key; known: {', '.join(fields)}" for key in value if key not in fields]
    built: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in value:
            if field.required:
                problems.append(f"{dot}{name}: missing")
            continue
        try:
            built[name] = msgspec.convert(value[name], types[name])
        except msgspec.ValidationError as error:
            what, _, where = str(error).partition(" - at `$")
            problems.append(f"{dot}{name}{where.rstrip('`')}: {what}")
    return kind(**built) if len(problems) == before else None


def _doubles(scenario: Scenario) -> list[str]:
    problems = []
    for key, names in (
        ("bands", [band.device for band in scenario.bands]),
        ("people", [person.phone for person in scenario.people]),
    ):
        problems += [
            f"{key}[{index}]: {name} stands there twice"
            for index, name in enumerate(names)
            if name in names[:index]
        ]
    return problems


def _impossible(scenario: Scenario) -> list[str]:
    problems = []
    for index, band in enumerate(scenario.bands):
        path = f"bands[{index}]"
        for key, value in (("fix_every_s", band.fix_every_s), ("vitals_every_s", band.vitals_every_s)):
            if value <= 0:
                problems.append(f"{path}.{key}: must be above 0")
        if not 0 <= band.battery_pct <= 100:  # noqa: PLR2004 - per cent
            problems.append(f"{path}.battery_pct: must be 0 to 100")
        if (band.walk.road is None) == (not band.walk.path):
            problems.append(f"{path}.walk: needs either a road or a path")
        problems += _disorder(path, band.events)
    return problems


def _disorder(path: str, events: tuple[AnyEvent, ...]) -> list[str]:
    problems = []
    away = False
    last_s = 0.0
    for number, event in enumerate(events):
        at = f"{path}.events[{number}]"
        if event.at_s < last_s:
            problems.append(f"{at}.at_s: events stand in the order of time")
        last_s = event.at_s
        if isinstance(event, Leave | ComeBack):
            if event.speed_m_s <= 0:
                problems.append(f"{at}.speed_m_s: must be above 0")
            if isinstance(event, ComeBack) and not away:
                problems.append(f"{at}: comes back without having left")
            away = isinstance(event, Leave)
    return problems


def _nowhere(scenario: Scenario, ground: Ground) -> list[str]:
    problems = []
    for index, band in enumerate(scenario.bands):
        if band.walk.road is not None and band.walk.road not in ground.roads:
            known = ", ".join(sorted(ground.roads))
            problems.append(
                f"bands[{index}].walk.road: no road is called {band.walk.road}; there are {known}"
            )
        paths = [("walk.path", band.walk.path)]
        paths += [
            (f"events[{number}].path", event.path)
            for number, event in enumerate(band.events)
            if isinstance(event, Leave)
        ]
        problems += [
            f"bands[{index}].{key}: no place is called {waypoint}"
            for key, path in paths
            for waypoint in path
            if isinstance(waypoint, str) and waypoint not in ground.places
        ]
    return problems
