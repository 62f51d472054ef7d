"""Fences and limits tried over the portal's own history: what would have alarmed, and who may ask."""

from __future__ import annotations

import json
import random
import re
from datetime import timedelta

import msgspec
import pytest
import sqlalchemy as sa

from gateway import plugins
from gateway.backtest import replay
from gateway.model import (
    Alarm,
    BloodPressure,
    Envelope,
    FenceView,
    Fix,
    HeartRate,
    Uplink,
    WearerView,
    Why,
    Worn,
)
from gateway.profile import Profile
from gateway.rules.fence import FenceRule
from gateway.rules.vitals import VitalsRule
from gateway.told import AlarmRaised, CommandDone, ProfileInForce, Telemetry
from portal.care.models import AuditEntry, Wearer
from portal.care.trial import history as trial_history
from portal.care.trial import run as trial
from portal.care.trial.text import TextError, tables_of
from portal.db import db

HOME = {"id": "home", "name": "花园", "centre": [31.155, 121.105], "radius_m": 100}
VIEW = FenceView(fence="home", name="花园", centre=(31.155, 121.105), radius_m=100)
A_DEGREE_M = 110_860
WALK = ((30, 0), (25, 128), (24, 130), (23, 0), (20, 400), (19, 420), (18, 410), (10, 0))
"""Minutes ago, metres north of the middle of the fence."""
DRAWN = {
    "type": "Polygon",
    "coordinates": [[[1, 2], [3, 2], [3, 4], [1, 2]], [[1, 2], [2, 2], [2, 3], [1, 2]]],
}
HEART = ((50, 70), (48, 128), (47, 129), (46, 131), (45, 80), (12, 150), (11, 151), (10, 152), (9, 70))


def wearer_id(app, code="zhang-guilan") -> int:
    with app.app_context():
        return db.session.scalars(sa.select(Wearer.id).where(Wearer.code == code)).one()


def frame(samples, minutes: float, *readings) -> Telemetry:
    return samples.telemetry(*readings, ago_s=60 * minutes)


def fix(north_m: float) -> Fix:
    return Fix(lat=31.155 + north_m / A_DEGREE_M, lon=121.105, valid=True, accuracy_m=5)


def envelope(told: Telemetry) -> Envelope:
    return Envelope(
        uplink=Uplink(device="b", readings=told.readings, raw=b""),
        wire="",
        device=told.device,
        wearer=told.wearer,
        received_at=told.received_at,
    )


@pytest.fixture
def lived(app, gateway, samples):
    """张桂兰 with a fence, a walk and a heart, and what her gateway raised of them."""
    view = WearerView(wearer="zhang-guilan", name="张桂兰", fences=(VIEW,))
    roster = msgspec.structs.replace(
        samples.ROSTER,
        wearers=(msgspec.structs.replace(samples.ZHANG, fences=(VIEW,)), samples.WANG),
    )
    heard = [frame(samples, ago, HeartRate(heart_rate_bpm=rate)) for ago, rate in HEART]
    heard += [frame(samples, ago, fix(north_m)) for ago, north_m in WALK]
    heard.sort(key=lambda one: one.received_at)
    frames = [envelope(one) for one in heard]
    raised = [
        *replay(FenceRule(view, FenceRule.Settings()), frames, until=samples.NOW),
        *replay(VitalsRule(view, VitalsRule.Settings()), frames, until=samples.NOW),
    ]
    assert len(raised) == 4
    gateway.send(roster, *heard, *(AlarmRaised(alarm=one, incident=None) for one in raised))
    return gateway


@pytest.fixture
def ask(app, lived, people):
    """Sends JSON to a trial as somebody, by default as the daughter; gives the answer."""

    def send(what, body, *, role="guardian", code="zhang-guilan", token=True, query="", raw=None):
        person = people[role]
        headers = {"X-CSRFToken": person.token("/me/")} if token else {}
        return person.client.post(
            f"/care/wearers/{wearer_id(app, code)}/{what}/trial{query}",
            data=json.dumps(body) if raw is None else raw,
            content_type="application/json",
            headers=headers,
        )

    return send


# --------------------------------------------------------------------------- what it finds


def test_the_fences_in_force_would_raise_what_was_really_raised(ask) -> None:
    answer = ask("fences", {"fences": [HOME], "days": 7})
    assert answer.status_code == 200, answer.text
    found = answer.json
    assert [(round(one["distance_m"]), one["was_raised"]) for one in found["episodes"]] == [
        (28, True),
        (300, True),
    ]
    assert (found["count"], found["really_raised"], found["not_again"]) == (2, 2, [])
    assert (found["positions"], found["cut"], found["a_week"]) == (8, None, 2)
    first = found["episodes"][0]
    assert (first["code"], first["fence"], first["out_s"]) == ("fence_exit", "花园", 120)
    assert first["readings"][0]["accuracy_m"] == 5
    assert "花园" in first["words"]


def test_a_wider_fence_shows_what_would_not_be_raised_any_more(ask) -> None:
    found = ask("fences", {"fences": [HOME | {"exit_margin_m": 60}], "days": 1}).json
    assert [round(one["distance_m"]) for one in found["episodes"]] == [300]
    assert [(one["code"], round(one["value"])) for one in found["not_again"]] == [("fence_exit", 28)]


def test_limits_are_held_beside_those_in_force_and_what_was_raised(ask) -> None:
    found = ask("limits", {"vitals": {"heart_rate_high_bpm": 140}, "days": 7}).json
    assert [
        (one["value"], one["limit"], one["in_force"], one["was_raised"]) for one in found["episodes"]
    ] == [(152, 140, True, True)]
    assert [(one["value"], one["was_raised"]) for one in found["not_again"]] == [(131, True)]
    assert found["changed"] == {"heart_rate_high_bpm": {"in_force": 125, "tried": 140}}
    assert (found["in_force"], found["really_raised"], found["a_week_in_force"]) == (2, 2, 2)
    assert [one["value"] for one in found["episodes"][0]["readings"]] == [150, 151, 152]


def test_another_rule_of_the_body_may_be_tried(ask) -> None:
    found = ask("limits", {"trend": {"heart_rate_bpm": 30}, "days": 7}).json
    assert found["rule"] == "trend"
    answer = ask("limits", {"silence": {"silent_after_s": 900}, "days": 7})
    assert answer.status_code == 422


def test_limits_in_force_are_those_of_the_wearers_profile(ask, lived, samples) -> None:
    profile = Profile(name="张桂兰", contacts=(), rules={"vitals": {"heart_rate_high_bpm": 110, "old": 1}})
    lived.send(
        ProfileInForce(wearer="zhang-guilan", version=1, source="portal", at=samples.NOW, profile=profile)
    )
    found = ask("limits", {"vitals": {"heart_rate_high_bpm": 140}, "days": 7}).json
    assert found["changed"] == {"heart_rate_high_bpm": {"in_force": 110, "tried": 140}}


def test_a_pause_ordered_here_and_done_lets_the_fence_not_count(app, ask, lived, people, samples) -> None:
    app.config["NOW"] = lambda: samples.NOW - timedelta(minutes=29)
    person = people["guardian"]
    path = f"/care/wearers/{wearer_id(app)}/fences/suspend"
    assert person.post(path, token=person.token("/me/"), until="18:00").status_code == 302
    (command,) = lived.commands()
    lived.send(CommandDone(command=command["command"], done=True))
    app.config["NOW"] = lambda: samples.NOW
    found = ask("fences", {"fences": [HOME], "days": 1}).json
    assert (found["count"], found["really_raised"]) == (0, 2)


def test_stored_readings_of_a_band_move_nothing(ask, lived, samples) -> None:
    lived.send(samples.telemetry(fix(900), ago_s=300, backlog=True))
    assert ask("fences", {"fences": [HOME], "days": 1}).json["count"] == 2


def test_a_history_that_is_too_long_is_cut_and_that_is_said(ask, monkeypatch, samples) -> None:
    monkeypatch.setattr(trial, "MOST_READINGS", 4)
    found = ask("fences", {"fences": [HOME], "days": 7}).json
    assert found["cut"] == {"from": (samples.NOW - timedelta(minutes=20)).isoformat()}
    assert [round(one["distance_m"]) for one in found["episodes"]] == [300]
    assert found["really_raised"] == 1
    assert any("只算了最近的一段" in words for words in found["notes"])
    found = ask("limits", {"vitals": {}, "days": 7}).json
    assert found["cut"] == {"from": (samples.NOW - timedelta(minutes=12)).isoformat()}


def test_many_fences_and_many_corners_cut_it_sooner() -> None:
    ring = tuple((31.0 + number / 1e4, 121.0) for number in range(1000))
    assert trial.most_fixes((VIEW,)) == trial.MOST_READINGS
    assert trial.most_fixes((VIEW,) * 50) == 6000
    assert trial.most_fixes((FenceView(fence="a", name="a", polygon=ring),)) == 300_000 // 126
    assert trial.most_fixes((FenceView(fence="a", name="a", polygon=ring[:12]),)) == trial.MOST_READINGS


# --------------------------------------------------------------------------- who may, and how often


@pytest.mark.parametrize("what", ["fences", "limits"])
@pytest.mark.parametrize(
    ("role", "code", "status"),
    [
        ("guardian", "zhang-guilan", 200),
        ("guardian", "wang-deshun", 404),
        ("staff", "wang-deshun", 200),
        ("grid_worker", "zhang-guilan", 200),
        ("admin", "zhang-guilan", 200),
        ("resident", "zhang-guilan", 404),
    ],
)
def test_exactly_who_sees_the_wearer_may_try(app, ask, people, what, role, code, status) -> None:
    body = {"fences": [HOME], "days": 1} if what == "fences" else {"vitals": {}, "days": 1}
    assert ask(what, body, role=role, code=code).status_code == status
    page = people[role].get(f"/care/wearers/{wearer_id(app, code)}/trial")
    assert page.status_code == status
    subject = f"wearer:{wearer_id(app, code)}"
    with app.app_context():
        wanted = {"fences": "view_track", "limits": "view_vitals"}[what]
        rows = db.session.scalars(sa.select(AuditEntry).where(AuditEntry.detail == "trial 1 d")).all()
        assert [(row.action, row.subject) for row in rows] == ([(wanted, subject)] if status == 200 else [])


def test_staff_of_another_community_find_nobody(app, ask, people) -> None:
    zhang = wearer_id(app)
    with app.app_context():
        row = db.session.get(Wearer, zhang)
        row.community = "elsewhere"
        db.session.commit()
    assert ask("fences", {"fences": [HOME], "days": 1}, role="staff").status_code == 404


def test_a_passer_by_is_asked_to_sign_in(app, lived, browser) -> None:
    token = browser.token()
    path = f"/care/wearers/{wearer_id(app)}"
    for answer in (
        browser.get(f"{path}/trial"),
        browser.client.post(f"{path}/fences/trial", json={}, headers={"X-CSRFToken": token}),
    ):
        assert answer.status_code in {302, 401}


def test_without_the_csrf_token_nothing_is_tried(app, ask) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    assert ask("fences", {"fences": [HOME], "days": 1}, token=False).status_code == 400


def test_too_many_trials_are_refused(ask) -> None:
    answers = [ask("limits", {"vitals": {}, "days": 1}).status_code for _ in range(11)]
    assert answers == [200] * 10 + [429]


def test_one_more_than_run_at_once_is_told_to_come_back(ask) -> None:
    taken = [trial._running.acquire(blocking=False) for _ in range(trial.AT_ONCE)]
    try:
        assert taken == [True] * trial.AT_ONCE
        assert ask("limits", {"vitals": {}, "days": 1}).status_code == 503
    finally:
        for _ in taken:
            trial._running.release()
    assert ask("limits", {"vitals": {}, "days": 1}).status_code == 200


def test_nobody_else_waits_for_the_store_while_a_trial_runs(app, ask, monkeypatch) -> None:
    """The rules run on a session that only reads: another one can write meanwhile."""
    real = trial.fences_tried

    def slow(session, wearer, *rest):
        with app.app_context(), db.sessionmaker() as other:
            other.add(Wearer(gateway="g", community="c", code="c", name="n"))
            other.commit()
        return real(session, wearer, *rest)

    monkeypatch.setattr(trial, "fences_tried", slow)
    assert ask("fences", {"fences": [HOME], "days": 1}).status_code == 200


# --------------------------------------------------------------------------- what cannot be tried


@pytest.mark.parametrize(
    ("what", "body", "paths"),
    [
        ("fences", {"fences": [HOME | {"radius_m": -3}], "days": 0}, ["fences[0]", "days"]),
        ("fences", {"fences": [{"id": "a", "colour": 1}]}, ["fences[0].colour", "fences[0].name", "days"]),
        ("fences", {"fences": [HOME], "days": 91}, ["days"]),
        ("fences", {"fences": [HOME], "days": True}, ["days"]),
        ("fences", {"fences": [], "days": 1}, ["fences"]),
        ("fences", {"fences": [HOME], "days": 1, "more": 2}, ["more"]),
        ("fences", [1], ["(body)"]),
        ("limits", {"vitals": {"heart_rate_high_bpm": 900, "x": 1}, "days": 1}, None),
        ("limits", {"vitals": {"heart_rate_high_bpm": 30}, "days": 1}, ["vitals"]),
        ("limits", {"vitals": {}, "trend": {}, "days": 1}, ["vitals"]),
        ("limits", {"days": 1}, ["vitals"]),
    ],
)
def test_everything_that_is_wrong_is_said_with_its_path(ask, what, body, paths) -> None:
    answer = ask(what, body)
    assert answer.status_code == 422
    found = [one["path"] for one in answer.json["findings"]]
    assert found == paths if paths else set(found) == {"vitals.heart_rate_high_bpm", "vitals.x"}
    assert all(
        set(one) == {"path", "value", "expected"} and one["expected"] for one in answer.json["findings"]
    )


@pytest.mark.parametrize("raw", [b"{", b"", b"\xff", b'{"fences": NaN}', b"[" * 5000])
def test_a_body_that_is_no_json_is_wrong_too(ask, raw) -> None:
    assert ask("fences", None, raw=raw).status_code == 422


def test_a_body_that_is_too_big_is_refused(ask) -> None:
    assert ask("fences", None, raw=b" " * 300_000).status_code == 413


# --------------------------------------------------------------------------- the page


def words(page: str) -> str:
    page = re.sub(r"<svg\b.*?</svg>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "zh",
            (
                "会报警 2 次（每周 2.0 次）。当时实际报过 2 次，其中 2 次这样设也会报。",
                "在外 2 分 00 秒",
                "当时报过",
            ),
        ),
        (
            "en",
            (
                "It would have raised 2 alarms (2.0 a week). 2 were really raised then, 2 of them in this",
                "out for 2 min 00 s",
                "was raised then",
            ),
        ),
    ],
)
def test_a_circle_is_tried_on_the_page(app, lived, people, language, said) -> None:
    person = people["guardian"]
    person.post("/language", language=language)
    path = f"/care/wearers/{wearer_id(app)}"
    page = person.get(f"{path}/trial")
    assert 'value="31.155"' in page.text
    answer = person.post(
        f"{path}/fences/trial",
        token=person.token("/me/"),
        kind="circle",
        lat="31.155",
        lon="121.105",
        radius_m="100",
        exit_margin_m="",
        days="7",
    )
    assert answer.status_code == 200
    told = words(answer.text)
    for sentence in said:
        assert sentence in told
    assert answer.text.count('<svg class="trial-map') == 2
    assert 'class="fence"' in answer.text


def test_a_text_of_fences_is_tried_and_a_wrong_one_is_kept(app, lived, people) -> None:
    person = people["guardian"]
    path = f"/care/wearers/{wearer_id(app)}/fences/trial"
    token = person.token("/me/")
    good = person.post(path, token=token, kind="text", text=json.dumps([HOME]), days="7")
    assert "会报警 2 次" in words(good.text)
    bad = person.post(path, token=token, kind="text", text="<b>what</b>", days="7")
    assert bad.status_code == 422
    assert "&lt;b&gt;what&lt;/b&gt;</textarea>" in bad.text
    assert "<b>what" not in bad.text


def test_limits_are_tried_on_the_page(app, lived, people) -> None:
    person = people["staff"]
    path = f"/care/wearers/{wearer_id(app)}/limits/trial"
    token = person.token("/me/")
    answer = person.post(path, token=token, heart_rate_high_bpm="140", systolic_high_mmhg="", days="7")
    told = words(answer.text)
    assert "会报警 1 次（每周 1.0 次）。现在的限值会报 2 次。" in told
    assert "现在的限值也会报" in told
    assert 'class="alarm"' in answer.text
    assert 'class="gone"' in answer.text
    bad = person.post(path, token=token, heart_rate_high_bpm="high", days="7")
    assert bad.status_code == 422
    assert re.search("这样设不行，请先改好： 心率上限.*?：", words(bad.text)), words(bad.text)


def test_a_piece_of_page_is_for_another_page_to_show(ask) -> None:
    piece = ask("fences", {"fences": [HOME], "days": 7}, query="?form=piece")
    assert piece.status_code == 200
    assert "<html" not in piece.text
    assert "会报警 2 次" in words(piece.text)
    wrong = ask("fences", {"fences": [3], "days": 7}, query="?form=piece")
    assert wrong.status_code == 422
    assert "区域「第 1 个」 ： 写法不对" in words(wrong.text)


def test_a_name_cannot_break_the_page(ask) -> None:
    answer = ask("fences", {"fences": [HOME | {"name": "<img src=x>"}], "days": 7}, query="?form=piece")
    assert "<img" not in answer.text
    assert "&lt;img src=x&gt;" in answer.text


# --------------------------------------------------------------------------- what is pasted, what was stored


@pytest.mark.parametrize(
    ("text", "tables"),
    [
        (json.dumps([HOME]), [HOME]),
        (json.dumps({"fences": [HOME]}), [HOME]),
        (json.dumps(HOME), [HOME]),
        ('[[wearers]]\n[[wearers.fences]]\nid = "a"\nradius_m = 3', [{"id": "a", "radius_m": 3}]),
        ('[[fences]]\nid = "a"', [{"id": "a"}]),
        (
            json.dumps(
                {
                    "type": "Feature",
                    "properties": {"name": "园", "radius_m": 9, "keep": "out", "x": 1},
                    "geometry": {"type": "Point", "coordinates": [121.1, 31.1]},
                }
            ),
            [{"id": "园", "name": "园", "keep": "out", "centre": [31.1, 121.1], "radius_m": 9}],
        ),
        (
            json.dumps({"type": "FeatureCollection", "features": [{"geometry": DRAWN}]}),
            [
                {
                    "id": "1",
                    "name": "1",
                    "polygon": [[2, 1], [2, 3], [4, 3]],
                    "holes": [[[2, 1], [2, 2], [3, 2]]],
                }
            ],
        ),
    ],
)
def test_what_is_pasted_becomes_tables(text, tables) -> None:
    assert tables_of(text) == tables


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        "a wall",
        "[" * 5000,
        "[]",
        "a = " + "[" * 5000,
        '{"type": "FeatureCollection", "features": 3}',
        '{"type": "Feature", "geometry": {"type": "Sphere", "coordinates": [1]}}',
        '{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": 3}}',
    ],
)
def test_a_text_that_is_no_fence_is_refused(text) -> None:
    with pytest.raises(TextError):
        tables_of(text)


def test_the_store_gives_back_frames_as_they_were_heard(store_app, store_gateway, samples) -> None:
    store_gateway.send(
        samples.ROSTER,
        samples.at_home(ago_s=120),
        samples.telemetry(
            Fix(lat=31.0, lon=121.0, valid=True, speed_m_s=2.0, source="wifi"),
            BloodPressure(systolic_mmhg=150, diastolic_mmhg=90),
            ago_s=60,
        ),
    )
    alarm = Alarm(
        alarm_id="fence.zhang-guilan.home.1",
        wearer="zhang-guilan",
        kind="fence",
        severity="critical",
        why=Why(code="fence_exit", value=31.0, place="花园"),
        at=samples.NOW - timedelta(seconds=50),
    )
    store_gateway.send(AlarmRaised(alarm=alarm, incident=None))
    span = {"since": samples.NOW - timedelta(hours=1), "until": samples.NOW + timedelta(seconds=1)}
    with store_app.app_context():
        zhang = db.session.scalars(sa.select(Wearer).where(Wearer.code == "zhang-guilan")).one()
        places = trial_history.heard(db.session, zhang, **span, most=100, vitals=False)
        body = trial_history.heard(db.session, zhang, **span, most=100, vitals=True)
        was = trial_history.raised(db.session, zhang, **span)
        assert list(trial_history.suspended(db.session, zhang, until=samples.NOW)) == []
    assert [one.uplink.readings[0].source for one in places.frames] == ["gnss", "wifi"]
    assert [one.received_at for one in places.frames] == [
        samples.NOW - timedelta(seconds=120),
        samples.NOW - timedelta(seconds=60),
    ]
    assert [sorted(type(each).__name__ for each in one.uplink.readings) for one in body.frames] == [
        ["Battery", "BloodPressure", "HeartRate"],
        ["BloodPressure", "Fix"],
    ]
    assert was == [alarm]


def random_life(samples, seed: int) -> list[Telemetry]:
    """Two days of positions, hearts and pressures, some of them jumping about."""
    chance = random.Random(seed)
    ago_s, found = 2 * 86_400.0, []
    while ago_s > 600:
        ago_s -= chance.choice((20.5, 60, 61.25, 300, 1_800))
        readings = [fix(chance.choice((0, 20, 95, 118, 130, 300)))]
        if chance.random() < 0.7:
            readings.append(HeartRate(heart_rate_bpm=chance.choice((38, 70, 72, 75, 128, 140))))
        if chance.random() < 0.2:
            upper = chance.choice((120, 165, 185, 186))
            readings.append(BloodPressure(systolic_mmhg=upper, diastolic_mmhg=upper * 0.6))
        if chance.random() < 0.1:
            readings.append(Worn(worn=chance.random() < 0.5))
        found.append(samples.telemetry(*readings, ago_s=max(ago_s, 0)))
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_trial_of_what_was_stored_raises_what_the_rules_raised_of_what_was_heard(
    store_app, store_gateway, samples, seed
) -> None:
    life = random_life(samples, seed)
    store_gateway.send(samples.ROSTER, *life)
    view = WearerView(wearer="zhang-guilan", name="张桂兰", fences=(VIEW,))
    frames = [envelope(one) for one in life]
    with store_app.app_context():
        zhang = db.session.scalars(sa.select(Wearer).where(Wearer.code == "zhang-guilan")).one()
        fences = trial.fences_tried(db.session, zhang, {"fences": [HOME], "days": 3}, {}, samples.NOW)
        limits = {
            name: trial.limits_tried(db.session, zhang, {name: {}, "days": 3}, {}, samples.NOW)
            for name in ("vitals", "trend")
        }
    walked = replay(FenceRule(view, FenceRule.Settings()), frames, until=samples.NOW)
    assert [one.alarm.alarm_id for one in fences.trial.found] == [one.alarm_id for one in walked]
    assert len(fences.trial.found) > 5
    for name, told in limits.items():
        rule = plugins.get("rule", name)
        lived = list(replay(rule(view, rule.Settings()), frames, until=samples.NOW, notices=True))
        assert [one.alarm.alarm_id for one in told.trial.found] == [one.alarm_id for one in lived]
        assert lived


def test_an_english_page_of_a_trial_has_no_chinese_of_ours(app, lived, people) -> None:
    person = people["guardian"]
    person.post("/language", language="en")
    path = f"/care/wearers/{wearer_id(app)}"
    token = person.token("/me/")
    pages = [
        person.get(f"{path}/trial").text,
        person.post(f"{path}/fences/trial", token=token, kind="text", text=json.dumps([HOME]), days="7").text,
        person.post(f"{path}/limits/trial", token=token, heart_rate_high_bpm="140", days="7").text,
    ]
    for page in pages:
        main = page.split("<main", 1)[1].split("</main>", 1)[0]
        main = re.sub(r"<textarea.*?</textarea>", "", main, flags=re.DOTALL)
        for name in ("张桂兰", "花园"):
            main = main.replace(name, "")
        main = re.sub(r'<text class="name".*?</text>', "", main)
        assert re.findall(r"[\u4e00-\u9fff]+", main) == []
