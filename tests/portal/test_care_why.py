"""Why an alarm was raised, in words for whoever has to judge it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from gateway.model import Why, WhyReading

AT = datetime(2026, 11, 23, 6, 2, tzinfo=UTC)
"""14:02 in the community."""


def readings(*values: float, accuracy_m: float | None = None) -> tuple[WhyReading, ...]:
    return tuple(
        WhyReading(at=AT + timedelta(minutes=4 * n), value=value, accuracy_m=accuracy_m)
        for n, value in enumerate(values)
    )


def rate(*values: float, code: str = "heart_rate_high", limit: float = 125, **more) -> Why:
    count = more.pop("count", len(values))
    since = more.pop("since", AT)
    found = readings(*values)
    return Why(
        code=code,
        value=values[-1],
        limit=limit,
        unit="bpm",
        readings=found,
        count=count,
        since=since,
        **more,
    )


def fence(*values: float, **more) -> Why:
    found = readings(*values, accuracy_m=9)
    return Why(code="fence_exit", value=values[-1], limit=20, unit="m", place="花园", readings=found, **more)


@pytest.fixture
def told(gateway, samples):
    """A gateway that has named its people and heard from one."""
    gateway.send(samples.ROSTER, samples.at_home(ago_s=180))
    return gateway


@pytest.fixture
def said(told, people, samples):
    """Gives the words of the incident page's section for an alarm of this kind and cause."""

    def page(kind: str, why: Why, lang: str = "zh") -> str:
        told.send(samples.incident("open", kind=kind, why=why))
        staff = people["staff"]
        staff.post("/language", language=lang, next="/care/")
        html = staff.get("/care/incidents/inc1").text
        found = re.search(r'<section class="card why".*?</section>', html, re.DOTALL)
        return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split()) if found else ""

    return page


@pytest.mark.parametrize(
    ("kind", "why", "words"),
    [
        (
            "vitals",
            rate(132, 135, 138),
            "3 次读数 132、135、138 次/分，均高于上限 125（14:02–14:10） 规则：身体指标",
        ),
        ("vitals", rate(132, count=1), "1 次读数 132 次/分，高于上限 125（14:02）"),
        ("vitals", rate(132, 120, 138), "3 次读数 132、120、138 次/分，高于上限 125（14:02–14:10）"),
        ("vitals", rate(42, 41, code="heart_rate_low", limit=45), "2 次读数 42、41 次/分，均低于下限 45"),
        ("vitals", rate(132, 135, count=12), "12 次读数 …、132、135 次/分，均高于上限 125"),
        ("vitals", rate(132, 135, since=AT - timedelta(days=1)), "（11月22日 14:02–14:06）"),
        ("vitals", Why(code="spo2_low", value=87, limit=90, unit="pct"), "87%，低于下限 90%"),
        (
            "vitals",
            Why(code="spo2_low", value=87, limit=90, unit="pct", readings=readings(88, 87), count=2),
            "2 次读数 88、87%，均低于下限 90",
        ),
        (
            "fence",
            fence(24, 30.4, 45, count=3, since=AT),
            (
                "3 次定位在边界外 24、30.4、45 米，超出 20 米的余量（14:02–14:10）"
                " 定位误差约 9 米 规则：电子围栏"
            ),
        ),
        (
            "vitals",
            rate(98, 99, code="heart_rate_unusual_high", limit=92),
            "2 次读数 98、99 次/分，均高于平时的范围 92",
        ),
        ("vitals", rate(120, 122, code="heart_rate_rise", limit=110), "均高于短时间变化的界限 110"),
        (
            "fence",
            Why(
                code="fence_enter", value=12, limit=0, unit="m", place="湖", readings=readings(9, 12), count=2
            ),
            "2 次定位在边界内 9、12 米（14:02–14:06）",
        ),
        (
            "fence",
            Why(code="fence_farther", value=340, limit=300, unit="m", readings=readings(340)),
            "已在边界外 340 米，超过 300 米（14:02）",
        ),
        (
            "fence",
            Why(code="fence_exit", value=34.5, limit=20, unit="m"),
            "1 次定位在边界外 34.5 米，超出 20 米的余量",
        ),
        (
            "silence",
            Why(code="silent", value=1830, limit=1800, unit="s"),
            "30 分 30 秒没有任何消息，超过 30 分 00 秒",
        ),
        ("low_battery", Why(code="battery_low", value=12, limit=15, unit="%"), "12%，低于下限 15%"),
    ],
)
def test_an_alarm_says_on_what_it_rests(said, kind, why, words) -> None:
    assert words in said(kind, why)


def test_the_same_is_said_in_english(said) -> None:
    words = said("vitals", rate(132, 135, 138), "en")
    assert "3 readings, 132, 135, 138 bpm, all above the limit of 125 (14:02–14:10)" in words
    words = said("fence", fence(24, count=1), "en")
    assert "1 fix, 24 m beyond the border, past the margin of 20 m (14:02) fixes good to about 9 m" in words


def test_what_no_rule_judged_has_no_such_section(said) -> None:
    assert said("sos", Why(code="sos")) == ""
    assert said("fence", Why(code="fence_return", value=-12, limit=20, unit="m")) == ""
    assert said("vitals", Why(code="something_new")) == ""
