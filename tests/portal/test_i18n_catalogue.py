"""Two complete languages: nothing untranslated, no Chinese of ours on an English page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from flask import session

from gateway.model import Why
from portal.care.sentences import what_words
from portal.cases.services import services
from portal.i18n import CATALOGUE, catalogues
from portal.posts.boards import boards

PORTAL = Path(__file__).parents[2] / "portal"
METHODS = [("**/templates/**.html", "jinja2"), ("templates/**.html", "jinja2"), ("**.py", "python")]
KEYWORDS = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "lazy_gettext": None,
}
HAN = re.compile(r"[\u4e00-\u9fff]")
OURS = (
    "/",
    "/community/",
    "/community/notices/",
    "/community/party/",
    "/community/posts/1",
    "/services/",
    "/services/snapshot/",
    "/services/elder-allowance/",
    "/services/social-assistance/apply",
    "/services/snapshot/apply",
    "/services/repair/apply",
    "/cases/",
    "/cases/look-up",
    "/me/",
    "/nowhere",
    "/care/",
)
NAMES = ("新河苑", "王秀英", "周敏", "李晓梅", "陈强", "林静", "中文", "居委会")
"""Names of people and places, and the name of the other language."""


def strings_in_code() -> set[str | tuple[str, ...]]:
    options = {"**/templates/**.html": {"silent": "false"}}
    found = extract_from_dir(str(PORTAL), METHODS, options, KEYWORDS)
    return {message for _file, _line, message, _comments, _context in found if message}


@pytest.fixture(scope="module")
def english() -> dict:
    known = {}
    for path in catalogues():
        known |= {message.id: message for message in read_po(BytesIO(path.read_bytes())) if message.id}
    return known


def test_every_string_is_translated(english):
    missing = [text for text in strings_in_code() if text not in english or not english[text].string]
    assert missing == []


def test_no_translation_is_left_over_from_a_string_that_is_gone():
    """In the house's own file; a feature's own may hold words that come from outside, such as 女儿."""
    own = {message.id for message in read_po(BytesIO(CATALOGUE.read_bytes())) if message.id}
    assert own - strings_in_code() == set()


def test_translations_keep_the_names_to_be_filled_in(english):
    """A plural may leave out its number; a sentence may not lose a name."""
    for text, message in english.items():
        source = text[0] if isinstance(text, tuple) else text
        said = message.string if isinstance(message.string, tuple) else (message.string,)
        for words in said:
            assert set(re.findall(r"%\(\w+\)s|%s", words)) == set(re.findall(r"%\(\w+\)s|%s", source)), text
            assert not HAN.search(words), text


def test_every_word_in_the_data_files_has_both_languages():
    def words(thing):
        if isinstance(thing, dict):
            yield thing
        elif hasattr(thing, "__struct_fields__"):
            for name in thing.__struct_fields__:
                yield from words(getattr(thing, name))
        elif isinstance(thing, tuple):
            for item in thing:
                yield from words(item)

    for offer in [*boards().values(), *services().values()]:
        for said in words(offer):
            assert set(said) == {"zh", "en"}
            assert HAN.search(said["zh"]) or said["zh"].isascii()
            assert not HAN.search(said["en"])


class Seen(HTMLParser):
    """Collects what a reader sees or hears, except what is marked as Chinese or was written by people."""

    SPOKEN = ("title", "placeholder", "aria-label", "alt", "data-many", "data-picked", "data-ask")

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.chinese: list[str] = []

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        if self.chinese:
            self.chinese += [tag] if tag not in {"br", "img", "input", "use"} else []
        elif said.get("lang", "").startswith("zh") or "comment" in (said.get("class") or "").split():
            self.chinese = [tag]
        if not self.chinese:
            self.words += [said[name] for name in self.SPOKEN if said.get(name)]

    def handle_endtag(self, tag):
        if self.chinese and tag == self.chinese[-1]:
            self.chinese.pop()

    def handle_data(self, data):
        if not self.chinese:
            self.words.append(data)


@pytest.mark.parametrize("path", OURS)
def test_an_english_page_has_no_chinese_of_ours(people, path):
    resident = people["resident"]
    resident.post("/language", language="en")
    reader = Seen()
    page = resident.get(path)
    reader.feed(page.text)
    assert '<html lang="en"' in page.text
    told = " ".join(reader.words)
    for name in (*NAMES, "12栋 3单元门口", "9栋 垃圾房旁"):
        told = told.replace(name, "")
    assert HAN.findall(told) == []


def test_an_english_sign_in_page_has_no_chinese_of_ours(browser):
    browser.post("/language", language="en")
    reader = Seen()
    reader.feed(browser.get("/login").text)
    assert HAN.findall(" ".join(reader.words).replace("新河苑", "").replace("中文", "")) == []


def test_an_english_form_complains_in_english(people):
    resident = people["resident"]
    resident.post("/language", language="en")
    page = resident.post("/services/repair/apply", contact_phone="1").text
    assert "This is still empty." in page
    assert "That phone number is not right" in page


@pytest.mark.parametrize("language", ["zh", "en"])
def test_times_are_those_of_shanghai(app, samples, language):
    from flask import session

    from portal.words import ago, clock, day

    with app.test_request_context():
        session["language"] = language
        said = (clock(samples.NOW), ago(samples.NOW), day(samples.NOW))
    assert (
        said
        == {
            "zh": ("11月23日 14:00", "刚刚", "11月23日"),
            "en": ("23 Nov 14:00", "just now", "23 Nov"),
        }[language]
    )


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh", "有两台设备自称是这只手环，请检查"),
        ("en", "has two devices that claim to be this wristband: please check"),
    ],
)
def test_an_id_that_is_claimed_twice_is_said_in_words(app, language, words):
    with app.test_request_context():
        session["language"] = language
        said = what_words("band", Why(code="id_claimed_twice", place="192.0.2.7:1, 192.0.2.8:2"))
    assert said == words


@pytest.mark.parametrize(
    ("kind", "why", "chinese", "in_english"),
    [
        (
            "vitals",
            Why(code="systolic_crisis_high", value=186, unit="mmHg"),
            "收缩压危险地偏高：186 mmHg",
            "– Systolic pressure is dangerously high: 186 mmHg",
        ),
        (
            "vitals",
            Why(code="body_temp_unusual_high", value=37.6, unit="°C"),
            "体温比平时偏高：37.6 ℃",
            "– Temperature is higher than usual: 37.6 ℃",
        ),
        (
            "vitals",
            Why(code="vitals_missing", value=4800, unit="s"),
            "手环戴着，但已 1 小时 20 分没有测到身体指标",
            "has a wristband that is heard but has measured nothing for 1 h 20 min",
        ),
        ("vitals", Why(code="something_new", value=1), "身体指标异常", "has unusual vital signs"),
        (
            "inactivity",
            Why(code="not_up", value=36_000, unit="s"),
            "今天还没有活动，已 10 小时 00 分",
            "has not moved today, for 10 h 00 min",
        ),
        ("inactivity", Why(code="drill"), "很久没有活动", "has not moved for long"),
        (
            "silence",
            Why(code="never_heard", value=259_200, unit="s"),
            "手环登记后从未有过消息，已 72 小时 00 分",
            "has a wristband never heard since it was registered, 72 h 00 min ago",
        ),
    ],
)
def test_what_happened_to_a_body_is_said_in_both_languages(app, kind, why, chinese, in_english):
    for language, words in (("zh", chinese), ("en", in_english)):
        with app.test_request_context():
            session["language"] = language
            assert what_words(kind, why) == words
