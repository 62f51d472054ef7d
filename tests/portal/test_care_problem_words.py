"""Everything a gateway, a shape or a trial may say against a change has words in both languages."""

from __future__ import annotations

import re
import typing

import msgspec
import pytest

from gateway import plugins
from gateway.backtest import fences_of_tables, settings_in_force, settings_with
from gateway.config import load
from gateway.errors import Problem
from gateway.profile import ContactTable, FenceTable, Profile
from gateway.profiles.judging import ID_CHARACTERS, MOST_BYTES, Judge, in_words
from portal.care.problem_words import words_of
from portal.care.profile.reasons import reasons, trial_reasons
from portal.care.trial import run as trial
from portal.care.trial.forms import fences_typed
from portal.i18n import speaking

HAN = re.compile(r"[\u4e00-\u9fff]")
LATIN = re.compile(r"[A-Za-z]{3,}")
OURS = re.compile(r"GeoJSON|true|false")
GOOD = {"name": "张桂兰", "contacts": [{"id": "son", "name": "李建国", "phone": "+8613800138001"}]}
CIRCLE = {"id": "a", "name": "家", "centre": [31.0, 121.0], "radius_m": 50}
SQUARE = [[31.0, 121.0], [31.01, 121.0], [31.01, 121.01], [31.0, 121.01]]
HOLE = [[31.002, 121.002], [31.004, 121.002], [31.004, 121.004]]
ODD = ("x", -1e9, 1e9, 0, 1.5, True, [], ["x"], {}, None, [[1]], 10**400)
SHAPES = (
    {"centre": [131.0, 21.0], "radius_m": 50},
    {"centre": [31.0, 121.0], "radius_m": 0.1},
    {"centre": [31.0, 121.0]},
    {"holes": [HOLE]},
    {},
    {"polygon": SQUARE[:2]},
    {"polygon": [SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]]},
    {"polygon": [[31.0, 121.0], [31.0, 121.001], [31.0, 121.002]]},
    {"polygon": [[31.0, 121.0 + one / 1e5] for one in range(1001)]},
    {"polygon": SQUARE, "holes": [[[32.0, 121.0], [32.1, 121.0], [32.1, 121.1]]]},
    {"polygon": SQUARE, "holes": [HOLE, HOLE]},
    {"polygon": SQUARE, "centre": [31.0, 121.0], "radius_m": 50},
    {"polygon": [[31.0, 121.0], [33.0, 121.0], [33.0, 124.0]]},
    {"line": SQUARE[:1], "half_width_m": 10},
    {"line": SQUARE, "half_width_m": 0},
    {"line": [[31.0, 121.0 + one / 1e5] for one in range(1001)], "half_width_m": 10},
    {"line": SQUARE},
    {"parts": [{"centre": [31.0, 121.0], "radius_m": 50}] * 51},
    {"parts": [{"centre": [31.0, 121.0], "radius_m": 50}], "polygon": SQUARE},
    {"parts": [{"centre": [31.0, 121.0], "radius_m": 50}], "holes": [HOLE]},
    {"parts": [{"centre": [31.0, 121.0], "radius_m": 0}]},
)
ORDERS = (
    "set_profile is not something this gateway can do",
    "a change of a profile needs the name of who orders it",
    "a change of a profile needs its wearer",
    "a new profile says which version it was made from (0 for a wearer not watched yet)",
    "version 3 is in force, this was made from version 2",
    "nobody is called zhang here, this was made from version 2",
    "nobody is called zhang here",
    "version 3 is in force already",
    "there is no version 1 of zhang any more; kept: 2, 3",
    "this gateway failed at it (KeyError); its log says more",
    "this gateway cannot read it: Object missing required field `name`",
)


def probes(kind: type) -> typing.Iterator[dict]:
    """A table with each of its keys missing, unknown, and of every odd value."""
    for field in msgspec.structs.fields(kind):
        yield from ({field.name: value} for value in ODD)
    yield {"colour": 1}


@pytest.fixture(scope="module")
def judged(small_config_module) -> list[Problem]:
    """Every problem the gateway's judge can be brought to name."""
    judge = Judge(small_config_module)
    alone = Judge(msgspec.structs.replace(small_config_module, staff=()))
    contact = GOOD["contacts"][0]
    raws = [GOOD | probe for probe in probes(Profile)] + [{}, "x", GOOD | {"home": "x" * MOST_BYTES}]
    raws += [GOOD | {"contacts": [contact | probe]} for probe in probes(ContactTable)]
    raws += [
        GOOD | {"contacts": contacts} for contacts in ([], [{}], [contact] * 101, [contact | {"id": "desk"}])
    ]
    raws += [GOOD | {"fences": [CIRCLE | probe]} for probe in probes(FenceTable)]
    raws += [GOOD | {"fences": [{"id": "a", "name": "家"} | shape]} for shape in SHAPES]
    more = (
        {"schedule": ["daily"] * 101},
        {"escalate_m": [9, 3]},
        {"schedule": ["often"]},
        {"schedule": ["holidays"]},
    )
    raws += [GOOD | {"fences": [CIRCLE | one]} for one in more]
    raws += [GOOD | {"fences": [CIRCLE | {"id": str(one)} for one in range(201)]}]
    for rule in plugins.names("rule"):
        kind = plugins.settings_of("rule", rule)
        raws += [GOOD | {"rules": {rule: probe}} for probe in probes(kind)]
        raws += [GOOD | {"rules": {rule: "x"}}]
    raws += [
        GOOD | {"rules": {"vitals": {"heart_rate_low_bpm": 130, "heart_rate_high_bpm": 120}}},
        GOOD | {"rules": {"battery": {"low_pct": 50, "rearm_pct": 40}}},
        GOOD | {"rules": {"inactivity": {"day_from": "20:00", "day_to": "08:00"}}},
        GOOD | {"rules": {"inactivity": {"by": "23:30"}}},
        GOOD | {"rules": {"unheard": {}}},
    ]
    found = [one for raw in raws for who in (judge, alone) for one in who.judge("zhang", raw).problems]
    found += judge.judge("a b" + "c" * ID_CHARACTERS, GOOD).problems
    taken = msgspec.convert(GOOD | {"beidou_number": 7}, Profile)
    judge.accept("wang", taken)
    found += judge.judge("zhang", GOOD | {"beidou_number": 7}).problems
    return found


@pytest.fixture(scope="module")
def tried() -> list[Problem]:
    """Every problem a trial can be brought to name."""
    settings = settings_in_force("fence", {}, {})
    bodies = [[CIRCLE | probe] for probe in probes(FenceTable)] + [
        [{"id": "a", "name": "家"} | one] for one in SHAPES
    ]
    bodies += ["x", [], [CIRCLE] * 2, [CIRCLE] * 51, [CIRCLE | {"schedule": ["often"]}]]
    bodies += [[CIRCLE | {"schedule": ["holidays"]}], [CIRCLE | {"exit_margin_m": -3}], ["x"], [{}]]
    polygon = [[31.0 + one / 1e5, 121.0] for one in range(500)] + [[31.0, 121.01]]
    bodies += [[{"id": str(one), "name": "a", "polygon": polygon} for one in range(50)]]
    found = [one for body in bodies for one in fences_of_tables(body, settings)[1]]
    for rule in trial.TRIED_HERE:
        today = settings_in_force(rule, {}, {})
        for probe in [*probes(type(today)), "x"]:
            found += settings_with(rule, today, probe)[1]
    for body in ("x", {"colour": 1}, {}):
        with pytest.raises(trial.Wrong) as error:
            trial.limits_tried(None, None, body, {}, None)
        found += error.value.problems
    with pytest.raises(trial.Wrong) as error:
        trial.days_of(None)
    return [*found, *error.value.problems, *fences_typed({"kind": "text", "text": "?"}).problems]


def assert_said(app, said: str, value: str = "") -> None:
    with app.test_request_context("/"):
        with speaking("zh"):
            words = words_of(said, value)
            assert words is not None, said
            assert HAN.search(words), (said, words)
            assert not LATIN.search(OURS.sub("", words)), (said, words)
        with speaking("en"):
            words = words_of(said, value)
            assert words is not None, said
            assert not HAN.search(words), (said, words)
            assert "%(" not in words, (said, words)


def test_whatever_the_judge_names_has_words_in_both_languages(app, judged):
    phrases = {(one.expected, "(missing)" if one.value == "(missing)" else "") for one in judged}
    assert len(phrases) > 100
    for said, value in phrases:
        assert_said(app, said, value)


def test_whatever_a_trial_names_has_words_in_both_languages(app, tried):
    phrases = {(one.expected, "(missing)" if one.value == "(missing)" else "") for one in tried}
    assert len(phrases) > 60
    for said, value in phrases:
        assert_said(app, said, value)


def test_whatever_else_refuses_an_order_has_words_in_both_languages(app):
    for said in ORDERS:
        assert_said(app, said)
    many = tuple(Problem("profile.name", "x" * 40, "text") for _ in range(900))
    assert_said(app, in_words(many).splitlines()[-1])


def test_a_phrase_of_a_newer_gateway_is_not_shown_in_its_english(app):
    with app.test_request_context("/"), speaking("zh"):
        assert words_of("the moon is in the wrong house") is None
        (reason,) = reasons("profile.name = 'x': expected the moon in another house", None)
        assert (reason.about, reason.said) == ("名称", "守望设备不接受这一项，请联系管理员。")


def test_a_path_is_said_by_the_name_of_its_piece(app):
    profile = msgspec.convert(GOOD | {"fences": [CIRCLE]}, Profile)
    text = (
        "profile.contacts.son.phone = '110': expected a telephone number a person answers, in E.164\n"
        "profile.fences.a = (table): expected part 1: a circle's radius_m is 1 to 50000, not 0\n"
        "profile.rules.vitals.heart_rate_low_bpm = 10: expected Annotated[x] (Expected `float` >= 20.0)"
    )
    problems = (
        Problem("fences[0].radius_m", "'x'", "a number (Expected `float | null`, got `str`)"),
        Problem("fences[1]", "1", "a table"),
        Problem("days", "0", "a number of days from 1 to 90"),
    )
    with app.test_request_context("/"), speaking("zh"):
        assert [(one.about, one.said) for one in reasons(text, profile)] == [
            ("联系人 李建国 · 电话", "电话号码不对，或者不能自动拨打。"),
            ("区域「家」", "半径应为 1 到 50000 米。"),
            ("心率下限", "不能小于 20。"),
        ]
        assert [(one.about, one.said) for one in trial_reasons(problems, {"fences": [CIRCLE, 1]})] == [
            ("区域「家」 · 半径", "请填写数字。"),
            ("区域「第 2 个」", "写法不对：这里应是列表或表格。"),
            ("天数", "应为 1 到 90 天。"),
        ]


@pytest.fixture(scope="module")
def small_config_module(tmp_path_factory, request):
    """The settings of the repository's own configuration, without its other wearers' numbers."""
    return load(request.config.rootpath / "config.toml")
