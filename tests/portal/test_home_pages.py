"""The front page, the shell around every page, and how big the words are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from portal.collect_vendor import ICONS
from portal.home.display import SIZES_PX, Display, from_cookie

PORTAL = Path(__file__).parents[2] / "portal"
PUBLIC = (
    "/",
    "/community/",
    "/community/notices/",
    "/services/",
    "/services/snapshot/",
    "/cases/look-up",
    "/login",
)
MINE = ("/me/", "/cases/", "/services/repair/apply", "/services/snapshot/apply", "/care/")


@pytest.mark.parametrize("path", PUBLIC)
def test_a_passer_by_sees_the_public_pages(client, path):
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", MINE)
def test_one_has_to_sign_in_for_ones_own_pages_and_comes_back_to_them(client, people, path):
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/login?next=")
    assert people["resident"].get(path).status_code == 200


@pytest.mark.parametrize(
    "path", [*PUBLIC, *MINE, "/nowhere", "/community/posts/1", "/services/elder-allowance/apply"]
)
def test_no_page_carries_style_or_script_inside(people, path):
    """The content security policy would drop them."""
    page = people["resident"].get(path).text
    assert not re.findall(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:", page)


@pytest.mark.parametrize("path", [*PUBLIC, *MINE, "/community/posts/1", "/desk/cases/"])
def test_no_page_gives_one_name_to_two_things(people, path):
    names = re.findall(r'\sid="([^"]+)"', people["staff"].get(path).text)
    assert sorted(set(names)) == sorted(names)


def test_every_icon_that_is_used_is_in_the_sprite():
    used = set()
    for page in [*PORTAL.glob("templates/*.html"), *PORTAL.glob("*/templates/**/*.html")]:
        used |= set(re.findall(r'icon\("([a-z0-9-]+)"', page.read_text("utf-8")))
    assert used - set(ICONS) == set()


def test_elder_mode_is_remembered_on_the_device_and_left_again(browser):
    answer = browser.post("/display", elder="1", size_px="32", next="/services/")
    assert answer.headers["Location"] == "/services/"
    assert '<html lang="zh-Hans" data-mode="elder" data-size="32">' in browser.get("/").text
    browser.post("/display", elder="0")
    assert '<html lang="zh-Hans">' in browser.get("/").text


@pytest.mark.parametrize(
    "target", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", ""]
)
def test_the_way_back_never_leaves_the_house(browser, target):
    assert browser.post("/display", elder="1", next=target).headers["Location"] == "/"


@pytest.mark.parametrize("value", ["", "standard", "elder-999", "elder", "<script>", "elder-28"])
def test_any_cookie_gives_a_display(value):
    display = from_cookie(value)
    assert display.size_px in SIZES_PX
    assert from_cookie(display.cookie) == display
    assert (from_cookie("elder-28"), from_cookie("x")) == (Display(elder=True, size_px=28), Display())


def test_staff_find_their_doors_and_residents_do_not(people):
    assert 'href="/desk/cases/"' in people["staff"].get("/").text
    assert 'href="/desk/cases/"' not in people["resident"].get("/").text


def test_an_open_incident_of_mine_stands_on_top(people, gateway, samples):
    gateway.send(samples.ROSTER, samples.incident())
    page = people["guardian"].get("/").text
    assert 'class="emergency"' in page
    assert "张桂兰" in page
    assert 'class="emergency"' not in people["resident"].get("/").text


def test_a_page_that_is_not_there_says_so_and_shows_a_way_on(client):
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert 'href="/"' in answer.text


def test_the_front_page_tells_what_changed_in_my_cases(people):
    assert "处理中" in people["resident"].get("/").text
    assert "处理中" not in people["guardian"].get("/").text
