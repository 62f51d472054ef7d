"""The portal as a process: it answers, it streams, and it ends in order while people are watching."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.told import SyncBatch

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
import msgspec
from portal.serve import serve
from portal.settings import PortalSettings

settings = msgspec.json.decode(sys.stdin.buffer.read(), type=PortalSettings)
serve(settings, lambda url: print("ready", url, flush=True))
print("ended", flush=True)
"""


class Site:
    """A portal in processes of its own."""

    def __init__(self, settings) -> None:
        self.port, self.stream_port = settings.port, settings.stream_port
        self.connections: list[http.client.HTTPConnection] = []
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        self.process.stdin.write(msgspec.json.encode(settings).decode())
        self.process.stdin.close()
        self.cookies: dict[str, str] = {}
        self.said: list[str] = []
        for line in self.process.stdout:
            self.said.append(line.strip())
            if line.startswith("ready"):
                break

    def ask(
        self, method: str, path: str, body: bytes | str = b"", headers: dict | None = None, port: int = 0
    ):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=20)
        self.connections.append(connection)
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection.request(method, path, body, {"Cookie": cookie, **(headers or {})})
        answer = connection.getresponse()
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, value = line.split(";", 1)[0].split("=", 1)
            self.cookies[name] = value
        return answer

    def watch(self):
        return self.ask("GET", "/care/stream", port=self.stream_port)

    def stream_process(self) -> int:
        """The process that holds live pages, a child of the portal's."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for path in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            children += path.read_text().split()
        for child in children:
            with contextlib.suppress(FileNotFoundError):
                if b"portal.streaming" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
        return 0

    def sign_in(self, phone: str, password: str) -> None:
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.ask("GET", "/login").read().decode())[1]
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        body = f"csrf_token={token}&phone={phone}&password={password}"
        assert self.ask("POST", "/login", body, form).status == 302

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        self.said += [line.strip() for line in self.process.stdout]
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=30)
        self.process.stdout.close()
        for connection in self.connections:
            connection.close()


@pytest.fixture
def site(tmp_path, samples) -> Iterator[Site]:
    port, stream_port = samples.free_port(), samples.free_port()
    made = samples.make_settings(f"sqlite:///{tmp_path / 'site.db'}", tmp_path)
    url = f"http://127.0.0.1:{port}"
    site = Site(msgspec.structs.replace(made, port=port, stream_port=stream_port, public_url=url))
    yield site
    site.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_streams_what_a_gateway_tells_and_ends_in_order_with_streams_open(site, gateway, samples, number):
    assert site.said[-1] == f"ready http://127.0.0.1:{site.port}"
    site.sign_in("13800138002", "shouwang-demo")

    def tell(*payloads) -> None:
        batch = msgspec.json.encode(SyncBatch(gateway=samples.GATEWAY, events=gateway.rows(*payloads)))
        assert site.ask("POST", "/api/gateway/v1/events", batch, gateway.headers).status == 200

    tell(samples.ROSTER, samples.at_home(ago_s=60))
    live = site.watch()
    assert live.headers["Content-Type"].startswith("text/event-stream")
    told = threading.Event()

    def follow() -> None:
        for line in iter(live.readline, b""):
            if line == b"event: wearer\n":
                told.set()

    following = threading.Thread(target=follow)
    following.start()
    others = [site.watch() for _ in range(5)]
    tell(samples.at_home())
    assert told.wait(20)
    assert site.end(number) == 0
    following.join(timeout=10)
    assert not following.is_alive(), "the stream ended with the portal"
    assert site.said[-1] == "ended"
    for answer in (live, *others):
        answer.close()


def test_a_stream_process_that_is_killed_comes_back_and_pages_ask_meanwhile(site, gateway, samples):
    site.sign_in("13800138002", "shouwang-demo")
    live, first = site.watch(), site.stream_process()
    assert live.status == 200
    os.kill(first, signal.SIGKILL)
    while live.readline():
        pass
    live.close()
    asked = site.ask("GET", "/care/changes?after=0")
    assert (asked.status, asked.headers["Content-Type"].split(";")[0]) == (200, "text/event-stream")
    ends = time.monotonic() + 20
    again = None
    while again is None and time.monotonic() < ends:
        with contextlib.suppress(OSError, http.client.HTTPException):
            again = site.watch()
            again = again if again.status == 200 else None
    assert again is not None
    assert site.stream_process() not in {0, first}
    assert site.end(signal.SIGTERM) == 0
    while again.readline():
        pass
    again.close()


def test_nothing_is_left_when_the_portal_itself_is_killed(site):
    stream = site.stream_process()
    assert stream
    site.process.kill()
    ends = time.monotonic() + 20
    while Path(f"/proc/{stream}").exists() and time.monotonic() < ends:
        os.sched_yield()
    assert not Path(f"/proc/{stream}").exists()


def test_browsers_that_stay_connected_without_asking_take_nobody_s_place(site):
    idle = [site.ask("GET", "/healthz") for _ in range(120)]
    assert {answer.read() for answer in idle} == {b'{"status":"ok"}'}
    assert site.ask("GET", "/healthz").status == 200


def test_a_gateway_that_waits_for_commands_does_not_hold_the_end_up(site, gateway):
    waiting = threading.Thread(
        target=lambda: site.ask("GET", "/api/gateway/v1/commands?wait_s=25", headers=gateway.headers).read()
    )
    waiting.start()
    assert site.ask("GET", "/healthz").status == 200
    assert site.end(signal.SIGTERM) == 0
    waiting.join(timeout=10)
    assert not waiting.is_alive()
