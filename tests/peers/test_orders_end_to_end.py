"""Orders through real processes: from desk or portal to a watch on its line and back, past a kill."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import msgspec
import pytest

from gateway.told import BandOrderChanged
from portal.demo import DEMO_PASSWORD, LOGINS

ROOT = Path(__file__).parents[2]
WATCH = "4700186508"
FRAME = re.compile(rb"\[3G\*(\d+)\*[0-9A-F]{4}\*([A-Z]+)([^\]]*)\]")

pytestmark = pytest.mark.slow


class Watch:
    """A watch on its line: says hello, waits for orders, answers when told to."""

    def __init__(self, house) -> None:
        self.line = socket.create_connection(("127.0.0.1", int(house.ports["15093"])), timeout=20)
        self.heard = b""
        self.say("LK,0,10,100")
        assert self.hears() == "LK"

    def say(self, words: str) -> None:
        self.line.sendall(f"[3G*{WATCH}*{len(words):04X}*{words}]".encode())

    def hears(self) -> str:
        """The next command that comes down."""
        while (found := FRAME.search(self.heard)) is None:
            data = self.line.recv(4096)
            assert data, "the gateway closed the line"
            self.heard += data
        self.heard = self.heard[found.end() :]
        assert found[1].decode() == WATCH
        return found[2].decode()


@pytest.fixture
def watch_of():
    """Makes a Watch; its line is closed afterwards."""
    made: list[Watch] = []

    def make(house) -> Watch:
        made.append(Watch(house))
        return made[-1]

    yield make
    for one in made:
        one.line.close()


def send(there, *words: str, wait_s: float = 20) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "shouwang", "device", "send", *words, "--wait", str(wait_s)]
    return subprocess.Popen(
        [*command, "--config", str(there.config)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def states(there) -> list[tuple[str, str]]:
    rows = there.query("select payload from events where kind = 'band_order' order by seq")
    told = [msgspec.json.decode(payload, type=BandOrderChanged) for (payload,) in rows]
    return [(one.name, one.state) for one in told]


def until(true) -> None:
    ends = time.monotonic() + 20
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_watch_is_rung_from_the_desk_and_its_answer_ends_the_command(house, watch_of):
    there = house()
    there.start("gateway")
    watch = watch_of(there)
    sending = send(there, WATCH, "find")
    assert watch.hears() == "FIND"
    watch.say("FIND")
    said, _ = sending.communicate(timeout=30)
    assert (sending.returncode, said.splitlines()[-1].endswith("手环已执行 done")) == (0, True)
    assert "waiting for the band" in said.splitlines()[0]


def test_a_command_that_gets_nowhere_says_so_in_its_exit_status(house):
    there = house()
    there.start("gateway")
    for words, status, said in (
        ((WATCH, "fences"), 1, "unsupported"),
        (("--wearer", "wang-deshun", "find"), 1, "waiting for the band"),
        (("nothing", "find"), 1, "there is no band nothing"),
        ((WATCH, "interval", "--seconds", "1"), 1, "seconds"),
        ((WATCH, "explode"), 2, ""),
        (("find",), 2, ""),
    ):
        sending = send(there, *words, wait_s=0.5)
        told, _ = sending.communicate(timeout=30)
        assert (words, sending.returncode, said in told) == (words, status, True)


def test_a_gateway_that_does_not_run_is_said_so(house):
    there = house()
    sending = send(there, WATCH, "find")
    said, _ = sending.communicate(timeout=30)
    assert (sending.returncode, "no journal" in said) == (1, True)


def test_an_order_that_was_not_answered_before_a_kill_is_sent_again_and_a_call_back_is_not(house, watch_of):
    there = house()
    gateway = there.start("gateway")
    watch = watch_of(there)
    for words in (("find",), ("call-back", "--phone", "+8613800138003")):
        send(there, WATCH, *words, wait_s=0).communicate(timeout=30)
    assert [watch.hears(), watch.hears()] == ["FIND", "CALL"]
    until(lambda: {("find", "delivered"), ("call_back", "delivered")} <= set(states(there)))
    gateway.kill()
    there.start("gateway")
    watch = watch_of(there)
    assert watch.hears() == "FIND"
    watch.say("FIND")
    until(lambda: ("find", "done") in states(there))
    send(there, WATCH, "locate", wait_s=0).communicate(timeout=30)
    assert watch.hears() == "CR", "nothing stood before it: the call-back was not sent again"


def test_an_order_of_the_portal_reaches_the_watch_and_its_end_is_on_the_page(house, watch_of):
    there = house()
    there.start("portal")
    there.start("gateway")
    watch = watch_of(there)
    staff = next(login.phone for login in LOGINS if login.role.value == "staff")
    with httpx.Client(base_url=there.portal_url, follow_redirects=True, trust_env=False) as client:

        def post(path: str, **fields: str) -> httpx.Response:
            token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/login").text)
            token = token or re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/me/").text)
            assert token is not None
            return client.post(path, data={"csrf_token": token[1], **fields})

        post("/login", phone=staff, password=DEMO_PASSWORD)
        until(lambda: "王德顺" in client.get("/care/").text)
        path = re.search(
            r'href="(/care/wearers/\d+/)"[^>]*>(?:(?!</a>).)*王德顺', client.get("/care/").text, re.DOTALL
        )
        assert path is not None
        assert "等待网关" in post(f"{path[1]}orders", name="message", text="今晚七点开会").text
        assert watch.hears() == "MESSAGE"
        watch.say("MESSAGE")
        until(lambda: "手环已执行" in client.get(path[1]).text)
    assert states(there) == [("message", state) for state in ("waiting", "sent", "delivered", "done")]
