"""Templates are text with holes, and a value never breaks out of its place."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sos.http_template import (
    as_is,
    at_path,
    for_header,
    for_json,
    for_url,
    for_xml,
    matches,
    parse,
    sign,
    word,
)

KNOWN = frozenset({"a", "b"})
WORDS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)
XML_WORDS = st.text(alphabet=st.characters(min_codepoint=0x20, exclude_categories=["Cs", "Cc"]), max_size=40)


def filled(text: str, a: str, escape=as_is) -> str:
    return parse(text, known=KNOWN).fill({"a": a, "b": "B"}, escape)


@given(WORDS)
def test_a_value_in_a_json_string_is_read_back_as_it_was(value):
    assert json.loads(filled('{"x":{"y":["{a}"]},"z":1}', value, for_json)) == {"x": {"y": [value]}, "z": 1}


@given(WORDS)
def test_a_value_in_an_address_is_one_piece_of_it(value):
    said = filled("https://h/{a}?k={a}", value, for_url)
    assert unquote(said.partition("?k=")[2]) == value
    assert not set("/?&#= ") & set(said.partition("?k=")[2])


@given(XML_WORDS)
def test_a_value_in_xml_is_read_back_as_it_was(value):
    assert ET.fromstring(filled('<r k="{a}">{a}</r>', value, for_xml)).get("k") == value.replace("\n", " ")


@given(st.text(max_size=40))
def test_a_value_in_a_header_cannot_begin_another(value):
    said = filled("x {a}", value, for_header)
    assert not any(ord(sign) < 0x20 or ord(sign) == 0x7F for sign in said)


@given(WORDS)
def test_functions_are_what_they_are_called(value):
    raw = value.encode()
    assert base64.b64decode(filled("{base64:{a}:{b}}", value)) == raw + b":B"
    assert filled("{md5:{a}}", value) == hashlib.md5(raw).hexdigest()
    assert filled("{sha256:{a}}", value) == hashlib.sha256(raw).hexdigest()
    assert unquote(filled("{url:{a}}", value)) == value
    assert json.loads(json.loads(f'"{filled("{json:{json:{a}}}", value)}"').join('""')) == value


@given(st.text(alphabet='{}:"a b0', max_size=30))
def test_any_text_is_a_template_or_a_named_mistake(text):
    try:
        template = parse(text, known=KNOWN)
    except ValueError:
        return
    assert template.names <= KNOWN
    template.fill({"a": "1", "b": "2"})


@given(st.text(alphabet=' {}":,1', max_size=30))
def test_text_without_placeholders_stays_as_it_is(text):
    assert parse(text, known=KNOWN).fill({}) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{phon}", "{phon} is not known here; known: a, b"),
        ("{rot13:{a}}", "is no function"),
        ("{base64:{a}", "never closed"),
        ("{url:" * 9 + "{a}" + "}" * 9, "more than 8 deep"),
    ],
)
def test_a_wrong_template_says_what_is_wrong(text, said):
    with pytest.raises(ValueError, match=said):
        parse(text, known=KNOWN)


def test_braces_inside_a_function_belong_to_its_text():
    assert filled('{base64:{"k":{"v":"{a}"}}}!', "x") == base64.b64encode(b'{"k":{"v":"x"}}').decode() + "!"


def test_a_published_signature_is_met():
    """The example of Alibaba Cloud's documentation of its RPC signature (DescribeRegions)."""
    query = (
        "AccessKeyId={a}&Action=DescribeRegions&Format=XML&SignatureMethod=HMAC-SHA1"
        "&SignatureNonce=3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf&SignatureVersion=1.0"
        "&Timestamp={url:2016-02-23T12:46:24Z}&Version=2014-05-26"
    )
    text = filled("GET&%2F&{url:" + query + "}", "testid")
    assert (
        sign(text, key="testsecret&", hashed="hmac-sha1", encoding="base64") == "OLeaidS1JvxuMvnyHOwuJ+uX5qY="
    )


@given(WORDS, WORDS)
def test_signatures_are_the_standard_ones(key, text):
    raw = text.encode()
    assert sign(text, key=key, hashed="md5", encoding="HEX") == hashlib.md5(raw).hexdigest().upper()
    assert sign(text, key=key, hashed="sha256", encoding="hex") == hashlib.sha256(raw).hexdigest()
    expected = hmac.new(key.encode(), raw, hashlib.sha256).digest()
    assert base64.b64decode(sign(text, key=key, hashed="hmac-sha256", encoding="base64")) == expected


def test_a_path_leads_through_tables_lists_and_json_in_text():
    answer = {"a": [{"b": '{"state": "502", "n": [7]}'}], "c": None}
    assert at_path(answer, "a.0.b.state") == "502"
    assert at_path(answer, "a.0.b.n.0") == 7
    assert at_path(answer, "") is answer
    for nowhere in ("a.1", "a.b", "c.d", "x", "a.0.b.state.y", "a.-1", "a.²", "a.0.b.n.9"):
        assert at_path(answer, nowhere) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.text(alphabet="ab01.", max_size=8))
def test_any_answer_and_any_path_give_a_word(answer, path):
    assert isinstance(word(at_path(answer, path)), str)


def test_words_of_json_are_compared_as_the_configuration_writes_them():
    assert [word(value) for value in (0, True, False, " OK ", None, {}, [], 1.5)] == [
        "0",
        "true",
        "false",
        "OK",
        "",
        "",
        "",
        "1.5",
    ]


def test_a_pattern_that_ends_in_a_star_stands_for_all_that_begins_so():
    assert matches("isv.LIMIT", ("OK", "isv.*"))
    assert not matches("isvLIMIT", ("OK", "isv.*"))
    assert not matches("OKAY", ("OK",))
