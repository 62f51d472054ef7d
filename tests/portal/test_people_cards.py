"""Sign-in cards of residents without a telephone."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.care.models import AuditEntry
from portal.db import db, writing
from portal.people import organisations
from portal.people.account_models import AccessCard
from portal.people.models import Organisation, Resident, User

from .conftest import NOW, PHONES, Browser


def register(app, name: str, *, community: str = "xinhe", place: str = "xinhe") -> int:
    with app.app_context(), writing() as session:
        household = session.scalars(sa.select(Organisation.id).where(Organisation.code == place)).one()
        made = Resident(
            community=community, household_id=household, name=name, created_at=NOW, changed_at=NOW
        )
        session.add(made)
        session.flush()
        return made.id


@pytest.fixture
def elder(store_app) -> int:
    """A resident of the register, without a telephone."""
    return register(store_app, "孙大爷")


@pytest.fixture
def desk(store_app) -> Browser:
    return Browser(store_app).sign_in(PHONES["staff"])


def make(desk: Browser, resident: int) -> tuple[str, str]:
    """The path and the PIN of a new card, read from the sheet."""
    page = desk.post(f"/desk/cards/{resident}").text
    pin = "".join(re.search(r'class="pin">(\d{3}) (\d{3})<', page).groups())
    with desk.client.application.app_context():
        query = sa.select(AccessCard.number).where(AccessCard.revoked_at.is_(None))
        number = db.session.scalars(query.where(AccessCard.resident_id == resident)).one()
    return f"/card/{number}", pin


def use(app, path: str, pin: str) -> Browser:
    tablet = Browser(app)
    tablet.post(path, pin=pin, token=tablet.token(path))
    return tablet


def signed_in(browser: Browser) -> bool:
    return browser.get("/me/").status_code == 200


def test_a_card_and_its_pin_sign_in_as_the_resident(store_app, desk, elder):
    assert "孙大爷" in desk.get("/desk/cards/?name=孙").text
    path, pin = make(desk, elder)
    tablet = use(store_app, path, pin)
    assert "孙大爷" in tablet.get("/me/").text
    assert "登录卡" in tablet.get("/me/sign-ins").text


def test_the_pin_is_nowhere_but_on_the_sheet(store_app, desk, elder):
    path, pin = make(desk, elder)
    with store_app.app_context():
        assert pin not in db.session.scalars(sa.select(AccessCard.pin)).one()
    assert pin not in desk.get("/desk/cards/?name=孙").text
    assert path.removeprefix("/card/") not in desk.get("/desk/cards/?name=孙").text


def test_five_wrong_pins_end_a_card(store_app, desk, elder):
    path, pin = make(desk, elder)
    wrong = f"{(int(pin) + 1) % 1_000_000:06}"
    for _ in range(5):
        assert not signed_in(use(store_app, path, wrong))
    assert not signed_in(use(store_app, path, pin))


def test_a_card_taken_back_ends_at_once(store_app, desk, elder):
    path, pin = make(desk, elder)
    tablet = use(store_app, path, pin)
    assert signed_in(tablet)
    desk.post(f"/desk/cards/{elder}/revoke")
    assert not signed_in(tablet)
    assert not signed_in(use(store_app, path, pin))


def test_a_new_card_makes_the_old_one_void_and_keeps_the_account(store_app, desk, elder):
    old, old_pin = make(desk, elder)
    new, new_pin = make(desk, elder)
    assert not signed_in(use(store_app, old, old_pin))
    assert signed_in(use(store_app, new, new_pin))
    with store_app.app_context():
        assert len(db.session.scalars(sa.select(User).where(User.name == "孙大爷")).all()) == 1


def test_who_made_or_took_back_a_card_is_in_the_audit_record(store_app, desk, elder):
    make(desk, elder)
    desk.post(f"/desk/cards/{elder}/revoke")
    with store_app.app_context():
        query = sa.select(AuditEntry.action, AuditEntry.detail, AuditEntry.subject)
        rows = [tuple(row) for row in db.session.execute(query.order_by(AuditEntry.seq))]
    subject = f"resident:{elder}"
    assert rows[-2:] == [("card_made", "周敏", subject), ("card_revoked", "周敏", subject)]


def test_the_next_at_the_tablet_is_not_the_one_before(store_app, desk, elder):
    first, first_pin = make(desk, elder)
    second, second_pin = make(desk, register(store_app, "钱大妈"))
    tablet = use(store_app, first, first_pin)
    tablet.post(second, pin=second_pin, token=tablet.token(second))
    page = tablet.get("/me/").text
    assert "钱大妈" in page
    assert "孙大爷" not in page


def test_a_tablet_left_alone_signs_out(store_app, desk, elder):
    tablet = use(store_app, *make(desk, elder))
    store_app.config["NOW"] = lambda: NOW + timedelta(minutes=11)
    assert not signed_in(tablet)


def test_a_resident_of_another_community_is_not_found(store_app, desk):
    with store_app.app_context(), writing() as session:
        organisations.add(session, code="other", name="别处", kind="community")
    stranger = register(store_app, "外人", community="other", place="other")
    assert "登记册里没有这个人" in desk.get("/desk/cards/?name=外人").text
    assert desk.post(f"/desk/cards/{stranger}").status_code == 404
    assert desk.post(f"/desk/cards/{stranger}/revoke").status_code == 404


def test_who_has_a_telephone_needs_no_card(store_app, desk, elder):
    with store_app.app_context(), writing() as session:
        own = session.scalars(sa.select(User.id).where(User.phone == PHONES["resident"])).one()
        session.execute(sa.update(Resident).where(Resident.user_id == own).values(user_id=None))
        session.get(Resident, elder).user_id = own
    assert desk.post(f"/desk/cards/{elder}").status_code == 302
    with store_app.app_context():
        assert db.session.scalars(sa.select(AccessCard)).all() == []


def test_only_staff_make_cards(store_app, elder):
    for role in ("resident", "guardian", "grid_worker", "property"):
        browser = Browser(store_app).sign_in(PHONES[role])
        assert browser.get("/desk/cards/").status_code == 404
        assert browser.post(f"/desk/cards/{elder}").status_code == 404


def test_an_unknown_card_asks_for_its_pin_like_any_other(store_app):
    assert Browser(store_app).get("/card/0123456789abcdef").status_code == 200
    tablet = Browser(store_app)
    path = "/card/0123456789abcdef"
    assert tablet.post(path, pin="123456", token=tablet.token(path)).status_code == 422
