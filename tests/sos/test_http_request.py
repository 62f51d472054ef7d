"""A provider's tables are wrong at the start or right for ever, and the docs' examples are right."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import tomllib
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import plugins
from gateway.config_tables import Checker, SecretSource
from sos.carriers import http_text, http_voice
from sos.http_request import (
    EndRequest,
    FindRequest,
    HttpRequest,
    PlaceRequest,
    Signing,
    StatusRequest,
    national,
    reference_in,
    short_id,
)

URL = "https://api.example.com/calls"
PLACE = PlaceRequest(url=URL, id_path="id")
STATUS = StatusRequest(url=f"{URL}/{{id}}", state_path="state")


def values(request: HttpRequest, **more: str) -> dict[str, str]:
    return {name: f"<{name}>" for name in request.names} | more


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: HttpRequest(url=""), "url is ''"),
        (lambda: HttpRequest(url="ftp://h/x"), "such as https"),
        (lambda: HttpRequest(url="https:///x"), "such as https"),
        (lambda: HttpRequest(url="https://h:99999/x"), "such as https"),
        (lambda: HttpRequest(url=URL, method="FETCH"), "GET, POST, PUT, DELETE"),
        (lambda: HttpRequest(url=URL, method="GET", body="{}"), "no body and no form"),
        (lambda: HttpRequest(url=URL, body="{}", form={"a": "b"}), "one of the two"),
        (lambda: HttpRequest(url=URL, body='{"a":"{nonce}"'), "JSON once"),
        (lambda: HttpRequest(url=URL, body_format="yaml"), "json, xml, text"),
        (lambda: HttpRequest(url=f"{URL}?s={{signature}}"), "url: {signature} is not known"),
        (lambda: HttpRequest(url=URL, sign_text="{signature}"), "sign_text: {signature}"),
        (lambda: HttpRequest(url=URL, headers={"A B": "x"}), "the name of a header"),
        (lambda: HttpRequest(url=URL, headers={"A": "{phone}"}), "headers.A: {phone}"),
        (lambda: HttpRequest(url=URL, query={"q": "{rot:{nonce}}"}), "query.q"),
        (lambda: PlaceRequest(url=URL, id_path=""), "id_path is empty"),
        (lambda: PlaceRequest(url=f"{URL}/{{id}}", id_path="x"), "{id} is not known"),
        (lambda: StatusRequest(url=URL, state_path=""), "state_path is empty"),
        (lambda: EndRequest(url=f"{URL}/{{phone}}"), "{phone} is not known"),
        (lambda: FindRequest(url=URL, list_path="l", id_path="i"), "match_path and time_path are empty"),
        (lambda: FindRequest(url=URL, list_path="l", id_path="i", time_path="t", time_format="x"), "unix_ms"),
        (lambda: FindRequest(url=URL, list_path="l", id_path="", time_path="t"), "id_path is empty"),
        (lambda: FindRequest(url=URL, list_path="l", id_path="i", match_path="m", match="{ref}"), "match:"),
        (lambda: Signing(sign_hash="crc"), "hmac-sha256"),
        (lambda: Signing(sign_encoding="Hex"), "HEX, base64"),
        (lambda: Signing(sign_with="{phone}"), "sign_with"),
        (lambda: Signing(timestamp_format="now"), "timestamp_format"),
        (lambda: Signing(utc_offset_h=28800), "utc_offset_h"),
        (lambda: http_voice.Settings(place=PLACE, states={"x": "bogus"}), "states.x is 'bogus'"),
        (lambda: http_voice.Settings(place=PLACE, states={"x": "confirmed"}), "states.x"),
        (lambda: http_voice.Settings(place=PLACE, status=STATUS), "states is empty"),
        (lambda: http_voice.Settings(place=PLACE, ok_path="code"), "ok_path and ok_values"),
        (lambda: http_voice.Settings(place=PLACE, ok_path="c", ok_values=("*",)), "every answer"),
        (lambda: http_text.Settings(place=PLACE, poll_s=0), "poll_s is 0"),
        (lambda: http_text.Settings(place=PLACE, request_timeout_s=float("nan")), "request_timeout_s"),
    ],
)
def test_a_wrong_table_says_which_key_and_what_was_expected(make, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        make()


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30))
def test_a_value_reaches_every_place_whole_and_signed(body):
    request = PlaceRequest(
        url=f"{URL}/{{body}}?x=1",
        query={"q": "{body}", "sig": "{signature}"},
        form={"f": "<{body}>", "again": "{signature}"},
        headers={"X": "{signature}"},
        sign_text="{account}{body}",
        id_path="id",
    )
    filled = request.fill(values(request, body=body, account="me"), Signing(sign_encoding="HEX"))
    signature = hashlib.md5(f"me{body}".encode()).hexdigest().upper()
    parts = urlsplit(filled.url)
    assert parts.path == "/calls/" + quote(body, safe="")
    assert dict(parse_qsl(parts.query, keep_blank_values=True)) == {"x": "1", "q": body, "sig": signature}
    form = dict(parse_qsl(filled.content.decode(), keep_blank_values=True))
    assert form == {"f": f"<{body}>", "again": signature}
    assert dict(filled.headers)["X"] == signature
    assert dict(filled.headers)["Content-Type"].startswith("application/x-www-form-urlencoded")


def test_a_content_type_of_the_configuration_is_kept():
    request = HttpRequest(url=URL, body="{}", headers={"content-type": "text/x"})
    assert request.fill(values(request), Signing()).headers == (("content-type", "text/x"),)


@given(st.integers(min_value=946_684_800_000_000, max_value=4_102_444_800_000_000))
def test_a_time_that_was_written_is_read_back(at_us):
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
    signing = Signing(utc_offset_h=8)
    for style, most in (("%Y-%m-%d %H:%M:%S", 1), ("unix", 1), ("unix_ms", 0.001)):
        read = signing.read(signing.written(at, style), style)
        assert timedelta() <= at - read < timedelta(seconds=most)
    assert signing.read("soon", "unix") is None
    assert signing.read("2026-13-40", "%Y-%m-%d") is None


def test_times_are_those_of_the_zone_and_the_date_is_chinas():
    moment = Signing(timestamp_format="%Y-%m-%dT%H:%M:%SZ", utc_offset_h=0).moment(
        datetime(2026, 1, 1, 18, 0, tzinfo=UTC)
    )
    assert moment["timestamp"] == "2026-01-01T18:00:00Z"
    assert moment["date"] == "20260102"


@given(st.text(min_size=1), st.text(min_size=1))
def test_the_short_id_is_short_always_the_same_and_another_for_another_leg(one, other):
    assert short_id(one) == short_id(one)
    assert re.fullmatch(r"[a-z2-7]{15}", short_id(one))
    assert (short_id(one) == short_id(other)) == (
        one.encode("utf-8", "replace") == other.encode("utf-8", "replace")
    )


def test_numbers_and_references_are_what_providers_want():
    assert national("+8613800138001") == "13800138001"
    assert national("+4915112345678") == "+4915112345678"
    assert reference_in("张桂兰 #A7K2 求救") == "A7K2"
    assert reference_in("no reference") == ""


# --------------------------------------------------------------------------- the configuration and the docs


def checked(name: str, table: dict, monkeypatch, tmp_path):
    (tmp_path / "secrets").mkdir(exist_ok=True)
    if isinstance(table.get("secret"), dict):
        (tmp_path / table["secret"]["file"]).write_text("s3cret", encoding="utf-8")
    checker = Checker(SecretSource(base=tmp_path, demo=False))
    made = checker.table(table, plugins.settings_of("carrier", name), f"carriers.{name}")
    return made, checker.problems


def examples(root) -> list[tuple[str, dict]]:
    page = (root / "docs" / "carriers.md").read_text(encoding="utf-8")
    found = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL)]
    return [(name, table) for one in found for name, table in one.get("carriers", {}).items()]


def test_every_example_of_the_docs_is_right(root, monkeypatch, tmp_path):
    names = []
    for name, table in examples(root):
        made, problems = checked(name, table, monkeypatch, tmp_path)
        assert problems == []
        assert made is not None
        names.append(name)
    assert names.count("http_voice") >= 2
    assert "http_text" in names


def test_a_wrong_table_is_listed_with_its_path(monkeypatch, tmp_path):
    table = {
        "place": {"url": "https://h/{fone}", "id_path": "i"},
        "status": {"url": URL, "state_path": "s", "colour": "red"},
    }
    _, problems = checked("http_voice", table, monkeypatch, tmp_path)
    assert [problem.path for problem in problems] == [
        "carriers.http_voice.place",
        "carriers.http_voice.status.colour",
    ]
    assert "{fone} is not known here" in str(problems[0])


def test_the_aliyun_example_signs_what_it_sends(root, monkeypatch, tmp_path):
    """Signed again here from the decoded form, by the rules of the provider's documentation."""
    table = next(table for _, table in examples(root) if "aliyun" in table["secret"]["file"])
    made, _ = checked("http_voice", table, monkeypatch, tmp_path)
    body = '张桂兰"按下"了求救 & *~+\n'
    given_ = values(made.place, account="LTAI1", secret="s3cret", body=body, timestamp="2026-01-02T03:04:05Z")
    given_ |= {"phone_national": "13800138001", "leg_short": short_id("x"), "nonce": "0f" * 16}
    sent = dict(parse_qsl(made.place.fill(given_, made).content.decode(), keep_blank_values=True))
    assert json.loads(sent["TtsParam"]) == {"text": body}
    signature = sent.pop("Signature")
    pairs = "&".join(f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in sorted(sent.items()))
    text = f"POST&%2F&{quote(pairs, safe='~')}"
    assert base64.b64decode(signature) == hmac.digest(b"s3cret&", text.encode(), "sha1")


def test_the_yuntongxun_example_signs_as_documented(root, monkeypatch, tmp_path):
    table = next(table for _, table in examples(root) if "yuntongxun" in table["secret"]["file"])
    made, _ = checked("http_voice", table, monkeypatch, tmp_path)
    given_ = values(made.place, account="acc", secret="tok", timestamp="20260102030405", body='a"b')
    filled = made.place.fill(given_, made)
    expected = hashlib.md5(b"acctok20260102030405").hexdigest().upper()
    assert filled.url.endswith(f"/Accounts/acc/Calls/LandingCalls?sig={expected}")
    assert base64.b64decode(dict(filled.headers)["Authorization"]) == b"acc:20260102030405"
    assert json.loads(filled.content)["mediaTxt"] == 'a"b'
