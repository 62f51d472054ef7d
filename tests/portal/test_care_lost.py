"""Lost-person mode and links for helpers: what is ordered, who may, what a link shows and when it ends."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from PIL import Image

from gateway.model import Fix
from gateway.told import BandOrderChanged
from portal import audit
from portal.care.lost import share
from portal.care.lost.models import LostSearch, ShareLink, Sighting
from portal.care.models import AuditEntry
from portal.db import db

PAGE = "/care/wearers/1/lost"
TOLD = {"called": "张奶奶", "description": "灰色毛衣，拄拐杖", "phone": "138 0013 8002"}


@pytest.fixture
def house(gateway, samples):
    gateway.send(samples.ROSTER, samples.at_home(ago_s=300))
    return gateway


def began(people, **more):
    answer = people["guardian"].post(PAGE, **(TOLD | more))
    assert answer.status_code == 302, answer.text
    return people["guardian"]


def linked(app, people, **more):
    """A search with a link; gives the path of the link."""
    guardian = began(people)
    guardian.post(f"{PAGE}/links", purpose="志愿者群", **({"hours": "6"} | more))
    text = guardian.get(PAGE).text
    return re.findall(r'value="http://portal.example:18088(/s/[\w-]+)"', text)[0]


def actions(app):
    with app.app_context():
        return list(db.session.scalars(sa.select(AuditEntry.action).order_by(AuditEntry.seq)))


def test_beginning_orders_the_band_to_report_fast_and_at_once(app, house, people, samples):
    began(people)
    orders = [command["down"] for command in house.commands()]
    assert orders == [{"name": "interval", "interval_s": 20}, {"name": "locate_now"}]
    page = people["guardian"].get(PAGE).text
    assert "张桂兰最后在3栋附近" in page
    assert "定位间隔 20 秒钟" in page
    assert "等待网关" in page
    assert {"lost_begin", "order_interval", "view_lost"} <= set(actions(app))


def test_ending_restores_the_interval_the_band_had_before(app, house, people, samples):
    told = {"order": "down.1.1.before", "device": "band-zhang", "name": "interval", "wearer": "zhang-guilan"}
    times = {"at": samples.NOW, "given_at": samples.NOW, "until": samples.NOW}
    house.send(BandOrderChanged(state="done", final=True, interval_s=1800, by="周敏", **told, **times))
    guardian = began(people)
    assert 'value="1800" selected' in guardian.get(PAGE).text
    guardian.post(f"{PAGE}/end", outcome="found", note="在东门公交站", interval_s="1800")
    assert house.commands()[-1]["down"] == {"name": "interval", "interval_s": 1800}
    start = guardian.get(PAGE).text
    assert "找到了，人平安" in start
    assert "在东门公交站" in start
    assert "开始寻找" in start
    assert "lost_end" in actions(app)


def test_a_search_is_not_ended_without_saying_how_and_a_second_press_ends_nothing_more(app, house, people):
    guardian = began(people)
    guardian.post(f"{PAGE}/end", outcome="whatever")
    assert "正在寻找" in guardian.get(PAGE).text
    for _ in range(2):
        guardian.post(f"{PAGE}/end", outcome="mistake")
    assert actions(app).count("lost_end") == 1


def test_two_presses_are_one_search(app, house, people):
    began(people)
    people["staff"].post(PAGE, **TOLD)
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(LostSearch)) == 1
    assert len([command for command in house.commands() if command["down"]["name"] == "interval"]) == 1


def test_what_is_wrong_is_said_beside_its_field_and_what_was_typed_stays(house, people):
    answer = people["guardian"].post(PAGE, called="", description="灰毛衣", phone="12")
    assert answer.status_code == 422
    assert "有 2 处需要修改" in answer.text
    assert "灰毛衣" in answer.text
    assert house.commands() == []


@pytest.mark.parametrize(("role", "begins"), [("guardian", True), ("staff", True), ("grid_worker", False)])
def test_who_may_begin(house, people, role, begins):
    assert people[role].get(PAGE).status_code == 200
    assert (people[role].post(PAGE, **TOLD).status_code == 302) is begins


def test_strangers_find_nothing(house, people, client):
    began(people)
    for path in (PAGE, f"{PAGE}.json"):
        assert people["resident"].get(path).status_code == 404
        assert people["guardian"].get(path.replace("/1/", "/2/")).status_code == 404
        assert client.get(path).status_code in {302, 401}
    assert people["guardian"].post("/care/wearers/2/lost", **TOLD).status_code == 404


def test_the_trail_of_the_last_hours_and_what_helpers_saw_are_on_the_map(app, house, people, samples):
    path = linked(app, people)
    app.test_client().post(path, data={"words": "东门", "spot": "31.1570,121.1080", "ago": "10"})
    data = people["staff"].get(f"{PAGE}.json").json
    assert data["here"]["lat"] == 31.1559
    assert data["fixes"] == 1
    assert data["seen"] == [{"lat": 31.157, "lon": 121.108, "number": 1}]


def test_the_open_search_stands_on_top_of_the_map_page_for_who_sees_her(house, people):
    began(people)
    for role in ("guardian", "staff"):
        assert "正在寻找张桂兰" in people[role].get("/care/").text
    assert "正在寻找" not in people["resident"].get("/care/").text


# ---------------------------------------------------------------- links


def test_a_link_shows_whom_to_look_for_and_nothing_else(app, house, people, samples):
    path = linked(app, people)
    answer = app.test_client().get(path)
    assert answer.status_code == 200
    for shown in ("张奶奶", "灰色毛衣", "+8613800138002", "3栋附近"):
        assert shown in answer.text
    for hidden in ("张桂兰", "李晓梅", "李建国", "13800138001", "2单元401", "1943", "心率", "132"):
        assert hidden not in answer.text, hidden
    trail = app.test_client().get(f"{path}/trail.json")
    drawn = {"start_ms", "end_ms", "fixes", "error_m", "pieces", "t", "lat", "lon", "rough", "marks"}
    assert set(trail.json) == drawn | {"here", "initials", "words"}
    assert "桂兰" not in trail.get_data(as_text=True)


def test_a_link_is_not_indexed_not_kept_and_not_told_to_other_sites(app, house, people):
    path = linked(app, people)
    for address in (path, f"{path}/trail.json"):
        headers = app.test_client().get(address).headers
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Robots-Tag"].startswith("noindex")
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'self'" in headers["Content-Security-Policy"]


def test_the_store_knows_only_the_hash_of_a_token(app, house, people):
    path = linked(app, people)
    token = path.removeprefix("/s/")
    with app.app_context():
        link = db.session.scalar(sa.select(ShareLink))
        values = [str(getattr(link, column.name)) for column in ShareLink.__table__.columns]
        assert token not in values
        assert link.token_hash == share.hash_of(token)
        assert share.shown(link, "another key") == ""
        assert share.shown(link, app.secret_key) == token
    assert len(token) == 32


def gone(app, path):
    client = app.test_client()
    parts = ("", "/trail.json", "/style.json", "/map/roads.geojson", "/picture.jpg")
    return [client.get(path + part).status_code for part in parts] + [
        client.post(path, data={"words": "x"}).status_code
    ]


def test_a_link_ends_at_once_when_it_is_ended(app, house, people):
    path = linked(app, people)
    assert app.test_client().get(path).status_code == 200
    people["guardian"].post(f"{PAGE}/links/1/revoke")
    assert gone(app, path) == [404] * 6
    assert "已停用" in people["guardian"].get(PAGE).text


def test_a_link_ends_at_its_time(app, house, people, samples):
    path = linked(app, people, hours="2")
    app.config["NOW"] = lambda: samples.NOW + timedelta(hours=2) - timedelta(seconds=1)
    assert app.test_client().get(path).status_code == 200
    app.config["NOW"] = lambda: samples.NOW + timedelta(hours=2)
    assert gone(app, path) == [404] * 6


def test_a_link_ends_with_its_search(app, house, people):
    path = linked(app, people)
    people["guardian"].post(f"{PAGE}/end", outcome="found")
    assert gone(app, path) == [404] * 6


@pytest.mark.parametrize("token", ["", "x", "A" * 32, "A" * 31 + "中", "../../etc", "A" * 5000])
def test_a_guessed_token_leads_nowhere(app, house, people, token):
    linked(app, people)
    assert app.test_client().get(f"/s/{token}").status_code == 404


def test_a_link_of_another_wearer_cannot_be_ended(app, house, people):
    path = linked(app, people)
    assert people["staff"].post("/care/wearers/2/lost/links/1/revoke").status_code == 404
    assert app.test_client().get(path).status_code == 200


def test_opening_and_saying_are_recorded_and_the_chain_holds(app, house, people):
    path = linked(app, people)
    helper = app.test_client()
    for _ in range(3):
        helper.get(path)
    helper.post(path, data={"words": "在菜场"})
    found = actions(app)
    assert found.count("view_shared") == 1
    assert found.count("lost_sighting") == 1
    assert "share_make" in found
    with app.app_context():
        assert db.session.scalar(sa.select(ShareLink.opened)) == 3
        assert audit.broken_at(db.session) is None


# ---------------------------------------------------------------- what helpers say


def test_what_a_helper_saw_appears_on_the_page_of_the_search(app, house, people, samples):
    path = linked(app, people)
    answer = app.test_client().post(
        path, data={"words": "老槐树下", "ago": "30", "name": "老王", "phone": "13900001111"}
    )
    assert (answer.status_code, answer.location) == (303, f"{path}?said=1")
    assert "谢谢您" in app.test_client().get(answer.location).text
    page = people["guardian"].get(PAGE).text
    for shown in ("老槐树下", "老王", "tel:+8613900001111", "30 分钟前"):
        assert shown in page
    assert "老槐树下" not in app.test_client().get(path).text


def test_a_helper_who_says_nothing_is_asked_and_words_are_only_words(app, house, people):
    path = linked(app, people)
    helper = app.test_client()
    answer = helper.post(path, data={"words": " ", "phone": "123", "ago": "5000"})
    assert answer.status_code == 422
    assert "电话号码不对" in answer.text
    helper.post(path, data={"words": "<script>alert(1)</script>"})
    assert "<script>alert" not in people["guardian"].get(PAGE).text


def test_nobody_floods_a_search(app, house, people):
    path = linked(app, people)
    helper = app.test_client()
    told = [helper.post(path, data={"words": f"第 {number} 次"}).status_code for number in range(7)]
    assert told[:5] == [303] * 5
    assert told[5:] == [429] * 2
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Sighting)) == 5


def test_a_picture_is_seen_through_the_link_and_without_its_place(app, house, people):
    image = Image.new("RGB", (60, 40), "red")
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    data = io.BytesIO()
    image.save(data, "JPEG", exif=exif)
    answer = people["guardian"].client.post(
        PAGE,
        data=TOLD
        | {"csrf_token": people["guardian"].token(), "picture": (io.BytesIO(data.getvalue()), "a.jpg")},
    )
    assert answer.status_code == 302
    people["guardian"].post(f"{PAGE}/links", hours="2")
    path = re.findall(r"18088(/s/[\w-]+)", people["guardian"].get(PAGE).text)[0]
    shown = app.test_client().get(f"{path}/picture.jpg")
    assert shown.mimetype == "image/jpeg"
    assert b"secret place" not in shown.data
    assert f"{path}/picture.jpg" in app.test_client().get(path).text


def test_what_is_no_picture_is_refused_in_words_and_nothing_begins(app, house, people):
    guardian = people["guardian"]
    answer = guardian.client.post(
        PAGE, data=TOLD | {"csrf_token": guardian.token(), "picture": (io.BytesIO(b"GIF89a no"), "a.gif")}
    )
    assert answer.status_code == 422
    assert "这张照片没有收" in answer.text
    assert house.commands() == []


def test_everything_of_a_search_works_on_both_stores(store_app, store_gateway, samples):
    store_gateway.send(samples.ROSTER, samples.at_home(ago_s=300))
    guardian = samples.Browser(store_app).sign_in(samples.PHONES["guardian"])
    assert guardian.post(PAGE, **TOLD).status_code == 302
    guardian.post(f"{PAGE}/links", hours="2")
    path = re.findall(r"18088(/s/[\w-]+)", guardian.get(PAGE).text)[0]
    assert store_app.test_client().post(path, data={"words": "东门"}).status_code == 303
    store_gateway.send(samples.telemetry(Fix(lat=31.157, lon=121.108, valid=True, accuracy_m=9.0)))
    assert store_app.test_client().get(f"{path}/trail.json").json["here"]["lat"] == 31.157
    assert guardian.post(f"{PAGE}/end", outcome="found").status_code == 302
    assert store_app.test_client().get(path).status_code == 404
    assert guardian.post(PAGE, **TOLD).status_code == 302
