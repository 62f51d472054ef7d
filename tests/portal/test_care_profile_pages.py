"""A wearer's care settings: who sees and changes them, what the gateway is told, what is shown."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import msgspec
import pytest
import sqlalchemy as sa

from gateway.model import Fix, HeartRate
from gateway.told import CommandDone
from portal.care.models import AuditEntry, Wearer
from portal.db import db


def wearer_id(app, code="zhang-guilan") -> int:
    with app.app_context():
        return db.session.scalars(sa.select(Wearer.id).where(Wearer.code == code)).one()


def words(page: str, part: str | None = None) -> str:
    """A card of the page as it is read aloud, the whole page where none is named."""
    if part is not None:
        page = page.split(f'id="{part}"', 1)[1].split("</section>", 1)[0]
    page = re.sub(r"<svg\b.*?</svg>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.fixture
def told(gateway, samples):
    """A gateway that has told of 张桂兰's profile."""
    gateway.send(samples.ROSTER, samples.profile_told(source="file", by=""))
    return gateway


@pytest.fixture
def base(app, told) -> str:
    return f"/care/wearers/{wearer_id(app)}/profile"


@pytest.fixture
def fill(base, people):
    """Opens a form as somebody, by default the daughter, changes some answers, and sends it."""

    def give(form, role="guardian", opened=None, **changed):
        person = people[role]
        text = opened if opened is not None else person.get(f"{base}/{form}").text
        return person.client.post(f"{base}/{form}", data=answers(text) | changed)

    return give


def answers(page: str) -> dict[str, object]:
    """What a browser sends of the form in a page when nothing is changed."""
    form = page.split("novalidate>", 1)[1].split("</form>", 1)[0]
    found: dict[str, object] = {}
    for tag in re.findall(r"<input [^>]*>", form):
        said = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if said.get("type") not in {"radio", "checkbox"} or " checked" in tag:
            value = unescape(said.get("value", ""))
            found[said["name"]] = (
                [*found.get(said["name"], []), value] if said.get("type") == "checkbox" else value
            )
    for name, text in re.findall(r'<textarea [^>]*name="(\w+)"[^>]*>(.*?)</textarea>', form, re.DOTALL):
        found[name] = unescape(text)
    for name, options in re.findall(r'<select [^>]*name="(\w+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        found[name] = re.search(r'value="([^"]*)" selected', options)[1]
    return found


def opened(person, path: str) -> str:
    answer = person.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


# ---------------------------------------------------------------- who


@pytest.mark.parametrize(
    ("role", "code", "reads", "edits"),
    [
        ("guardian", "zhang-guilan", 200, True),
        ("guardian", "wang-deshun", 404, False),
        ("staff", "zhang-guilan", 200, True),
        ("grid_worker", "zhang-guilan", 200, False),
        ("admin", "zhang-guilan", 200, False),
        ("resident", "zhang-guilan", 404, False),
    ],
)
def test_who_watches_reads_and_staff_and_her_own_guardians_change(
    app, told, people, role, code, reads, edits
):
    base = f"/care/wearers/{wearer_id(app, code)}/profile"
    answer = people[role].get(base)
    assert answer.status_code == reads
    assert ("修改限值" in answer.text) is edits
    for form in ("contact", "fence", "limits"):
        assert people[role].get(f"{base}/{form}").status_code == (200 if edits else 404)
    token = people[role].token("/me/")
    for step in ("contacts/move", "contacts/remove", "fences/remove", "restore", "drop"):
        answer = people[role].post(f"{base}/{step}", token=token, id="nobody", version="1", command="none")
        assert answer.status_code == (302 if edits else 404), step
    names = [command["name"] for command in told.commands()]
    assert names == (["restore_profile"] if edits else [])


def test_a_passer_by_is_asked_to_sign_in_and_no_form_goes_without_its_token(app, base, browser, people):
    assert "/login" in browser.get(base).location
    answer = people["guardian"].client.post(f"{base}/limits", data={"heart_rate_high_bpm": "99"})
    assert answer.status_code == 400


def test_a_look_is_recorded_once_and_a_change_with_who_and_what(app, base, people, fill, samples):
    for _ in range(2):
        people["guardian"].get(base)
    fill("contact?id=li-jianguo", phone="13800138009")
    with app.app_context():
        rows = db.session.execute(sa.select(AuditEntry.action, AuditEntry.actor, AuditEntry.detail)).all()
    assert [row for row in rows if row.action == "view_profile"] == [("view_profile", rows[0].actor, "care")]
    (change,) = [row for row in rows if row.action == "set_profile"]
    assert change.detail == "contact li-jianguo: phone ****8001 -> ****8009"
    assert "13800138009" not in str(rows)


# ---------------------------------------------------------------- what is shown


def test_the_page_says_whom_what_and_where(base, people):
    page = opened(people["guardian"], base)
    contacts = words(page, "contacts")
    assert contacts.index("李建国 儿子") < contacts.index("李晓梅 女儿")
    assert "+8613800138001" in contacts
    assert "家和花园 应待在里面 圆形，半径 90 米 一直生效" in words(page, "fences")
    assert '<svg class="sketch fence-sketch"' in page
    limits = words(page, "limits")
    assert "心率上限 120 次/分" in limits
    assert "心率下限 45 次/分 社区标准" in limits
    assert "体温上限 社区标准" in limits
    assert "第 1 版 正在使用 最早的设置" in words(page, "history")


def test_a_wearer_whose_gateway_has_told_nothing_yet_has_a_page_that_says_so(app, gateway, people, samples):
    gateway.send(samples.ROSTER)
    base = f"/care/wearers/{wearer_id(app)}/profile"
    assert "还没有收到照护设置" in opened(people["guardian"], base)
    assert people["guardian"].get(f"{base}/limits").status_code == 404
    person = people["guardian"]
    assert person.post(f"{base}/contacts/remove", token=person.token("/me/"), id="x").status_code == 404


def test_the_wearers_page_leads_there(app, told, people):
    page = opened(people["guardian"], f"/care/wearers/{wearer_id(app)}/")
    assert f'href="/care/wearers/{wearer_id(app)}/profile"' in page


# ---------------------------------------------------------------- a change, from the form to being in force


def test_a_limit_is_sent_waits_and_comes_into_force(app, told, base, people, fill, samples):
    assert 'placeholder="社区标准 45"' in opened(people["guardian"], f"{base}/limits")
    assert fill("limits", heart_rate_high_bpm="110").status_code == 302
    (command,) = told.commands()
    assert (command["name"], command["wearer"], command["by"]) == ("set_profile", "zhang-guilan", "李晓梅")
    assert command["base_version"] == 1
    assert command["profile"]["rules"] == {"vitals": {"heart_rate_high_bpm": 110.0, "sustained_readings": 2}}
    page = opened(people["guardian"], base)
    assert "已发出，等守望设备确认" in words(page, "standing-change")
    assert "心率上限：120 次/分 → 110 次/分" in words(page, "standing-change")
    assert "心率上限 等待生效 110 次/分" in words(page, "limits")
    told.send(*samples.profile_taken(command, 2))
    page = opened(people["guardian"], base)
    assert 'id="standing-change"' not in page
    assert "心率上限 110 次/分" in words(page, "limits")
    assert "第 2 版 正在使用 心率上限：120 次/分 → 110 次/分 刚刚 李晓梅 在本站修改" in words(page, "history")


def test_a_limit_left_empty_is_the_communitys_again(told, fill):
    fill("limits", heart_rate_high_bpm="")
    (command,) = told.commands()
    assert command["profile"]["rules"] == {"vitals": {"sustained_readings": 2}}


def test_a_form_sent_unchanged_orders_nothing(told, base, people, fill):
    for form in ("limits", "contact?id=li-jianguo", "fence?id=home"):
        assert fill(form).status_code == 302
    assert told.commands() == []
    assert "没有改动" in opened(people["guardian"], base)


def test_the_same_press_twice_is_one_order(told, base, people):
    person = people["guardian"]
    sent = answers(opened(person, f"{base}/limits")) | {"heart_rate_high_bpm": "110"}
    for _ in range(2):
        assert person.client.post(f"{base}/limits", data=sent).status_code in {302, 409}
    assert len(told.commands()) == 1


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"heart_rate_high_bpm": "many", "spo2_low_pct": "30"}, ["请填写数字", "应为 50–100"]),
        ({"heart_rate_low_bpm": "120"}, ["下限要比上限低。现在是 120 和 120"]),
        ({"heart_rate_low_bpm": "130", "heart_rate_high_bpm": ""}, ["现在是 130 和 125"]),
        ({"systolic_low_mmhg": "170"}, ["现在是 170 和 160"]),
    ],
)
def test_wrong_limits_are_all_said_at_once_and_what_was_typed_stays(told, fill, typed, said):
    answer = fill("limits", **typed)
    assert answer.status_code == 422
    for sentence in said:
        assert sentence in words(answer.text)
    for field, value in typed.items():
        assert f'name="{field}" value="{value}"' in answer.text
        if value and f'id="error-{field}"' in answer.text:
            assert f'href="#field-{field}"' in answer.text
    assert told.commands() == []


def test_a_contact_is_added_changed_moved_and_removed(told, base, people, fill, samples):
    fill("contact", name="王芳", relation="邻居", phone="138 0013 8003", lang="en")
    (added,) = told.commands()
    *_, new = added["profile"]["contacts"]
    assert (new["name"], new["phone"], new["lang"]) == ("王芳", "+8613800138003", "en")
    told.send(*samples.profile_taken(added, 2))
    assert "添加联系人 王芳" in words(opened(people["guardian"], base), "history")
    person = people["guardian"]
    token = person.token("/me/")
    assert person.post(f"{base}/contacts/move", token=token, id=new["id"], to="up").status_code == 302
    moved = told.commands()[-1]
    assert [one["name"] for one in moved["profile"]["contacts"]] == ["李建国", "王芳", "李晓梅"]
    person.post(f"{base}/contacts/remove", token=token, id="li-jianguo")
    removed = told.commands()[-1]
    assert [one["name"] for one in removed["profile"]["contacts"]] == ["王芳", "李晓梅"]
    assert (moved["base_version"], removed["base_version"]) == (2, 3)
    page = opened(people["guardian"], base)
    assert "删除联系人 李建国" in words(page, "standing-change")
    assert "改变拨打顺序" in words(page, "standing-change")


@pytest.mark.parametrize("phone", ["110", "12345", "+99", ""])
def test_a_number_nobody_answers_is_no_contacts(told, fill, phone):
    answer = fill("contact", name="", relation="邻居", phone=phone, lang="zh")
    assert answer.status_code == 422
    assert answer.text.count('class="error"') == 2
    assert 'value="邻居"' in answer.text
    assert told.commands() == []


FENCE = {"name": "菜市场", "keep": "out", "when": "always"}
FENCES = [
    (
        {"kind": "circle", "lat": "31.157", "lon": "121.108", "radius_m": "80", "datum": "gcj02"},
        {"centre": [31.157, 121.108], "radius_m": 80.0, "datum": "gcj02", "keep": "out"},
    ),
    (
        {"kind": "polygon", "corners": "31.154, 121.103\n31.154，121.107\n\n[31.157 121.107]"},
        {"polygon": [[31.154, 121.103], [31.154, 121.107], [31.157, 121.107]], "centre": None},
    ),
    (
        {"kind": "corridor", "line": "31.154,121.103\n31.157,121.107", "half_width_m": "25"},
        {"line": [[31.154, 121.103], [31.157, 121.107]], "half_width_m": 25.0},
    ),
    (
        {"kind": "circle", "lat": "31.157", "lon": "121.108", "radius_m": "80"}
        | {
            "exit_margin_m": "5",
            "hysteresis_m": "0",
            "dwell_s": "60",
            "approach_m": "20",
            "escalate_m": "300，1000",
        },
        {
            "exit_margin_m": 5.0,
            "hysteresis_m": 0.0,
            "dwell_s": 60.0,
            "approach_m": 20.0,
            "escalate_m": [300.0, 1000.0],
        },
    ),
    (
        {"kind": "circle", "lat": "31.157", "lon": "121.108", "radius_m": "80", "when": "night"},
        {"schedule": ["daily night"]},
    ),
    (
        {"kind": "circle", "lat": "31.157", "lon": "121.108", "radius_m": "80", "when": "holidays"},
        {"schedule": ["holidays"]},
    ),
    (
        {"kind": "circle", "lat": "31.157", "lon": "121.108", "radius_m": "80", "when": "hours"}
        | {"days": ["mon", "fri"], "begin": "8:00", "end": "17:30", "not_holidays": "yes"},
        {"schedule": ["mon,fri not holidays 08:00-17:30"]},
    ),
    (
        {"kind": "circle", "lat": "31.157", "lon": "121.108", "radius_m": "80", "when": "own"}
        | {"schedule": "mon-fri 08:00-17:00\nholidays"},
        {"schedule": ["mon-fri 08:00-17:00", "holidays"]},
    ),
]


@pytest.mark.parametrize(("typed", "expected"), FENCES)
def test_a_fence_is_typed_and_can_be_opened_and_sent_again_unchanged(
    told, base, people, fill, samples, typed, expected
):
    answer = fill("fence", **(FENCE | typed))
    assert answer.status_code == 302, words(answer.text)
    (command,) = told.commands()
    *_, fence = command["profile"]["fences"]
    assert {key: fence[key] for key in expected} == expected
    told.send(*samples.profile_taken(command, 2))
    assert "菜市场" in words(opened(people["guardian"], base), "fences")
    assert fill(f"fence?id={fence['id']}").status_code == 302
    assert len(told.commands()) == 1


@pytest.mark.parametrize(
    ("typed", "field", "said"),
    [
        ({"kind": "circle", "lat": "121.1", "lon": "31.1", "radius_m": "80"}, "lat", "应为 -85–85"),
        ({"kind": "circle", "lat": "31", "lon": "121", "radius_m": "0.5"}, "radius_m", "应为 1–50000"),
        ({"kind": "polygon", "corners": "31.154, 121.103\nnorth gate"}, "corners", "第 2 行不是"),
        ({"kind": "polygon", "corners": "31.154, 121.103\n31.155, 121.104"}, "corners", "至少要有 3 个"),
        (
            {"kind": "polygon", "corners": "31.15,121.10\n31.16,121.11\n31.16,121.10\n31.15,121.11"},
            "corners",
            "会自己交叉",
        ),
        ({"kind": "polygon", "corners": "121.1,31.1\n121.2,31.1\n121.2,31.2"}, "corners", "先写纬度"),
        ({"kind": "corridor", "line": "31.1,121.1", "half_width_m": "20"}, "line", "至少要有 2 个"),
        ({"when": "hours", "begin": "8", "end": "25:00"}, "end", "请写成 08:00"),
        ({"when": "hours", "begin": "late", "end": "9"}, "begin", "请写成 08:00"),
        ({"when": "hours", "begin": "8:00", "end": "9:00"}, "days", "还没有填"),
        ({"when": "own", "schedule": "daily night\nat noon"}, "schedule", "第 2 行看不懂"),
        ({"escalate_m": "1000, 300"}, "escalate_m", "从小到大"),
        ({"escalate_m": "far"}, "escalate_m", "用逗号隔开"),
        ({"name": ""}, "name", "还没有填"),
    ],
)
def test_a_fence_that_is_none_is_said_beside_its_question_and_what_was_typed_stays(
    told, fill, typed, field, said
):
    circle = {"kind": "circle", "lat": "31.157", "lon": "121.108", "radius_m": "80"}
    answer = fill("fence", **(FENCE | circle | typed))
    assert answer.status_code == 422
    error = answer.text.split(f'id="error-{field}"', 1)[1].split("</p>", 1)[0]
    assert said in words(error)
    assert f'href="#field-{field}"' in answer.text
    for value in typed.values():
        assert value.split("\n")[0] in unescape(answer.text)
    assert told.commands() == []


def test_everything_wrong_with_a_fence_is_said_at_once(told, fill):
    wrong = {
        "name": "",
        "kind": "polygon",
        "corners": "31,121\n31,122",
        "escalate_m": "3, 1",
        "dwell_s": "soon",
    }
    answer = fill("fence", **(FENCE | wrong | {"when": "own", "schedule": "noon"}))
    assert answer.status_code == 422
    for field in ("name", "corners", "escalate_m", "dwell_s", "schedule"):
        assert f'href="#field-{field}"' in answer.text, field
    assert answer.text.count('class="error"') == 5


def test_a_fence_of_parts_keeps_its_ground(told, base, people, fill, samples):
    parts = [{"centre": [31.155, 121.104], "radius_m": 50.0}, {"centre": [31.157, 121.104], "radius_m": 50.0}]
    fences = msgspec.convert(
        [{"id": "two", "name": "两块", "parts": parts}], type(samples.ZHANG_PROFILE.fences)
    )
    told.send(samples.profile_told(2, msgspec.structs.replace(samples.ZHANG_PROFILE, fences=fences)))
    assert "由 2 块组成" in words(opened(people["guardian"], base), "fences")
    page = opened(people["guardian"], f"{base}/fence?id=two")
    assert 'name="kind"' not in page
    fill("fence?id=two", name="两块地", dwell_s="30")
    (command,) = told.commands()
    (fence,) = command["profile"]["fences"]
    assert (fence["name"], fence["dwell_s"], len(fence["parts"])) == ("两块地", 30.0, 2)


# ---------------------------------------------------------------- refused, outdated, taken back, restored


REASON = """profile.contacts.li-jianguo.phone = 110: expected a telephone number a person answers, in E.164
profile.fences.home = (table): expected a circle's radius_m is 1 to 50000, not 0.5
profile.rules.vitals.heart_rate_high_bpm = 400: expected a number (Expected `float` <= 250.0)
profile.beidou_number = 7: expected something new"""


def test_a_refusal_says_every_reason_in_words_and_keeps_what_was_typed(told, base, people, fill):
    fill("limits", heart_rate_high_bpm="110")
    (command,) = told.commands()
    told.send(CommandDone(command=command["command"], done=False, reason=REASON))
    page = opened(people["guardian"], base)
    said = words(page, "standing-change")
    assert "没有生效：守望设备不接受" in said
    assert "联系人 李建国 · 电话 ： 电话号码不对" in said
    assert "区域「家和花园」 ： 半径应为 1 到 50000 米" in said
    assert "心率上限 ： 不能大于 250。" in said
    assert "北斗编号 ： 守望设备不接受这一项" in said
    assert "守望设备不接受这一项，请联系管理员。" in page
    assert "something new" not in page
    assert "心率上限 120 次/分" in words(page, "limits")
    link = unescape(re.search(r'href="([^"]*/limits\?draft=[^"]*)"', page)[1])
    form = opened(people["guardian"], link)
    assert 'name="heart_rate_high_bpm" value="110"' in form
    assert "不能大于 250。" in form
    assert "半径应为" not in form
    assert fill("limits", opened=form, heart_rate_high_bpm="112").status_code == 302
    again = told.commands()[-1]
    assert again["base_version"] == 1
    assert again["profile"]["rules"]["vitals"]["heart_rate_high_bpm"] == 112.0


def test_a_gateway_that_had_another_version_is_told_kindly(told, base, people, fill, samples):
    fill("limits", heart_rate_high_bpm="110")
    (command,) = told.commands()
    theirs = msgspec.structs.replace(samples.ZHANG_PROFILE, home="4栋")
    told.send(
        samples.profile_told(2, theirs, source="file", by=""),
        CommandDone(
            command=command["command"],
            done=False,
            reason="version 2 is in force, this was made from version 1",
        ),
    )
    page = opened(people["guardian"], base)
    assert "设置已被别人先改了" in words(page, "standing-change")
    assert "version 2" not in page
    link = unescape(re.search(r'href="([^"]*/limits\?draft=[^"]*)"', page)[1])
    form = opened(people["guardian"], link)
    assert "设置已被别人先改了" in form
    fill("limits", opened=form)
    again = told.commands()[-1]
    assert (again["base_version"], again["profile"]["home"]) == (2, "4栋")
    assert again["profile"]["rules"]["vitals"]["heart_rate_high_bpm"] == 110.0


def test_a_gateway_that_counts_otherwise_says_the_way_out(told, base, people, fill):
    fill("limits", heart_rate_high_bpm="110")
    (command,) = told.commands()
    reason = "version 5 is in force, this was made from version 1"
    told.send(CommandDone(command=command["command"], done=False, reason=reason))
    assert "请在修改记录里恢复一版，然后再改" in words(opened(people["guardian"], base), "standing-change")


def test_somebody_else_changed_it_while_typing(told, base, people, fill, samples):
    form = opened(people["guardian"], f"{base}/limits")
    fill("limits", role="staff", heart_rate_high_bpm="130")
    answer = fill("limits", opened=form, heart_rate_high_bpm="110")
    assert answer.status_code == 409
    assert "别人改了这一项" in answer.text
    assert 'name="heart_rate_high_bpm" value="110"' in answer.text
    assert len(told.commands()) == 1
    assert fill("limits", opened=answer.text).status_code == 302
    assert [one["base_version"] for one in told.commands()] == [1, 2]


def test_somebody_else_changed_another_thing_while_typing_and_both_hold(told, base, people, fill):
    form = opened(people["guardian"], f"{base}/limits")
    fill("contact?id=li-jianguo", role="staff", relation="大儿子")
    assert fill("limits", opened=form, heart_rate_high_bpm="110").status_code == 302
    last = told.commands()[-1]
    assert last["profile"]["contacts"][0]["relation"] == "大儿子"
    assert last["profile"]["rules"]["vitals"]["heart_rate_high_bpm"] == 110.0


def test_a_piece_removed_while_typing_can_still_be_sent(told, base, people, fill):
    form = opened(people["guardian"], f"{base}/fence?id=home")
    staff = people["staff"]
    staff.post(f"{base}/fences/remove", token=staff.token("/me/"), id="home")
    answer = fill("fence?id=home", opened=form, radius_m="120")
    assert answer.status_code == 409
    assert "已经被删除了" in answer.text
    assert fill("fence?id=home", opened=answer.text).status_code == 302
    assert told.commands()[-1]["profile"]["fences"][0]["radius_m"] == 120.0


def test_a_gateway_that_is_away_will_take_it_when_it_is_back(app, told, base, people, fill, samples):
    app.config["NOW"] = lambda: samples.NOW + timedelta(minutes=10)
    fill("limits", heart_rate_high_bpm="110")
    page = opened(people["guardian"], base)
    assert "守望设备现在没有连上，连上后会自动生效。" in words(page)
    assert "不用重新填写" in words(page, "standing-change")
    told.commands()
    assert "不用重新填写" not in opened(people["guardian"], base)


def test_what_waits_can_be_taken_back_and_is_never_given(told, base, people, fill):
    fill("limits", heart_rate_high_bpm="110")
    page = opened(people["guardian"], base)
    command = re.search(r'name="command" value="([^"]*)"', page)[1]
    person = people["guardian"]
    assert person.post(f"{base}/drop", token=person.token("/me/"), command=command).status_code == 302
    assert told.commands() == []
    assert 'id="standing-change"' not in opened(person, base)
    told.send(CommandDone(command=command, done=False, reason="late"))
    assert 'id="standing-change"' not in opened(person, base)


def test_an_older_version_is_restored(told, base, people, samples):
    told.send(samples.profile_told(2, msgspec.structs.replace(samples.ZHANG_PROFILE, fences=())))
    person = people["guardian"]
    assert "恢复这一版" in words(opened(person, base), "version-1")
    person.post(f"{base}/restore", token=person.token("/me/"), version="1")
    (command,) = told.commands()
    assert (command["name"], command["version"], command["by"]) == ("restore_profile", 1, "李晓梅")
    page = opened(person, base)
    assert "恢复第 1 版" in words(page, "standing-change")
    assert "添加区域「家和花园」" in words(page, "standing-change")
    told.send(
        samples.profile_told(3, source="rollback", restores=1, at=samples.NOW),
        CommandDone(command=command["command"], done=True),
    )
    page = opened(person, base)
    assert "第 3 版 正在使用 添加区域「家和花园」 刚刚 李晓梅 恢复第 1 版" in words(page, "history")
    assert person.post(f"{base}/restore", token=person.token("/me/"), version="9").status_code == 404


def test_history_never_shows_a_telephone_number(told, base, people, samples):
    son = msgspec.structs.replace(samples.ZHANG_PROFILE.contacts[0], phone="+8613800138009")
    told.send(samples.profile_told(2, msgspec.structs.replace(samples.ZHANG_PROFILE, contacts=(son,))))
    history = words(opened(people["grid_worker"], base), "history")
    assert "联系人 李建国：电话 ****8001 → ****8009" in history
    assert "1380013" not in history


# ---------------------------------------------------------------- tried first


@pytest.fixture
def lived(told, samples):
    """Hours in which 张桂兰's heart beat fast, and a walk out of her fence."""
    fast = [samples.telemetry(HeartRate(heart_rate_bpm=118), ago_s=3600 - 60 * n) for n in range(10)]
    walk = [
        samples.telemetry(Fix(lat=31.1585, lon=121.1046, valid=True, accuracy_m=5), ago_s=1800 - 30 * n)
        for n in range(8)
    ]
    told.send(*fast, *walk)
    return told


def test_limits_are_tried_as_typed_before_anything_is_sent(app, lived, fill):
    answer = fill("limits", heart_rate_high_bpm="110", **{"try": "1"})
    assert answer.status_code == 200
    found = words(answer.text.split('id="trial"', 1)[1])
    assert "试算结果 会报警 1 次" in found
    assert 'name="heart_rate_high_bpm" value="110"' in answer.text
    assert "会报警 0 次" in words(fill("limits", heart_rate_high_bpm="", **{"try": "1"}).text)
    assert lived.commands() == []
    with app.app_context():
        details = db.session.scalars(
            sa.select(AuditEntry.detail).where(AuditEntry.action == "view_vitals")
        ).all()
    assert details.count("trial 7 d") == 2
    assert fill("limits", opened=answer.text).status_code == 302
    assert lived.commands()[-1]["profile"]["rules"]["vitals"]["heart_rate_high_bpm"] == 110.0


def test_a_fence_is_tried_beside_the_others(lived, fill):
    assert "会报警 1 次" in words(fill("fence?id=home", **{"try": "1"}).text)
    answer = fill("fence?id=home", radius_m="500", **{"try": "1"})
    assert "会报警 0 次" in words(answer.text)
    assert 'value="500"' in answer.text
    wrong = fill("fence?id=home", radius_m="0", **{"try": "1"})
    assert (wrong.status_code, 'id="trial"' in wrong.text) == (422, False)
    assert lived.commands() == []


def test_who_tries_too_much_is_told_to_wait_and_what_was_typed_stays(told, fill):
    for _ in range(10):
        assert fill("limits", heart_rate_high_bpm="110", **{"try": "1"}).status_code == 200
    answer = fill("limits", heart_rate_high_bpm="110", **{"try": "1"})
    assert "请过一会儿再试" in words(answer.text)
    assert 'name="heart_rate_high_bpm" value="110"' in answer.text


HAN = re.compile(r"[\u4e00-\u9fff]")
NAMES = ("张桂兰", "李建国", "李晓梅", "家和花园", "新河苑", "中文", "演示站点")


def test_the_english_pages_hold_no_chinese_but_names(app, told, base, people, fill, samples):
    fill("limits", heart_rate_high_bpm="110")
    fill("fence", **(FENCE | FENCES[5][0] | {"name": "market"}))
    told.send(samples.profile_taken(told.commands()[0], 2)[0])
    told.send(CommandDone(command=told.commands()[1]["command"], done=False, reason=REASON))
    person = people["guardian"]
    person.post("/language", token=person.token("/me/"), language="en", next="/")
    drafts = re.findall(r'href="([^"]*draft=[^"]*)"', opened(person, base))
    assert drafts
    for path in ("", "/person", "/contact?id=li-jianguo", "/fence", "/fence?id=home", "/limits", *drafts):
        page = opened(person, unescape(path) if path.startswith("/care") else base + path)
        main = words(page.split("<main", 1)[1].split("</main>", 1)[0])
        for name in (*NAMES, samples.ZHANG_PROFILE.home):
            main = main.replace(name, "")
        assert not HAN.search(main), main
        assert not HAN.search("".join(re.findall(r'placeholder="([^"]*)"', page)))
    answer = fill("fence", **(FENCE | {"name": "", "kind": "polygon", "corners": "x", "escalate_m": "2,1"}))
    problems = words(answer.text.split("data-problems", 1)[1].split("</ul>", 1)[0])
    assert "Line 1 is not" in problems
    assert not HAN.search(problems)


# ---------------------------------------------------------------- who the wearer is, and usual times


def test_name_home_and_year_of_birth_are_changed_by_a_form(told, base, people, fill):
    card = words(opened(people["guardian"], base), "person")
    assert "姓名 张桂兰 出生年份 1943 住址 3栋2单元401" in card
    assert fill("person", home=" 5栋1单元102 ", birth_year="１９４４").status_code == 302
    (command,) = told.commands()
    profile = command["profile"]
    assert (profile["name"], profile["birth_year"], profile["home"]) == ("张桂兰", 1944, "5栋1单元102")
    assert len(profile["contacts"]) == 2
    told.send(CommandDone(command=command["command"], done=False, reason="profile.name = 1: expected text"))
    page = opened(people["guardian"], base)
    draft = unescape(re.search(r'href="([^"]*person[^"]*draft=[^"]*)"', page)[1])
    assert "5栋1单元102" in opened(people["guardian"], draft)


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"name": ""}, "name"),
        ({"birth_year": "1943.5"}, "birth_year"),
        ({"birth_year": "1843"}, "birth_year"),
        ({"birth_year": "2050"}, "birth_year"),
        ({"home": "x" * 121}, "home"),
    ],
)
def test_a_person_who_cannot_be_is_said_beside_its_question(told, fill, typed, field):
    answer = fill("person", **typed)
    assert (answer.status_code, f'id="error-{field}"' in answer.text) == (422, True)
    assert told.commands() == []


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ({"when": "daily", "begin": "8点", "end": "20点"}, "daily 08:00-20:00"),
        ({"when": "workdays", "begin": "8：30", "end": "17：30"}, "mon-fri 08:30-17:30"),
        (
            {"when": "workdays", "begin": "8", "end": "17", "not_holidays": "yes"},
            "mon-fri not holidays 08:00-17:00",
        ),
        ({"when": "hours", "days": ["sat"], "begin": "22", "end": "6"}, "sat 22:00-06:00"),
    ],
)
def test_the_usual_times_are_chosen_without_any_grammar_and_shown_again(
    told, base, people, fill, typed, line, samples
):
    circle = {"kind": "circle", "lat": "31.157", "lon": "121.108", "radius_m": "80"}
    assert fill("fence", **(FENCE | circle | typed)).status_code == 302
    (command,) = told.commands()
    made = command["profile"]["fences"][-1]
    assert made["schedule"] == [line]
    told.send(*samples.profile_taken(command, 2))
    shown = answers(opened(people["guardian"], f"{base}/fence?id={made['id']}"))
    assert shown["when"] == typed["when"]
    assert shown["not_holidays" if "not_holidays" in typed else "begin"]
