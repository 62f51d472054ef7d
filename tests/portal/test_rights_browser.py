"""Why somebody looks, who did what, stepping down, one's own data: in a real browser, and no rule broken."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime

import msgspec
import pytest
from rigs.pages import DESKTOP, PHONE, Reader, context_of

from portal.care.models import Guardianship
from portal.db import db, writing
from portal.demo import DEMO_PASSWORD
from portal.people.models import User

pytestmark = pytest.mark.slow
DARK = DESKTOP | {"color_scheme": "dark"}


@pytest.fixture
def told(app, far, samples):
    """张桂兰 at home, guarded by 王秀英, who decides for her."""
    far.send(samples.ROSTER, msgspec.structs.replace(samples.at_home(), received_at=datetime.now(UTC)))
    far.call(_guard, app, samples.PHONES["resident"])


def _guard(app, phone: str) -> None:
    with app.app_context(), writing() as session:
        user = session.query(User).filter(User.phone == phone).one()
        row = Guardianship(wearer_id=1, user_id=user.id, relation="侄女", basis="appointed", decides=True)
        row.state, row.claimed_at = "confirmed", datetime.now(UTC)
        session.add(row)
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def person(chromium, address, samples):
    """Sign somebody in, in a browser of theirs."""

    @contextmanager
    def signed_in(role: str, *, elder: bool = False, english: bool = False, **options):
        context = context_of(chromium, address, english=english, **(options or PHONE))
        reader = Reader(context.new_page())
        page = reader.page
        page.goto("/login")
        page.fill("[name=phone]", samples.PHONES[role])
        page.fill("[name=password]", DEMO_PASSWORD)
        page.press("[name=password]", "Enter")
        page.wait_for_url(lambda url: "/login" not in url)
        if elder:
            page.click("button[name=elder]")
            page.wait_for_selector("html[data-mode=elder]")
        if english:
            page.goto("/me/")
            page.click("main button[name=language][value=en]")
            page.wait_for_selector("html[lang=en]")
        reader.complaints.clear()
        yield reader
        context.close()

    return signed_in


LOOKS = [("phone", {}), ("elder", {"elder": True}), ("dark", DARK)]


@pytest.mark.parametrize(("how", "options"), LOOKS)
def test_one_tap_says_why_and_the_page_and_its_file_follow(told, person, how, options):
    with person("staff", **options) as reader:
        page, elder = reader.page, how == "elder"
        page.goto("/care/wearers/1/")
        assert page.locator("#why button").count() == 7
        assert "132/84" not in page.inner_text("main")
        assert reader.faults(elder=elder) == []
        page.goto("/care/wearers/1/vitals")
        assert reader.faults(elder=elder) == []
        page.click("#why button:has-text('给医生看')")
        page.wait_for_selector("#to-csv")
        with page.expect_download() as coming:
            page.click("#to-csv")
        assert coming.value.suggested_filename.endswith(".csv")
        page.goto("/care/wearers/1/")
        assert "132/84" in page.inner_text("main")


def test_a_link_to_a_file_asks_first_and_then_sends_it(told, person):
    with person("staff", **DESKTOP) as reader:
        page = reader.page
        page.goto("/care/wearers/1/vitals.csv")
        assert "选好以后就开始下载" in page.inner_text("main")
        with page.expect_download() as coming:
            page.click("#why button:has-text('写事件报告')")
        assert coming.value.suggested_filename.endswith(".csv")


@pytest.mark.parametrize(
    ("how", "options"),
    [*LOOKS, ("desktop", DESKTOP), ("english", {"english": True, **DESKTOP})],
)
def test_an_administrator_reads_filters_and_checks_the_record(told, person, how, options):
    with person("staff", **DESKTOP) as reader:
        reader.page.goto("/care/wearers/1/vitals?why=doctor")
    with person("admin", **options) as reader:
        page, elder = reader.page, how == "elder"
        page.goto("/desk/audit/")
        assert reader.faults(elder=elder) == []
        page.click("#verify")
        page.wait_for_selector("#state .audit-whole")
        assert reader.faults(elder=elder) == []
        page.click("#anchor summary")
        assert "seal=" in page.inner_text("#anchor")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.fill("#wearer", "张桂兰")
        page.select_option("#group", "looks")
        page.click("#audit-filters button")
        page.wait_for_url("**wearer=*")
        shown = page.inner_text(".audit-rows")
        assert ("To show a doctor" if how == "english" else "为了给医生看") in shown
        assert reader.faults(elder=elder) == []
        with page.expect_download() as coming:
            page.click("#to-csv")
        assert coming.value.suggested_filename.endswith(".csv")


@pytest.mark.parametrize(("how", "options"), LOOKS)
def test_a_guardian_reads_what_ends_and_steps_down(told, person, how, options):
    with person("resident", **options) as reader:
        page, elder = reader.page, how == "elder"
        page.goto("/care/wearers/1/consents")
        page.click("a[href$='/leave']")
        assert "最后一位监护人" in page.inner_text("#leave")
        assert reader.faults(elder=elder) == []
        page.click("#leave button")
        page.wait_for_selector("#leave .note-danger")
        page.check("#leave [name=sure]")
        page.click("#leave button")
        page.wait_for_url("**/me/guardians")
        assert page.goto("/care/wearers/1/").status == 404


@pytest.mark.parametrize(("how", "options"), LOOKS)
def test_a_resident_takes_their_data_along(person, how, options):
    with person("resident", **options) as reader:
        page = reader.page
        page.goto("/me/security")
        page.click("a[href='/me/data']")
        page.wait_for_selector("#export")
        assert reader.faults(elder=how == "elder") == []
        with page.expect_download() as coming:
            page.click("#export")
        assert coming.value.suggested_filename == "shouwang-account.zip"


@pytest.mark.parametrize("elder", [False, True])
def test_a_wearer_finds_themself_by_the_bar(told, person, elder):
    with person("wearer", elder=elder) as reader:
        page = reader.page
        page.goto("/")
        page.click("nav.tabs a[href='/care/mine']")
        page.wait_for_url("**/care/mine")
        assert page.locator("nav.tabs a[aria-current=page]").get_attribute("href") == "/care/mine"
        assert reader.faults(elder=elder) == []
