"""The words people get at three in the morning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sos.cascade import open_incident
from sos.incident import Subject
from sos.plan import Contact, Plan, diallable, problems
from sos.texts import ONE_PART_CHARS, PURPOSES, alarm_text, clock_words, headline, voice_script

NIGHT = datetime(2026, 3, 1, 12, 3, tzinfo=UTC)
SOS = Subject(name="张桂兰", kind="sos", where="3栋东门附近")
SON = Contact(contact="son", name="李建国", phone="+8613800138001")


def incident(subject=SOS, **more):
    given = {"incident_id": "i1", "ref": "A7K2", "wearer": "w", "plan": Plan(family=(SON,)), "at": NIGHT}
    return open_incident(**(given | {"subject": subject} | more))


def test_the_alarm_text_says_the_essentials_in_one_part():
    text = alarm_text(incident(), NIGHT)
    assert text == "【守望】张桂兰 20:03 按下求救，在3栋东门附近。请立即联系，接手回复1，危急拨120 #A7K2"
    assert len(text) <= ONE_PART_CHARS


def test_the_link_stands_last_so_that_it_is_the_part_that_may_be_cut():
    text = alarm_text(
        incident(Subject(name="张桂兰", kind="sos", link="https://xinhe.example/i/A7K2")), NIGHT
    )
    assert text.endswith("#A7K2 https://xinhe.example/i/A7K2")


def test_without_words_for_the_place_plain_degrees_stand_there():
    text = alarm_text(incident(Subject(name="张桂兰", kind="sos"), lat=31.1553, lon=121.105), NIGHT)
    assert "在31.15530,121.10500" in text
    assert "位置不明" in alarm_text(incident(Subject(name="张桂兰", kind="sos")), NIGHT)


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        (Subject(name="x", kind="sos"), "按下求救"),
        (Subject(name="x", kind="fall"), "疑似跌倒"),
        (
            Subject(
                name="x",
                kind="fence",
                code="fence_exit",
                value=35.2,
                limit=20,
                unit="m",
                place="5栋与中心花园",
            ),
            "离开 5栋与中心花园 已超出 35 米",
        ),
        (
            Subject(name="x", kind="vitals", code="systolic_high", value=186.0, limit=150.0, unit="mmHg"),
            "收缩压 186 mmHg，高于 150",
        ),
        (
            Subject(name="x", kind="vitals", code="heart_rate_low", value=41.0, limit=45.0, unit="bpm"),
            "心率 41 次/分，低于 45",
        ),
        (Subject(name="x", kind="silence", code="silent", value=2400.0, unit="s"), "手环已 40 分钟无数据"),
        (Subject(name="x", kind="low_battery", value=12, unit="%"), "手环电量仅剩 12%"),
        (Subject(name="x", kind="vitals", code="unheard_of"), "生命体征异常"),
        (Subject(name="x", kind="unheard_of"), "手环报警"),
    ],
)
def test_every_kind_of_alarm_is_a_sentence(subject, words):
    assert headline(subject) == words


def test_a_voice_writes_its_units_out():
    subject = Subject(
        name="陈秀英", kind="vitals", code="systolic_high", value=186.0, limit=150.0, unit="mmHg"
    )
    assert "186 毫米汞柱" in voice_script(incident(subject), NIGHT)


def test_the_call_says_everything_twice_and_which_key_to_press():
    script = voice_script(incident(), NIGHT)
    assert script.count("张桂兰") == 2
    assert script.count("按1表示由您处理") == 2
    assert "20点03分" in script
    assert voice_script(incident(), NIGHT, "en").count("Press 1") == 2


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("drill", [False, True])
def test_every_text_carries_its_sign_its_reference_and_whether_it_is_a_drill(purpose, lang, drill):
    text = PURPOSES[purpose](incident(drill=drill), NIGHT, lang)
    assert text.startswith({"zh": "【守望", "en": "[Shouwang]"}[lang])
    assert "#A7K2" in text
    assert ("这是演练" in text or "DRILL" in text) == drill
    if lang == "en":
        assert not any(
            "\u4e00" <= letter <= "\u9fff" for letter in text.replace("张桂兰", "").replace("3栋东门附近", "")
        )


def test_a_late_alarm_says_so_and_when_it_was():
    pressed_at = NIGHT - timedelta(days=1, hours=2)
    text = alarm_text(incident(at=pressed_at, late=True), NIGHT)
    assert "2月28日 18:03" in text
    assert "迟到" in text


def test_times_are_those_of_shanghai():
    assert (
        clock_words(datetime(2026, 3, 1, 16, 30, tzinfo=UTC), datetime(2026, 3, 1, 16, 31, tzinfo=UTC))
        == "00:30"
    )


@pytest.mark.parametrize("phone", ["+8613800138001", "+862158881234", "+15005550006", "+85291234567"])
def test_whole_numbers_may_be_dialled(phone):
    assert diallable(phone)


@pytest.mark.parametrize(
    "phone",
    [
        "110",
        "119",
        "120",
        "122",
        "999",
        "+86110",
        "+86120",
        "+8621120",
        "+86755110",
        "13800138001",
        "+86 138",
        "",
    ],
)
def test_short_and_local_numbers_may_not(phone):
    assert not diallable(phone)


def test_a_plan_says_everything_that_is_wrong_with_it():
    plan = Plan(family=(SON, SON, Contact(contact="x", name="报警", phone="110")), rounds=0, ring_timeout_s=1)
    assert len(problems(plan)) == 4
    assert problems(Plan(family=(SON,))) == ()
