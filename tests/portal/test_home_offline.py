"""The page without a network, and what may be kept for it: by whom, and that it says what cards say."""

from __future__ import annotations

import json
import re

import pytest

from gateway.model import HeartRate


def told_of(text: str) -> dict[str, object]:
    """What the server tells the worker in its first line."""
    return json.loads(re.match(r"const TOLD = (.*);\n", text).group(1))


def test_the_worker_may_serve_the_whole_site_and_is_asked_for_anew_each_time(client):
    answer = client.get("/sw.js")
    assert (answer.status_code, answer.mimetype) == (200, "text/javascript")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert "worker-src 'self'" in answer.headers["Content-Security-Policy"]
    for path in told_of(answer.text)["files"]:
        with client.get(path) as file:
            assert (path, file.status_code) == (path, 200)


@pytest.mark.parametrize(
    ("language", "words"), [("zh", "现在连不上"), ("en", "No connection now"), ("xx", "现在连不上")]
)
def test_the_page_without_a_network_is_the_same_for_everybody(client, people, language, words):
    stranger = client.get(f"/offline?language={language}")
    known = people["guardian"].get(f"/offline?language={language}").text
    assert (words in stranger.text, stranger.text) == (True, known)
    assert "Set-Cookie" not in stranger.headers


def test_asking_for_the_page_in_english_leaves_the_reader_their_own_language(client):
    client.get("/offline?language=en")
    assert '<html lang="zh-Hans"' in client.get("/").text


def test_who_comes_to_the_page_themselves_reads_it_as_their_other_pages(browser):
    browser.post("/language", language="en")
    browser.client.set_cookie("display", "elder-28")
    page = browser.get("/offline").text
    assert '<html lang="en" data-mode="elder" data-size="28">' in page
    assert "No connection now" in page


def test_a_guardian_may_keep_what_their_cards_say_and_whom_to_call(people, gateway, samples):
    gateway.send(samples.ROSTER, samples.telemetry(HeartRate(heart_rate_bpm=70)))
    answer = people["guardian"].get("/me/last-known")
    assert answer.headers["Cache-Control"] == "no-store"
    page = people["guardian"].get("/care/").text
    (card,) = answer.json["cards"]
    assert f"{card['name']} {card['where']}" in page
    assert card["vitals"]
    assert all(words in page for words in card["vitals"])
    wearer = people["guardian"].get(re.search(r"/care/wearers/\d+/", page).group()).text
    assert card["calls"]
    assert all(f"tel:{call['phone']}" in wearer for call in card["calls"])


@pytest.mark.parametrize("role", ["staff", "resident", "admin"])
def test_nobody_else_may_keep_anything(people, role):
    assert people[role].get("/me/last-known").status_code == 404
    assert "data-keep-offline" not in people[role].get("/me/").text


def test_a_device_knows_its_owner_by_a_name_that_says_nothing(client, people):
    owners = {
        role: re.search(r'data-owner="(\w*)"', people[role].get("/").text).group(1)
        for role in ("guardian", "staff")
    }
    assert owners["guardian"] == people["guardian"].get("/me/last-known").json["owner"]
    assert len({*owners.values(), ""}) == 3
    assert 'data-owner=""' in client.get("/").text
