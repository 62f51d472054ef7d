"""Low battery, a silent band, one that is not worn: said on the card and the page, with what to do."""

from __future__ import annotations

import re
from datetime import timedelta
from types import SimpleNamespace

import pytest
from rigs import vitals

from gateway.model import Battery, Why, Worn
from portal.care.bands.notices import standing
from portal.db import writing


def words(page: str) -> str:
    """A page as it is read aloud: no tags, single blanks."""
    text = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


@pytest.fixture
def wearer(app, gateway, samples) -> int:
    gateway.send(samples.ROSTER)
    return vitals.wearer_id(app)


def test_a_low_battery_is_on_the_card_and_the_page_says_what_to_do(people, gateway, samples, wearer):
    gateway.send(samples.telemetry(Battery(battery_pct=12), ago_s=60))
    guardian = people["guardian"]
    assert "手环电量只剩 12%" in words(guardian.get("/care/").text)
    page = words(guardian.get(f"/care/wearers/{wearer}/").text)
    assert "手环电量只剩 12% · 1 分钟前 请帮忙把手环充上电。" in page


def test_a_charged_band_that_is_worn_and_heard_is_no_notice(people, gateway, samples, wearer):
    gateway.send(samples.telemetry(Battery(battery_pct=16), Worn(worn=True), ago_s=60))
    page = people["guardian"].get(f"/care/wearers/{wearer}/").text
    assert "standing-notice" not in page


def test_a_silent_band_says_since_when_and_what_charge_it_had(people, gateway, samples, wearer):
    gateway.send(samples.telemetry(Battery(battery_pct=9), ago_s=3 * 3600))
    page = words(people["guardian"].get(f"/care/wearers/{wearer}/").text)
    assert "手环 3 小时没有消息，之前电量只剩 9% · 3 小时前 请先打电话问平安" in page
    assert page.count("手环电量只剩") == 0


def test_a_band_that_is_off_is_said_once_on_the_card(people, gateway, samples, wearer):
    gateway.send(samples.telemetry(Worn(worn=False), ago_s=60))
    assert words(people["guardian"].get("/care/").text).count("手环没有戴着") == 1
    assert "请问一问是不是洗澡后忘了戴" in words(people["guardian"].get(f"/care/wearers/{wearer}/").text)


def test_a_past_notice_says_what_to_do_and_good_news_does_not(app, people, samples, wearer):
    with app.app_context(), writing() as session:
        for code, kind, why in (
            ("n1", "fence", Why(code="fence_return", place="家")),
            ("n2", "low_battery", Why(code="low", value=9)),
        ):
            at = samples.NOW - timedelta(hours=1)
            session.add(vitals.alarm(wearer, code, at, why=why, kind=kind, severity="notice"))
    page = words(people["guardian"].get(f"/care/wearers/{wearer}/").text)
    assert "手环电量只剩 9% 1 小时前 · 请帮忙把手环充上电" in page
    assert "回到了「家」 1 小时前" in page
    assert "请打电话问一问在哪里" not in page


@pytest.mark.parametrize(
    ("given", "rules", "kinds"),
    [
        ({}, {}, []),
        ({"heard_at": 29}, {}, []),
        ({"heard_at": 30}, {}, ["silence"]),
        ({"heard_at": 30}, {"silence": {"silent_after_s": 3600}}, []),
        ({"heard_at": 1, "battery_at": 1, "battery_pct": 15.0}, {}, ["low_battery"]),
        ({"heard_at": 1, "battery_at": 1, "battery_pct": 15.0}, {"battery": {"low_pct": 10}}, []),
        ({"heard_at": 1, "battery_at": 3000, "battery_pct": 5.0}, {}, []),
        (
            {"heard_at": 1, "battery_at": 1, "battery_pct": 5.0, "worn_at": 1, "worn": False},
            {},
            ["low_battery", "removed"],
        ),
        ({"heard_at": 1, "worn_at": 1, "worn": True}, {}, []),
    ],
)
def test_the_communitys_own_limits_decide(app, samples, given, rules, kinds):
    blank = dict.fromkeys(("heard_at", "battery_at", "battery_pct", "worn_at", "worn"))
    state = blank | {
        key: samples.NOW - timedelta(minutes=value) if key.endswith("_at") else value
        for key, value in given.items()
    }
    with app.test_request_context():
        assert [one.kind for one in standing(SimpleNamespace(**state), rules, samples.NOW)] == kinds
        assert standing(None, rules, samples.NOW) == ()
