"""The checking of answers: pure, the same for every form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.fields import ID_CHECKS, ID_WEIGHTS, Choice, Field, Problem, check, clean, id_number_is_valid

COLOURS = (Choice(value="red", label="红"), Choice(value="blue", label="蓝"))


def one(kind: str, *typed: str, **more):
    field = Field(name="x", kind=kind, label="x", **more)
    values, problems = check((field,), {"x": list(typed)})
    return problems.get("x") or values.get("x")


@pytest.mark.parametrize(
    ("kind", "typed", "expected"),
    [
        ("text", "  你好 ", "你好"),
        ("text", "", Problem(reason="missing")),
        ("text", "长" * 201, Problem(reason="too_long", limit="200")),
        ("phone", "13800138000", "+8613800138000"),
        ("phone", "021-59780000", "+862159780000"),
        ("phone", "12", Problem(reason="phone")),
        ("phone", "abc", Problem(reason="phone")),
        ("id_number", "11010519491231002x", "11010519491231002X"),
        ("id_number", "110105194912310021", Problem(reason="id_number")),
        ("date", "2026-02-29", Problem(reason="date")),
        ("date", "2026-11-23", "2026-11-23"),
        ("moment", "2026-11-23T08:00", "2026-11-23T00:00:00+00:00"),
        ("number", "nan", Problem(reason="number")),
        ("number", "3.5", "3.5"),
        ("spot", "31.1553,121.105", "31.155300,121.105000"),
        ("spot", "91,0", Problem(reason="spot")),
        ("spot", "here", Problem(reason="spot")),
    ],
)
def test_an_answer_is_taken_or_the_reason_is_given(kind, typed, expected):
    assert one(kind, typed) == expected


def test_a_choice_that_was_not_offered_is_refused():
    assert one("select", "green", choices=COLOURS) == Problem(reason="choice")
    assert one("choices", "red", "green", choices=COLOURS) == Problem(reason="choice")
    assert one("choices", "red", "blue", "red", choices=COLOURS) == ["red", "blue"]


def test_numbers_have_bounds():
    assert one("number", "21", minimum=1, maximum=20) == Problem(reason="range", limit="1–20")
    assert one("number", "20", minimum=1, maximum=20) == "20"


def test_a_question_that_is_not_asked_needs_no_answer():
    fields = (
        Field(name="who", kind="choice", label="who", choices=COLOURS),
        Field(name="why", kind="text", label="why", when_field="who", when_value="red"),
    )
    assert check(fields, {"who": ["blue"]}) == ({"who": "blue"}, {})
    assert check(fields, {"who": ["red"]})[1] == {"why": Problem(reason="missing")}
    assert check(fields, {"who": ["blue"], "why": ["smuggled"]})[0] == {"who": "blue"}


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text):
    assert clean(clean(text)) == clean(text)
    assert "\0" not in clean(text)


@given(st.dates(min_value=__import__("datetime").date(1900, 1, 1)), st.integers(0, 999))
def test_an_identity_number_with_the_right_sign_is_valid_and_with_any_other_is_not(born, serial):
    body = f"310118{born:%Y%m%d}{serial:03d}"
    right = ID_CHECKS[sum(int(d) * w for d, w in zip(body, ID_WEIGHTS, strict=True)) % 11]
    assert id_number_is_valid(body + right)
    assert not any(id_number_is_valid(body + other) for other in ID_CHECKS if other != right)
