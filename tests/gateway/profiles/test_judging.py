"""A profile is judged by the same checks as config.toml, and everything wrong is said at once."""

from __future__ import annotations

import msgspec
import pytest

from gateway.config import load
from gateway.errors import ConfigError
from gateway.profiles.judging import (
    MOST_BYTES,
    REASON_CHARACTERS,
    Judge,
    in_words,
    overlaid,
    profile_of,
    raw_of,
)

GOOD = {"name": "张桂兰", "contacts": [{"id": "son", "name": "李建国", "phone": "+8613800138001"}]}


@pytest.fixture
def settings(small_config):
    more = '[[staff]]\nid = "desk"\nname = "周敏"\nphone = "+8613800138090"\n[rules.battery]\nlow_pct = 10\n'
    return load(small_config(("radius_m = 100", "radius_m = 100\n"), more=more))


def wrong(settings, raw, wearer="zhang"):
    return {one.path: one.expected for one in Judge(settings).judge(wearer, raw).problems}


def test_every_configured_profile_is_judged_good_and_is_itself_again(root):
    settings = load(root / "config.toml")
    judge = Judge(settings)
    for wearer in settings.wearers:
        judged = judge.judge(wearer.id, raw_of(profile_of(wearer)))
        assert judged.problems == ()
        assert judged.profile == profile_of(wearer)
        for name, rule in judged.rules.items():
            assert rule == settings.wearer_rules[wearer.id, name]


def test_everything_wrong_is_said_at_once(settings):
    raw = {
        "nam": 1,
        "birth_year": "old",
        "beidou_number": 20_000_000,
        "contacts": [
            {"id": "son", "name": "李建国", "phone": "110"},
            {"id": "son", "name": "李建国", "phone": "+8613800138001", "lang": "fr"},
            {"id": "desk", "name": "李建国", "phone": "+8613800138001"},
        ],
        "fences": [
            {"id": "a", "name": "a", "centre": [31.0, 121.0]},
            {"id": "b", "name": "b", "centre": [31.0, 121.0], "radius_m": 50, "escalate_m": [9, 3]},
            {"id": "c", "name": "c", "centre": [31.0, 121.0], "radius_m": 50, "schedule": ["often"]},
            {
                "id": "d",
                "name": "d",
                "centre": [31.0, 121.0],
                "radius_m": 50,
                "schedule": ["holidays 08:00-09:00"],
            },
            {"id": "e", "name": "e", "polygon": [[0, 0], [1, 1], [0, 1], [1, 0]]},
            {"id": "f", "name": "f", "dwell_s": -1},
        ],
        "rules": {"vitals": {"heart_rate_high_bpm": "fast"}, "battery": {"low_pct": 50}, "luck": {}},
    }
    assert set(wrong(settings, raw)) == {
        "profile.nam",
        "profile.name",
        "profile.birth_year",
        "profile.beidou_number",
        "profile.contacts.son.phone",
        "profile.contacts[1].lang",
        "profile.contacts",
        "profile.fences.a",
        "profile.fences.b.escalate_m",
        "profile.fences.c.schedule",
        "profile.fences.d.schedule",
        "profile.fences.e",
        "profile.fences[5].dwell_s",
        "profile.rules.vitals.heart_rate_high_bpm",
        "profile.rules.battery",
        "profile.rules.luck",
    }


@pytest.mark.parametrize(
    "raw", [None, 3, [], "profile", {"contacts": {}, "fences": 1, "rules": []}, {"rules": {"fence": 1}}]
)
def test_whatever_is_sent_is_refused_in_words(settings, raw):
    assert wrong(settings, raw)


def test_a_profile_alone_may_have_nobody_to_tell_only_where_there_is_staff(settings, small_config):
    raw = GOOD | {"contacts": []}
    assert wrong(settings, raw) == {}
    assert set(wrong(load(small_config()), raw)) == {"profile.contacts"}


def test_a_beidou_number_is_one_wearers_and_the_wearers_own_stays_good(settings):
    judge = Judge(settings)
    mine = judge.judge("zhang", GOOD | {"beidou_number": 7})
    judge.accept("zhang", mine.profile)
    assert judge.judge("zhang", GOOD | {"beidou_number": 7}).problems == ()
    (problem,) = judge.judge("wang", GOOD | {"beidou_number": 7}).problems
    assert problem.path == "profile.beidou_number"
    judge.accept("zhang", judge.judge("zhang", GOOD).profile)
    assert judge.judge("wang", GOOD | {"beidou_number": 7}).problems == ()


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a+", "x" * 65, "a\x00"])
def test_a_wearer_is_called_something_that_can_stand_in_a_file_name(settings, name):
    assert "wearer" in wrong(settings, GOOD, wearer=name)


def test_a_wearers_limits_are_judged_over_the_communitys(settings):
    raw = GOOD | {"rules": {"battery": {"rearm_pct": 11}}}
    judged = Judge(settings).judge("zhang", raw)
    assert (judged.rules["battery"].low_pct, judged.rules["battery"].rearm_pct) == (10, 11)
    assert wrong(settings, GOOD | {"rules": {"battery": {"rearm_pct": 9}}}) == {
        "profile.rules.battery": "rearm_pct must be above low_pct (10)"
    }


def test_the_same_contradiction_in_the_file_is_said_too(small_config):
    text = ("radius_m = 100", "radius_m = 100\n[wearers.rules.battery]\nlow_pct = 30")
    with pytest.raises(ConfigError) as caught:
        load(small_config(text))
    assert [one.path for one in caught.value.problems] == ["wearers[1].rules.battery"]


def test_a_profile_larger_than_may_be_kept_is_refused_before_it_is_looked_at(settings):
    assert wrong(settings, GOOD | {"home": "x" * MOST_BYTES}) == {
        "profile": f"at most {MOST_BYTES} bytes as JSON"
    }


def test_a_refusal_has_every_problem_or_says_how_many_more(settings):
    raw = GOOD | {"contacts": [{"id": f"c{n}", "name": "x", "phone": "110"} for n in range(500)]}
    problems = Judge(settings).judge("zhang", raw).problems
    words = in_words(problems)
    assert len(words) <= REASON_CHARACTERS + 40
    told, last = words.splitlines()[:-1], words.splitlines()[-1]
    assert last == f"… and {501 - len(told)} more", "five hundred, and that they are too many"
    assert in_words(problems[:2]) == f"{problems[0]}\n{problems[1]}"


def test_profiles_laid_over_a_configuration_leave_the_bands_and_add_who_is_new(settings):
    judge = Judge(settings)
    new = overlaid(settings, {"zhang": judge.judge("zhang", GOOD), "zhou": judge.judge("zhou", GOOD)})
    zhang, wang, zhou = new.wearers
    assert [one.id for one in zhang.devices] == ["band-zhang"]
    assert [contact.id for contact in zhang.contacts] == ["son"]
    assert wang == settings.wearers[1]
    assert (zhou.id, zhou.devices, new.wearer_rules["zhou", "battery"].low_pct) == ("zhou", (), 10)


def test_a_stored_profile_reads_as_it_was_written(settings):
    profile = profile_of(settings.wearers[1])
    assert msgspec.json.decode(msgspec.json.encode(profile), type=type(profile)) == profile


def circles(many, **changes):
    return [
        {"id": f"f{n}", "name": "f", "centre": [31.0, 121.0], "radius_m": 50} | changes for n in range(many)
    ]


def test_what_no_gateway_could_hold_every_fix_against_is_refused(settings):
    assert wrong(settings, GOOD | {"fences": circles(200)}) == {}
    assert wrong(settings, GOOD | {"fences": circles(201)}) == {"profile.fences": "at most 200"}
    assert wrong(settings, GOOD | {"fences": circles(1, schedule=["daily 08:00-20:00"] * 101)}) == {
        "profile.fences.f0.schedule": "at most 100"
    }
    assert wrong(settings, GOOD | {"fences": circles(1, escalate_m=list(range(1, 102)))}) == {
        "profile.fences.f0.escalate_m": "at most 100"
    }
    family = [{"id": f"c{n}", "name": "n", "phone": f"+86138001380{n:02d}"} for n in range(100)]
    assert wrong(settings, GOOD | {"contacts": family}) == {}
    one_more = {"id": "more", "name": "n", "phone": "+8613800138100"}
    assert wrong(settings, GOOD | {"contacts": [*family, one_more]}) == {"profile.contacts": "at most 100"}


@pytest.mark.parametrize("changes", [{"exit_margin_m": 5001}, {"exit_margin_m": float("inf")}])
@pytest.mark.parametrize("keep", ["in", "out"])
def test_a_margin_nobody_would_ever_be_past_is_refused(settings, changes, keep):
    problems = wrong(settings, GOOD | {"fences": circles(1, keep=keep, **changes)})
    assert set(problems) == {"profile.fences[0].exit_margin_m"}


@pytest.mark.parametrize("steps", [[float("nan")], [100, float("nan")], [float("inf")]])
def test_a_step_nobody_would_ever_be_past_is_refused(settings, steps):
    problems = wrong(settings, GOOD | {"fences": circles(1, escalate_m=steps)})
    assert set(problems) == {"profile.fences[0].escalate_m"}
