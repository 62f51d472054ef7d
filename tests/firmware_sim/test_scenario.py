"""A bad scenario file is told every mistake it has, by path."""

from __future__ import annotations

import pytest

from firmware_sim.ground import Ground
from firmware_sim.scenario import Drift, Leave, PressSos, ScenarioError, parse

HEAD = 'name = "x"\ntitle = "题"\ntitle_en = "t"\norigin = [31.1553, 121.1050]\n'
BAND = '[[bands]]\ndevice = "a"\nwearer = "甲"\n'


def problems(text: str, ground: Ground) -> tuple[str, ...]:
    with pytest.raises(ScenarioError) as caught:
        parse(text, ground, source="bad.toml")
    return caught.value.problems


def test_a_small_scenario_is_read(ground: Ground) -> None:
    text = (
        f'{HEAD}{BAND}walk = {{ road = "环园路" }}\n'
        'events = [ { do = "press_sos", at_s = 5 }, '
        '{ do = "leave", at_s = 6, path = ["东门", [1, 2]] }, '
        '{ do = "drift", at_s = 7, what = "spo2_pct", to = 90 } ]\n'
    )
    (band,) = parse(text, ground).bands
    press, leave, drift = band.events
    assert press == PressSos(at_s=5)
    assert press.line == ("按下求救", "presses SOS")
    assert leave == Leave(at_s=6, path=("东门", (1.0, 2.0)))
    assert drift == Drift(at_s=7, what="spo2_pct", to=90)


def test_every_mistake_is_listed_with_its_path(ground: Ground) -> None:
    text = (
        'name = 1\ntitle = "题"\ntitle_en = "t"\norigin = [31.1553, 121.1050]\ncolour = "red"\n'
        '[[bands]]\ndevice = "a"\nwearer = "甲"\nwalk = { road = "环园路", speed = 3 }\n'
        '[[bands]]\nwearer = "乙"\nwalk = {}\n'
        '[[people]]\nphone = "+86"\nanswer = "sings"\n'
    )
    found = problems(text, ground)
    assert [problem.partition(":")[0] for problem in found] == [
        "bands[0].walk",
        "bands[1].device",
        "people[0].answer",
        "colour",
        "name",
    ]
    assert "speed" in found[0]
    assert found[1] == "bands[1].device: missing"
    assert found[3].startswith("colour: no such key; known: name, title")


def test_names_that_do_not_exist_are_listed_and_the_roads_that_do(ground: Ground) -> None:
    text = (
        f'{HEAD}{BAND}walk = {{ road = "月亮路" }}\n'
        'events = [ { do = "leave", at_s = 6, path = ["西门"] } ]\n'
    )
    road, place = problems(text, ground)
    assert road.startswith("bands[0].walk.road: no road is called 月亮路; there are ")
    assert "东门路" in road
    assert place == "bands[0].events[0].path: no place is called 西门"


def test_what_cannot_happen_is_listed(ground: Ground) -> None:
    text = (
        f"{HEAD}{BAND}fix_every_s = 0\nbattery_pct = 120\nwalk = {{ }}\n"
        'events = [ { do = "press_sos", at_s = 9 }, { do = "come_back", at_s = 6, speed_m_s = 0 } ]\n'
        f"{BAND}walk = {{ path = [[0, 0]] }}\n"
    )
    assert problems(text, ground) == (
        "bands[1]: a stands there twice",
        "bands[0].fix_every_s: must be above 0",
        "bands[0].battery_pct: must be 0 to 100",
        "bands[0].walk: needs either a road or a path",
        "bands[0].events[1].at_s: events stand in the order of time",
        "bands[0].events[1].speed_m_s: must be above 0",
        "bands[0].events[1]: comes back without having left",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = [", "not TOML"),
        (HEAD, "bands: missing"),
        (HEAD + "bands = 3\n", "bands: expected tables"),
    ],
)
def test_what_is_no_scenario_at_all_is_said_plainly(text: str, said: str, ground: Ground) -> None:
    assert problems(text, ground)[0].startswith(said)
