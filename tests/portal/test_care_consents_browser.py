"""A wearer of 83 reads her own page in large print and takes her consent back with two presses."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from portal.demo import DEMO_PASSWORD

from .conftest import AXE


@pytest.fixture
def elder(chromium, address, far, samples):
    """张桂兰 signed in on a telephone, in elder mode."""
    far.send(samples.ROSTER, msgspec.structs.replace(samples.at_home(), received_at=datetime.now(UTC)))
    context = chromium.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{address}/login")
    page.fill("[name=phone]", samples.PHONES["wearer"])
    page.fill("[name=password]", DEMO_PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url(lambda url: "/login" not in url)
    page.click("button[name=elder]")
    page.wait_for_selector("html[data-mode=elder]")
    yield page
    context.close()


def faults(page) -> list[str]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    return [one["id"] for one in page.evaluate("axe.run()")["violations"]]


SMALL = """[...document.querySelectorAll('main a.button, main button')]
  .filter((one) => one.getBoundingClientRect().height < 60).length"""


def test_two_presses_take_a_consent_back_and_give_it_again_takes_a_decision(elder, address):
    elder.goto(f"{address}/care/mine")
    assert faults(elder) == []
    assert elder.evaluate(SMALL) == 0
    elder.click("#mine-location .mine-withdraw")
    assert faults(elder) == []
    elder.click("#withdraw")
    elder.wait_for_url("**/care/mine")
    assert "没有人可以看" in elder.inner_text("#mine-location")
    assert "没有人可以看" not in elder.inner_text("#mine-health")
    elder.goto(f"{address}/care/wearers/1/consents/location/guardians")
    assert faults(elder) == []
    sizes = [elder.locator(name).bounding_box() for name in ("#agree", "#decline")]
    assert sizes[0]["width"] == sizes[1]["width"]
    assert sizes[0]["height"] == sizes[1]["height"]
    elder.check("input[name=until][value='365']")
    elder.click("#agree")
    elder.wait_for_url("**/care/mine")
    given = elder.inner_text("#mine-location")
    assert "家人和监护人" in given
    assert "居委会值班人员" not in given
