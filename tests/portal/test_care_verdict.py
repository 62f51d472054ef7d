"""What an alarm turned out to be: asked of whoever closes it, told to the gateway, shown afterwards."""

from __future__ import annotations

import re

import pytest


@pytest.fixture
def told(gateway, samples):
    """A gateway that has named its people and raised an alarm somebody has taken on."""
    gateway.send(samples.ROSTER, samples.at_home(ago_s=180))
    gateway.send(samples.incident("acknowledged", acknowledged_by="李晓梅"))
    return gateway


def close(staff, **fields) -> None:
    staff.post("/care/incidents/inc1/resolve", token=staff.token("/me/"), **fields)


@pytest.mark.parametrize(("chosen", "verdict"), [("false", "false"), ("true", "true"), ("test", "test")])
def test_the_verdict_goes_to_the_gateway_with_the_note(told, people, chosen, verdict) -> None:
    close(people["staff"], note="在楼下散步", verdict=chosen)
    (order,) = told.commands()
    assert (order["name"], order["note"], order["verdict"]) == ("resolve", "在楼下散步", verdict)


@pytest.mark.parametrize("fields", [{}, {"verdict": ""}, {"verdict": "perhaps"}])
def test_no_verdict_is_needed_and_none_is_made_up(told, people, fields) -> None:
    close(people["staff"], **fields)
    (order,) = told.commands()
    assert order["name"] == "resolve"
    assert "verdict" not in order


def test_the_page_asks_for_it_and_nothing_is_chosen_beforehand(told, people) -> None:
    page = people["staff"].get("/care/incidents/inc1").text
    choices = re.findall(r'<input type="radio"[^>]*name="verdict"[^>]*>', page)
    assert len(choices) == 3
    assert not any("checked" in choice for choice in choices)


def test_a_closed_incident_shows_what_it_was(told, people, samples) -> None:
    told.send(samples.incident("resolved", resolved_by="周敏", verdict="false"))
    assert re.search(r"pill-quiet[^>]*>\s*误报", people["staff"].get("/care/incidents/inc1").text)
