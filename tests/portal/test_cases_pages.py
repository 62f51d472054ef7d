"""Cases as people live them: a report with a photo, its way to done, and who sees what."""

from __future__ import annotations

import io
import re

import pytest
import sqlalchemy as sa
from PIL import Image

from portal.cases.models import Case, CaseEvent
from portal.db import db
from portal.media import Media

REPORT = "/services/snapshot/apply"


def photo(colour: str = "red") -> io.BytesIO:
    out = io.BytesIO()
    Image.new("RGB", (80, 60), colour).save(out, "JPEG")
    out.seek(0)
    return out


def answers(**more) -> dict:
    return {
        "category": "drain",
        "description": "下水道堵了。",
        "building": "12栋",
        "place": "3单元门口",
        "contact_name": "王秀英",
        "contact_phone": "13800138092",
    } | more


def send_report(browser, **more):
    answer = browser.post(REPORT, **answers(**more))
    assert answer.status_code == 302, re.findall(r'class="error".*?</p>', answer.text)
    number = answer.headers["Location"].split("/")[2]
    page = browser.get(answer.headers["Location"]).text
    code = "".join(re.findall(r'class="number">([0-9A-Z]{4}) ([0-9A-Z]{4})<', page)[0])
    return number, code


def photos_of(app, number: str, purpose: str) -> list[str]:
    with app.app_context():
        case = db.session.scalars(sa.select(Case).where(Case.number == number)).one()
        query = sa.select(Media.id).where(Media.subject_id == case.id, Media.purpose.startswith(purpose))
        return list(db.session.scalars(query))


def test_a_report_with_a_photo_reaches_done_and_is_rated(app, people):
    """A resident reports; staff accept, pass on, start and close with a photo; the resident rates."""
    resident, staff = people["resident"], people["staff"]
    number, _code = send_report(resident, photos=(photo(), "a.jpg"))
    assert photos_of(app, number, "before")
    page = f"/cases/{number}"
    assert staff.post(f"{page}/accept").status_code == 302
    assert staff.post(f"{page}/forward", level="community", handler="物业服务处").status_code == 302
    assert staff.post(f"{page}/start").status_code == 302
    done = staff.post(f"{page}/finish", note="已疏通。", photos=(photo("green"), "b.jpg"))
    assert done.status_code == 302
    seen = resident.get(f"{page}/").text
    for words in ("物业服务处", "已疏通。", "已办结", "周敏"):
        assert words in seen
    assert resident.post(f"{page}/rate", rating="5").status_code == 302
    assert "已评价" in resident.get(f"{page}/").text


def test_closing_a_report_needs_a_photo_and_keeps_the_words(people):
    number, _code = send_report(people["resident"])
    answer = people["staff"].post(f"/cases/{number}/finish", note="已经清理干净了。")
    assert answer.status_code == 422
    assert "已经清理干净了。" in answer.text
    assert "处理后的照片" in answer.text


def test_a_report_that_is_not_solved_is_sent_back(people):
    resident, staff = people["resident"], people["staff"]
    number, _code = send_report(resident)
    staff.post(f"/cases/{number}/finish", note="好了。", photos=(photo(), "b.jpg"))
    assert resident.post(f"/cases/{number}/reopen", note="还在漏。").status_code == 302
    assert "退回重办" in staff.get("/desk/cases/").text


@pytest.mark.parametrize("role", ["guardian", None])
def test_a_report_and_its_photos_are_nobody_elses_business(app, people, browser, role):
    number, _code = send_report(people["resident"], photos=(photo(), "a.jpg"))
    name = photos_of(app, number, "before")[0]
    stranger = people[role] if role else browser
    assert stranger.get(f"/cases/{number}/").status_code == 404
    assert stranger.get(f"/media/{name}/full.jpg").status_code == 404
    assert stranger.get(f"/media/{name}/small.jpg").status_code == 404
    assert stranger.post(f"/cases/{number}/accept").status_code == 404
    own = people["resident"].get(f"/media/{name}/full.jpg")
    assert (own.status_code, own.mimetype) == (200, "image/jpeg")
    assert people["staff"].get(f"/media/{name}/small.jpg").status_code == 200


def test_a_public_report_is_seen_without_its_reporter(app, people):
    number, _code = send_report(people["resident"], photos=(photo(), "a.jpg"))
    assert people["resident"].post(f"/cases/{number}/public", public="1").status_code == 404
    assert people["staff"].post(f"/cases/{number}/public", public="1").status_code == 302
    page = people["guardian"].get(f"/cases/{number}/")
    assert page.status_code == 200
    assert "下水道堵了。" in page.text
    assert "王秀英" not in page.text
    assert "13800138092" not in page.text
    assert people["guardian"].get(f"/media/{photos_of(app, number, 'before')[0]}/full.jpg").status_code == 200


def test_a_wrong_file_is_kept_out_and_everything_else_is_kept(app, people):
    """The words and the good photo survive; the good photo is not asked for again."""
    resident = people["resident"]
    answer = resident.post(
        REPORT, **answers(photos=[(photo(), "good.jpg"), (io.BytesIO(b"MZ\x90"), "virus.exe")])
    )
    assert answer.status_code == 422
    assert "virus.exe" in answer.text
    assert "下水道堵了。" in answer.text
    kept = re.findall(r'name="kept_photo" value="([0-9a-f]{32})"', answer.text)
    assert len(kept) == 1
    assert people["guardian"].get(f"/media/{kept[0]}/full.jpg").status_code == 404
    number, _code = send_report(resident, kept_photo=kept[0])
    assert photos_of(app, number, "before") == kept


def test_nobody_can_take_another_persons_photo_into_a_report(app, people):
    sent = people["resident"].post(REPORT, **answers(description="", photos=(photo(), "a.jpg")))
    kept = re.findall(r'name="kept_photo" value="([0-9a-f]{32})"', sent.text)
    number, _code = send_report(people["guardian"], kept_photo=kept[0])
    assert photos_of(app, number, "before") == []


def test_an_empty_form_says_what_is_missing_and_keeps_what_was_typed(people):
    answer = people["resident"].post(REPORT, **answers(category="", contact_phone="12"))
    assert answer.status_code == 422
    assert "下水道堵了。" in answer.text
    assert "电话号码不对" in answer.text
    assert 'href="#field-category"' in answer.text


def test_the_look_up_code_opens_the_case_without_an_account(people, browser):
    number, code = send_report(people["resident"])
    assert browser.get(f"/cases/{number}/").status_code == 404
    wrong = browser.post("/cases/look-up", number=number, code="AAAAAAAA")
    assert wrong.status_code == 422
    right = browser.post("/cases/look-up", number=number, code=f"{code[:4].lower()} {code[4:]}")
    assert right.status_code == 302
    assert "下水道堵了。" in browser.get(right.headers["Location"]).text
    assert browser.post(f"/cases/{number}/withdraw").status_code == 404


def test_the_code_is_shown_once_and_kept_nowhere(app, people):
    number, code = send_report(people["resident"])
    assert people["resident"].get(f"/cases/{number}/receipt").status_code == 302
    with app.app_context():
        case = db.session.scalars(sa.select(Case).where(Case.number == number)).one()
        assert code not in repr(vars(case))


def test_staff_fill_in_for_a_visitor_and_are_named(people):
    staff = people["staff"]
    number, code = send_report(staff, **{"for": "other", "contact_name": "顾阿婆"})
    page = staff.get(f"/cases/{number}/").text
    assert "顾阿婆" in page
    assert "代填" in page
    assert number not in staff.get("/cases/").text
    assert len(code) == 8


def test_a_resident_cannot_fill_in_for_somebody_else(app, people):
    number, _code = send_report(people["resident"], **{"for": "other"})
    with app.app_context():
        case = db.session.scalars(sa.select(Case).where(Case.number == number)).one()
        assert case.reporter_id is not None
        assert case.entered_by_id is None


def test_a_step_that_means_nothing_now_changes_nothing(app, people):
    number, _code = send_report(people["resident"])
    assert people["resident"].post(f"/cases/{number}/rate", rating="5").status_code == 302
    assert people["resident"].post(f"/cases/{number}/dance").status_code == 404
    with app.app_context():
        case = db.session.scalars(sa.select(Case).where(Case.number == number)).one()
        assert (case.state, case.rating) == ("received", None)
        events = db.session.scalars(sa.select(CaseEvent).where(CaseEvent.case_id == case.id)).all()
        assert [event.action for event in events] == ["open"]


def test_asking_the_reporter_stops_the_clock_until_the_answer(app, people):
    number, _code = send_report(people["resident"])
    people["staff"].post(f"/cases/{number}/ask", note="哪个单元?")
    with app.app_context():
        case = db.session.scalars(sa.select(Case).where(Case.number == number)).one()
        assert (case.state, case.due_at, case.left_s) == ("waiting", None, 4 * 3600)
    assert "哪个单元?" in people["resident"].get(f"/cases/{number}/").text
    assert people["resident"].post(f"/cases/{number}/answer", note="3单元。").status_code == 302
    assert "处理中" in people["staff"].get(f"/cases/{number}/").text


def test_an_identity_number_is_never_shown_whole(people):
    answer = people["resident"].post(
        "/services/elder-allowance/apply",
        elder_name="张桂兰",
        id_number="11010519491231002X",
        who="self",
        delivery="home",
        contact_name="王秀英",
        contact_phone="13800138092",
        consent="yes",
    )
    number = answer.headers["Location"].split("/")[2]
    page = people["staff"].get(f"/cases/{number}/").text
    assert "11010519491231002X" not in page
    assert "110************02X" in page


def test_an_application_without_consent_is_not_taken(people):
    answer = people["resident"].post("/services/elder-allowance/apply", elder_name="张桂兰")
    assert answer.status_code == 422


def test_the_desk_belongs_to_the_staff(people, browser):
    assert browser.get("/desk/cases/").status_code == 302
    assert people["resident"].get("/desk/cases/").status_code == 404
    for which in ("open", "overdue", "waiting", "done", "all", "nonsense"):
        assert people["staff"].get(f"/desk/cases/?which={which}").status_code == 200


def test_the_queue_puts_what_is_due_first_on_both_engines(store_app, samples):
    from portal.cases import queries

    with store_app.app_context():
        cases, more = queries.queue(db.session, community="xinhe", which="open", now=samples.NOW)
        counts = queries.queue_counts(db.session, community="xinhe", now=samples.NOW)
        assert [case.answers["category"] for case in cases] == ["drain"]
        assert not more
        assert counts["done"] == 1
        assert counts["all"] == 2
