"""The words people get at three in the morning."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sos.cascade import open_incident
from sos.incident import Taker
from sos.pdu import encode_text
from sos.plan import Contact, Plan, diallable, problems
from sos.subject import Subject
from sos.texts import (
    MAX_SPOKEN_CHARS,
    ONE_PART_CHARS,
    PURPOSES,
    alarm_text,
    clock_words,
    headline,
    siren_script,
    voice_script,
)
from sos.wording import SYSTEM, cut_short, fits_one_part, length, where_words

NIGHT = datetime(2026, 3, 1, 12, 3, tzinfo=UTC)
SOS = Subject(name="张桂兰", kind="sos", where="3栋东门附近")
SOS_NOWHERE = Subject(name="张桂兰", kind="sos")
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
        (Subject(name="x", kind="band", code="id_claimed_twice"), "手环号码被两台设备使用"),
        (Subject(name="x", kind="system", code="carriers"), "系统无法拨打电话和发送短信"),
        (Subject(name="x", kind="system"), "系统故障，请检查"),
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


def test_the_3_is_offered_only_where_the_band_can_ring():
    for lang in ("zh", "en"):
        assert "3" in voice_script(incident(SOS_NOWHERE), NIGHT, lang).replace("20点03分", "").replace(
            "20:03", ""
        )
        plan = Plan(family=(SON,), call_back=False)
        script = voice_script(incident(SOS_NOWHERE, plan=plan), NIGHT, lang)
        assert "3" not in script.replace("20点03分", "").replace("20:03", "")


def test_the_siren_says_who_where_and_what_to_do():
    assert siren_script(incident(), NIGHT) == "张桂兰求救，在3栋东门附近，请立即前往。"
    assert siren_script(incident(SOS_NOWHERE), NIGHT) == "张桂兰求救，请立即前往。"
    fall = Subject(name="张桂兰", kind="fall", where="3栋附近", where_en="building 3")
    assert siren_script(incident(fall), NIGHT) == "张桂兰，疑似跌倒，在3栋附近，请立即前往。"
    assert (
        siren_script(incident(fall), NIGHT, "en")
        == "张桂兰 may have fallen, near building 3. Please go there now."
    )
    assert siren_script(incident(drill=True), NIGHT).startswith("这是演练。")


def test_the_place_is_said_in_the_readers_language():
    both = Subject(name="Ann", kind="sos", where="3栋附近", where_en="building 3")
    far = replace(both, where_en="about 80 m north of the East Gate")
    assert where_words(incident(both), "en") == "near building 3"
    assert where_words(incident(both)) == "在3栋附近"
    assert where_words(incident(far), "en") == "about 80 m north of the East Gate"
    assert where_words(incident(replace(both, where_en="")), "en") == "near 3栋附近"


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


# --------------------------------------------------------------------------- one part, one breath

NAMES = st.one_of(
    st.text(st.sampled_from("张桂兰欧阳李晓梅王阿婆"), min_size=2, max_size=8),
    st.sampled_from(["𠮷野桂兰", "买买提·吐尔逊", "Zhang Guilan"]),
)
PLACES = st.text(st.sampled_from("3栋东门附近中心花园12约米"), max_size=12)
SUBJECTS = st.one_of(
    st.builds(
        Subject, name=NAMES, kind=st.sampled_from(["sos", "fall", "low_battery", "removed", "band", "system"])
    ),
    st.builds(Subject, name=NAMES, kind=st.just("system"), code=st.sampled_from([*SYSTEM])),
    st.builds(
        Subject,
        name=NAMES,
        kind=st.just("vitals"),
        code=st.sampled_from(
            ["systolic_high", "diastolic_low", "heart_rate_high", "spo2_low", "body_temp_high"]
        ),
        value=st.floats(30, 250),
        limit=st.floats(30, 250),
        unit=st.sampled_from(["mmHg", "bpm", "%", "Cel"]),
    ),
    st.builds(
        Subject,
        name=NAMES,
        kind=st.just("fence"),
        value=st.floats(0, 9999),
        unit=st.just("m"),
        place=st.text(st.sampled_from("5栋与中心花园"), min_size=1, max_size=12),
    ),
    st.builds(Subject, name=NAMES, kind=st.just("silence"), value=st.floats(60, 86_400), unit=st.just("s")),
)
LONGEST = Subject(
    name="买买提·吐尔逊江", kind="vitals", code="diastolic_low", value=188.8, limit=177.7, unit="mmHg"
)


@given(
    SUBJECTS, PLACES, st.sampled_from([(False, False), (True, False), (False, True)]),
    st.sampled_from(["zh", "en"]), st.booleans(), st.booleans(),
)  # fmt: skip
@example(LONGEST, "3栋东门附近约120米处", (True, False), "zh", True, False)
@example(LONGEST, "3栋东门附近约120米处", (False, True), "en", False, False)
def test_an_alarm_text_is_one_part_and_keeps_who_when_what_and_the_reference(
    subject, place, late_or_drill, lang, long_ago, linked
):
    late, drill = late_or_drill
    link = "https://xinhe.example/i/A7K2" if linked else ""
    subject = replace(subject, where=place, where_en=place and f"building {place}", link=link)
    pressed_at = NIGHT - timedelta(days=80 if long_ago and late else 0)
    text = alarm_text(
        incident(subject, at=pressed_at, late=late, drill=drill, lat=31.1553, lon=121.105), NIGHT, lang
    )
    bare = text.removesuffix(f" {link}") if linked else text
    assert fits_one_part(bare), f"{length(bare)}: {bare}"
    assert len(encode_text(bare, reference=1)) == 1, "the modem's own codec says so too"
    assert bare.endswith("#A7K2")
    assert subject.name in bare
    assert "20:03" in bare
    if lang == "zh":
        assert headline(subject) in bare
    assert ("演练" in bare or "DRILL" in bare) == drill
    assert ("迟" in bare or "late" in bare) == late


def test_first_the_place_gives_way_and_then_the_advice():
    def text(where, **more):
        return alarm_text(incident(replace(LONGEST, name="张桂兰", where=where, **more)), NIGHT)

    assert text("3栋").endswith("在3栋。请立即联系，接手回复1，危急拨120 #A7K2")
    assert text("中心花园东北角凉亭").endswith("在中心花园东…。请立即联系，接手回复1，危急拨120 #A7K2")
    long_name = alarm_text(incident(replace(LONGEST, where="中心花园东北角凉亭")), NIGHT)
    assert long_name.endswith("在中心花园东北…。接手回复1，危急拨120 #A7K2")


def test_degrees_are_never_cut_for_they_would_be_another_place():
    subject = replace(LONGEST, name="买买提·吐尔逊江阿不都", where="", link="")
    text = alarm_text(incident(subject, lat=31.15534, lon=121.10512), NIGHT)
    assert "31.15534,121.10512" in text or "31." not in text


@given(SUBJECTS, PLACES, st.sampled_from(["zh", "en"]), st.booleans(), st.booleans())
def test_a_call_says_all_of_it_once_within_what_a_modem_can_say(subject, place, lang, drill, taken):
    given_plan = Plan(family=(SON, replace(SON, contact="two", phone="+8613800138002")), acks_wanted=2)
    one = incident(replace(subject, where=place), plan=given_plan, drill=drill, late=not drill)
    if taken:
        one = replace(one, takers=(Taker(contact="two", name="李晓梅", at=NIGHT, via="call"),))
    script = voice_script(one, NIGHT, lang)
    heard = script[:MAX_SPOKEN_CHARS]
    assert subject.name in heard
    assert ("按1" in heard and "按2" in heard) if lang == "zh" else ("Press 1" in heard and "2" in heard)
    assert ("这是演练" in heard or "A drill" in heard) == drill
    assert script.count(subject.name) >= 2


def test_a_cut_place_says_that_it_was_cut():
    assert cut_short("中心花园东北角", 5) == "中心花园…"
    assert cut_short("the central garden", 12) == "the centr..."
    assert cut_short("the east gate of building 3", 13) == "the east..."


def test_the_others_hear_how_many_more_are_wanted():
    plan = Plan(family=(SON, replace(SON, contact="two", phone="+8613800138002")), acks_wanted=2)
    one = replace(incident(plan=plan), takers=(Taker(contact="two", name="李晓梅", at=NIGHT, via="call"),))
    assert "李晓梅已接手，还需1人" in PURPOSES["joined"](one, NIGHT, "zh")
    assert "1 more needed" in PURPOSES["joined"](one, NIGHT, "en")
