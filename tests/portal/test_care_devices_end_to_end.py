"""A band registered on the portal's page connects with the key the page showed, until it is revoked there.

Portal and gateway are real processes, the band is a real MQTT client, the office a real session.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from html import unescape

import httpx
import paho.mqtt.client as paho
import pytest

from portal import demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LIST = "/care/devices/"
DEADLINE_S = 60


class Office:
    """周敏 with a session at the portal."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=20, trust_env=False)
        form = {"phone": "13800138090", "password": demo.DEMO_PASSWORD}
        assert self.send("/login", "/login", **form).status_code == 302

    def send(self, form: str, to: str, **fields) -> httpx.Response:
        """Fill in the form of a page and send it."""
        page = self.client.get(form).text
        hidden = dict(re.findall(r'<input type="hidden" name="(csrf_token|once)" value="([^"]*)"', page))
        return self.client.post(to, data=hidden | fields)

    def until(self, path: str, come: Callable[[str], object]) -> str:
        """A page once it is as wanted."""
        ends, page = time.monotonic() + DEADLINE_S, ""
        while time.monotonic() < ends:
            page = self.client.get(path).text
            if come(page):
                return page
            time.sleep(0.1)
        raise AssertionError(f"it never came:\n{page}")

    def ordered(self, path: str, **fields) -> str:
        """Give an order; its page once its gateway has answered."""
        answer = self.send(path, path, **fields)
        assert answer.status_code == 302, answer.text
        return self.until(answer.headers["location"], lambda page: "data-follow" not in page)


class Band:
    """A wristband on MQTT; `answer` is whether it was let in."""

    def __init__(self, home, name: str, key: str) -> None:
        self.name, self.gone, self.answered, self.answer = name, threading.Event(), threading.Event(), False
        version = paho.CallbackAPIVersion.VERSION2
        self.client = paho.Client(version, client_id=name, reconnect_on_failure=False)
        self.client.username_pw_set(name, key)
        self.client.on_connect = self._connected
        self.client.on_disconnect = lambda *_: self.gone.set()
        self.client.connect("127.0.0.1", int(home.ports["18830"]))
        self.client.loop_start()
        assert self.answered.wait(10)
        if not self.answer:
            self.close()

    def _connected(self, _client, _data, _flags, reason, _properties) -> None:
        self.answer = not reason.is_failure
        self.answered.set()

    def publish(self) -> None:
        pack = json.dumps([{"n": "heart_rate", "u": "beat/min", "v": 71}])
        self.client.publish(f"sw/xinhe/{self.name}/up", pack, qos=1).wait_for_publish(10)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def let_in(home, name: str, key: str) -> Band:
    """The band once it is let in: an order holds within two seconds."""
    ends = time.monotonic() + 10
    while not (band := Band(home, name, key)).answer:
        assert time.monotonic() < ends, "it was never let in"
        time.sleep(0.1)
    return band


def secret_in(page: str) -> str:
    return unescape(re.search(r'class="device-secret".*?class="key">([^<]+)<', page, re.DOTALL)[1])


@pytest.fixture
def home(house):
    made = house()
    made.start("portal")
    made.start("gateway")
    return made


@pytest.fixture
def office(home) -> Iterator[Office]:
    made = Office(home.portal_url)
    made.until(f"{LIST}register", lambda page: "张桂兰" in page)
    yield made
    made.client.close()


def test_a_band_lives_from_its_registration_to_its_revocation(home, office):
    page = office.ordered(f"{LIST}register", wearer="1", make="senml", number="band-new", label="左手")
    first = secret_in(page)
    assert len(first) == 43
    assert "上报主题" in page
    assert "sw/xinhe/band-new/up" in page
    band = let_in(home, "band-new", first)
    band.publish()
    one = f"{LIST}gw-xinhe-1/band-new/"
    assert "左手" in office.until(one, lambda page: "刚刚" in page and "还没有连上过" not in page)

    second = secret_in(office.ordered(f"{one}rekey", reason="怕被人看到"))
    assert second != first
    assert band.gone.wait(10), "the old key's connection stands"
    band.close()
    assert not Band(home, "band-new", first).answer
    band = let_in(home, "band-new", second)

    page = office.ordered(f"{one}revoke", reason="丢了", known="yes")
    assert "手环已停用" in page
    assert band.gone.wait(10), "a revoked band is still connected"
    band.close()
    assert not Band(home, "band-new", second).answer
    office.until(one, lambda page: "这只手环已停用" in page)

    page = office.ordered(f"{LIST}register", wearer="2", make="senml", number="band-new")
    third = secret_in(page)
    let_in(home, "band-new", third).close()
    for key in (first, second, third):
        for path in home.folder.rglob("*"):
            if path.is_file():
                assert key.encode() not in path.read_bytes(), path


def test_a_number_the_box_gave_away_meanwhile_is_refused_in_words(home, office, root):
    office.until(LIST, lambda page: "band-zhang" in page)
    home.programs.pop().stop()
    form = {"wearer": "1", "make": "watch/watch-cs", "number": "4700186577"}
    waits = office.send(f"{LIST}register", f"{LIST}register", **form).headers["location"]
    add = ("add", "--wearer", "liu-suzhen", "--protocol", "watch", "--id", "4700186577")
    words = (sys.executable, "-m", "shouwang", "device", *add, "--config", str(home.config))
    subprocess.run(words, cwd=root, check=True, capture_output=True, timeout=60)
    home.start("gateway")
    page = office.until(waits, lambda page: "data-follow" not in page)
    assert "守望设备上已经有手环 4700186577" in page
    assert "没有登记上" in office.client.get(LIST).text


def test_a_watch_without_a_login_is_registered_without_a_key(office):
    form = {"wearer": "1", "number": "4700186577"}
    page = office.ordered(f"{LIST}register", make="watch/watch-cs", **form)
    assert "守望设备没有 watch-cs 这个型号" in page  # this house has no folder of makes
    page = office.ordered(f"{LIST}register", make="watch", **form)
    assert "手环登记好了" in page
    assert 'class="device-secret"' not in page
    office.until(f"{LIST}gw-xinhe-1/4700186577/", lambda page: "这种线路没有登录" in page)
