"""Care settings from the portal's form to the gateway's rules and back: both as real processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from portal import demo

pytestmark = pytest.mark.slow

ZHANG = "/api/care/v1/wearers/1/profile"
DEADLINE_S = 60


class Daughter:
    """李晓梅 with a session at the portal."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=20, trust_env=False)
        form = {"phone": "13800138002", "password": demo.DEMO_PASSWORD, "csrf_token": self.token("/login")}
        assert self.client.post("/login", data=form).status_code == 302

    def token(self, path: str = "/me/") -> str:
        page = self.client.get(path).text
        return page.split('name="csrf_token"', 1)[1].split('value="', 1)[1].split('"', 1)[0]

    def send(self, method: str, tail: str, body: dict) -> httpx.Response:
        return self.client.request(method, ZHANG + tail, json=body, headers={"X-CSRFToken": self.token()})

    def put(self, profile: dict, base: int) -> httpx.Response:
        return self.send("PUT", "", {"base_version": base, "profile": profile})

    def until(self, come: Callable[[dict], bool]) -> dict:
        """What the portal says of 张桂兰 once that has come about."""
        ends, found = time.monotonic() + DEADLINE_S, {}
        while time.monotonic() < ends:
            answer = self.client.get(ZHANG)
            found = answer.json()
            if answer.status_code == 200 and come(found):
                return found
            time.sleep(0.1)
        raise AssertionError(f"it never came: {found}")


@pytest.fixture
def daughter(house) -> Iterator[Daughter]:
    home = house()
    home.start("portal")
    home.start("gateway")
    made = Daughter(home.portal_url)
    yield made
    made.client.close()


def test_a_change_comes_into_force_is_refused_or_restored_and_decides_who_is_told(daughter):
    first = daughter.until(lambda found: found.get("version") == 1)
    profile = dict(first["profile"])
    assert (profile["name"], first["base_version"], first["may_edit"]) == ("张桂兰", 1, True)

    profile["fences"] = [{"id": "home", "name": "家", "centre": [31.1559, 121.1065], "radius_m": 80}]
    profile["rules"] = {"vitals": {"heart_rate_high_bpm": 110}}
    assert daughter.put(profile, 1).status_code == 202
    second = daughter.until(lambda found: found["version"] == 2 and found["standing"] is None)
    assert second["profile"]["rules"] == {"vitals": {"heart_rate_high_bpm": 110}}
    assert (second["base_version"], second["profile"]["fences"][0]["radius_m"]) == (2, 80)

    profile["rules"] = {"vitals": {"heart_rate_high_bpm": 400}, "weather": {}}
    assert daughter.put(profile, 2).status_code == 202
    refused = daughter.until(lambda found: (found["standing"] or {}).get("state") == "refused")
    reasons = refused["standing"]["reasons"]
    assert len(reasons) == 2, reasons
    assert "心率上限: 不能大于 250。" in reasons
    assert "weather: 不在可以选的几种里。" in reasons
    assert (refused["version"], refused["standing"]["outdated"]) == (2, False)
    assert refused["standing"]["profile"]["rules"] == profile["rules"]

    assert daughter.send("POST", "/restore", {"version": 1}).status_code == 202
    third = daughter.until(lambda found: found["version"] == 3)
    assert third["profile"] == first["profile"]
    rows = daughter.client.get(f"{ZHANG}/versions").json()["versions"]
    assert [(row["version"], row["source"], row["restores"], row["by"]) for row in rows] == [
        (3, "rollback", 1, "李晓梅"),
        (2, "portal", None, "李晓梅"),
        (1, "file", None, ""),
    ]

    alone = first["profile"] | {"contacts": first["profile"]["contacts"][:1]}
    assert daughter.put(alone, 3).status_code == 202
    ends = time.monotonic() + DEADLINE_S
    while daughter.client.get(ZHANG).status_code != 404:
        assert time.monotonic() < ends, "whoever is no contact any more still sees her"
        time.sleep(0.1)


def test_two_changes_sent_while_the_gateway_is_away_both_come_into_force(house):
    home = house()
    home.start("portal")
    gateway = home.start("gateway")
    daughter = Daughter(home.portal_url)
    profile = daughter.until(lambda found: found.get("version") == 1)["profile"]
    gateway.stop()
    assert daughter.put(profile | {"home": "4栋"}, 1).status_code == 202
    conflict = daughter.put(profile | {"home": "5栋"}, 1)
    assert (conflict.status_code, conflict.json()["base_version"]) == (409, 2)
    assert daughter.put(profile | {"home": "5栋"}, 2).status_code == 202
    home.start("gateway")
    found = daughter.until(lambda found: found["version"] == 3 and found["standing"] is None)
    assert found["profile"]["home"] == "5栋"
    daughter.client.close()


def test_a_change_the_configuration_file_was_faster_than_is_outdated_and_can_be_sent_again(house):
    home = house()
    home.start("portal")
    gateway = home.start("gateway")
    daughter = Daughter(home.portal_url)
    profile = daughter.until(lambda found: found.get("version") == 1)["profile"]
    gateway.stop()
    assert daughter.put(profile | {"birth_year": 1942}, 1).status_code == 202
    text = home.config.read_text("utf-8")
    assert "3栋2单元401" in text
    home.config.write_text(text.replace("3栋2单元401", "4栋"), "utf-8")
    home.start("gateway")
    found = daughter.until(lambda found: found["version"] == 2 and found["standing"]["state"] == "refused")
    assert (found["profile"]["home"], found["standing"]["outdated"]) == ("4栋", True)
    assert daughter.put(found["profile"] | {"birth_year": 1942}, 2).status_code == 202
    third = daughter.until(lambda found: found["version"] == 3 and found["standing"] is None)
    assert (third["profile"]["home"], third["profile"]["birth_year"]) == ("4栋", 1942)
    daughter.client.close()
