"""A profile changed while the real gateway runs: the next fix judges by it, and nothing is forgotten."""

from __future__ import annotations

import http.server
import json
import queue
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import httpx
import msgspec
import paho.mqtt.client as paho
import pytest

from gateway.told import ProfileInForce, SyncBatch
from portal.demo import DEMO_PASSWORD, LOGINS

ROOT = Path(__file__).parents[2]
LAT, LON = 31.15535, 121.10460
M = 1 / 110_860
LIVE_S = 2.0
"""From an order's answer, over the next fix, to its alarm in the journal."""

pytestmark = pytest.mark.slow


def shouwang(house, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shouwang", *words, "--config", str(house.config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def until(true) -> None:
    ends = time.monotonic() + 20
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


def profile(radius_m: float) -> dict:
    """The configured profile of 张桂兰, with a fence around her home."""
    fence = {"id": "home", "name": "3栋", "centre": [LAT, LON], "radius_m": radius_m, "dwell_s": 0}
    son = {"id": "li-jianguo", "name": "李建国", "relation": "儿子", "phone": "+8613800138001"}
    return {"name": "张桂兰", "beidou_number": 101, "contacts": [son], "fences": [fence]}


class Band:
    """A SenML band over MQTT; a fix is acknowledged after its commit."""

    def __init__(self, house) -> None:
        key = (house.folder / "var/secrets/band-zhang").read_text()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="band-zhang")
        self.client.username_pw_set("band-zhang", key)
        self.client.connect("127.0.0.1", int(house.ports["18830"]))
        self.client.loop_start()

    def at(self, north_m: float) -> None:
        """Publish a fix so far north of home, and wait for its acknowledgement."""
        name = {"bn": "urn:dev:sw:band-zhang:", "bt": time.time()}
        records = [
            name | {"n": "lat", "u": "lat", "v": LAT + north_m * M},
            {"n": "lon", "u": "lon", "v": LON},
            {"n": "acc", "u": "m", "v": 5},
        ]
        told = self.client.publish("sw/xinhe/band-zhang/up", json.dumps(records), qos=1)
        told.wait_for_publish(10)
        assert told.is_published()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def band_of():
    """Makes a Band; it hangs up afterwards."""
    made: list[Band] = []

    def make(house) -> Band:
        made.append(Band(house))
        return made[-1]

    yield make
    for one in made:
        one.close()


def codes(house) -> list[str]:
    """What was alarmed about fences, in order."""
    rows = house.query("select body from alarms where kind = 'fence' order by seq")
    return [json.loads(body)["why"]["code"] for (body,) in rows]


def track(house) -> dict:
    ((body,),) = house.query("select body from states where owner = 'fence/zhang-guilan'")
    return json.loads(body)["tracks"]["home"]


def versions(house) -> list[tuple]:
    return house.query(
        "select version, source, ordered_by from profiles where wearer = 'zhang-guilan' order by version"
    )


def set_profile(house, radius_m: float) -> None:
    file = house.folder / "profile.json"
    file.write_text(json.dumps(profile(radius_m)), encoding="utf-8")
    run = shouwang(house, "profile", "set", "zhang-guilan", "--file", str(file), "--by", "周敏")
    assert (run.returncode, run.stderr) == (0, "")


def test_a_fence_drawn_closer_at_the_box_alarms_at_the_next_fix_and_holds_after_kill_9(house, band_of):
    there = house()
    gateway = there.start("gateway")
    set_profile(there, 200)
    band = band_of(there)
    band.at(100)
    assert track(there)["place"] == "inside"
    set_profile(there, 50)
    changed = time.monotonic()
    assert track(there)["place"] == "inside", "what is known of the wearer stays"
    band.at(101)
    took_s = time.monotonic() - changed
    assert codes(there) == ["fence_exit"]
    assert took_s <= LIVE_S
    print(f"from the order's answer to the alarm: {took_s:.3f} s")
    assert gateway.process.poll() is None, "no restart"
    assert versions(there) == [(1, "file", ""), (2, "portal", "周敏"), (3, "portal", "周敏")]
    gateway.kill()
    after = there.start("gateway")
    assert track(there)["place"] == "outside"
    shown = shouwang(there, "profile", "show", "zhang-guilan")
    assert json.loads(shown.stdout)["fences"][0]["radius_m"] == 50
    assert "version 3" in shown.stderr
    refused = shouwang(there, "profile", "restore", "zhang-guilan", "9")
    assert (refused.returncode, "kept: 1, 2, 3" in refused.stderr) == (1, True)
    assert after.process.poll() is None


def test_a_changed_file_is_reloaded_and_a_wrong_one_leaves_everything(house, band_of):
    """`shouwang reload`, and the signal: the file's wearers follow, and what waits is said."""
    there = house()
    gateway = there.start("gateway")
    band = band_of(there)
    text = there.config.read_text(encoding="utf-8")
    contacts = 'phone = "+8613800138002" },\n]\n'
    fence = '[[wearers.fences]]\nid = "home"\nname = "3栋"\ncentre = [31.15535, 121.10460]\ndwell_s = 0\n'
    assert text.count(contacts) == 1
    wide = text.replace(contacts, contacts + fence + "radius_m = 200\n")
    there.config.write_text(wide.replace("max_size_mb = 2048", "max_size_mb = 1024"), encoding="utf-8")
    run = shouwang(there, "reload")
    assert run.returncode == 0, run.stderr
    assert "in force: wearers.zhang-guilan (version 2)" in run.stdout
    assert "waits for a restart: journal.max_size_mb" in run.stdout
    band.at(100)
    assert track(there)["place"] == "inside"

    there.config.write_text(wide.replace("radius_m = 200", 'radius_m = "far"'), encoding="utf-8")
    wrong = shouwang(there, "reload")
    assert wrong.returncode == 2
    assert "radius_m" in wrong.stderr
    gateway.process.send_signal(1)
    gateway.wait_for("not reloaded")
    band.at(101)
    assert codes(there) == []

    there.config.write_text(wide.replace("radius_m = 200", "radius_m = 50"), encoding="utf-8")
    gateway.process.send_signal(1)
    changed = time.monotonic()
    gateway.wait_for("reloaded: wearers.zhang-guilan (version 3)")
    took_s = time.monotonic() - changed
    band.at(102)
    assert codes(there) == ["fence_exit"]
    print(f"from the signal to the log line of the reload: {took_s:.3f} s")


def test_fences_imported_from_a_map_hold_at_once_unless_a_profile_was_ordered(house, band_of):
    there = house(**{'fences_dir = "data/fences"': 'fences_dir = "fences"'})
    there.start("gateway")
    circle = {"type": "Point", "coordinates": [LON, LAT]}
    columns = {"id": "home", "name": "3栋", "radius_m": 50, "dwell_s": 0}
    feature = {"type": "Feature", "properties": columns, "geometry": circle}
    drawn = there.folder / "drawn.geojson"
    drawn.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), encoding="utf-8")
    run = shouwang(there, "fence", "import", str(drawn), "--wearer", "zhang-guilan")
    assert "they hold now" in run.stdout, run.stderr
    band_of(there).at(101)
    assert codes(there) == ["fence_exit"]
    assert versions(there) == [(1, "file", ""), (2, "file", "")]
    set_profile(there, 200)
    again = shouwang(there, "fence", "import", str(drawn), "--wearer", "zhang-guilan", "--replace")
    assert (again.returncode, "they do not hold" in again.stdout) == (1, True)


# ------------------------------------------------------------------ from the portal


class Server(http.server.ThreadingHTTPServer):
    """A gateway that is killed leaves its long poll behind: no trouble of ours."""

    def handle_error(self, *_args) -> None:
        """Quiet."""


class Portal:
    """The portal's end of both lines, as a real HTTP server: hands out commands, keeps what it is told."""

    def __init__(self, port: int) -> None:
        self.commands: list[dict] = []
        self.through_seq = 0
        self.told: queue.Queue = queue.Queue()
        self.came = threading.Condition()
        self.server = Server(("127.0.0.1", port), self._handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def order(self, name: str, **fields) -> int:
        with self.came:
            number = len(self.commands) + 1
            self.commands.append({"number": number, "command": f"c{number}", "name": name, **fields})
            self.came.notify_all()
        return number

    def hears(self, kind: str, timeout_s: float = 20):
        """The next event of a kind that the gateway tells."""
        while True:
            payload = self.told.get(timeout=timeout_s)
            if type(payload).__struct_config__.tag == kind:
                return payload

    def page(self, after: int, wait_s: float) -> list[dict]:
        with self.came:
            self.came.wait_for(lambda: len(self.commands) > after, timeout=min(wait_s, 5))
            return self.commands[after:]

    def _handler(portal):  # noqa: N805 (the handler has a self of its own)
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                asked = parse_qs(urlparse(self.path).query)
                page = portal.page(int(asked["after"][0]), float(asked["wait_s"][0]))
                self._say({"commands": page})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                batch = msgspec.json.decode(body, type=SyncBatch)
                for event in batch.events:
                    portal.told.put(event.payload)
                    portal.through_seq = event.seq
                self._say({"through_seq": portal.through_seq})

            def _say(self, answer: dict) -> None:
                body = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args) -> None:
                """Quiet."""

        return Handler


@pytest.fixture
def portal_at():
    """Makes a Portal; its server ends with the test."""
    made: list[Portal] = []

    def make(port: int) -> Portal:
        made.append(Portal(port))
        return made[-1]

    yield make
    for one in made:
        one.server.shutdown()
        one.server.server_close()


def in_force(portal, wearer="zhang-guilan") -> ProfileInForce:
    while True:
        told = portal.hears("profile")
        if told.wearer == wearer:
            return told


def test_a_fence_drawn_closer_in_the_portal_alarms_at_the_next_fix(house, band_of, portal_at):
    there = house()
    portal = portal_at(int(there.ports["18088"]))
    gateway = there.start("gateway")
    assert (in_force(portal).version, portal.commands) == (1, [])
    portal.order("set_profile", wearer="zhang-guilan", by="李晓梅", profile=profile(200), base_version=1)
    assert portal.hears("command").done
    band = band_of(there)
    band.at(100)

    ordered = time.monotonic()
    portal.order("set_profile", wearer="zhang-guilan", by="李晓梅", profile=profile(50), base_version=2)
    told = in_force(portal)
    while told.version != 3:
        told = in_force(portal)
    band.at(101)
    took_s = time.monotonic() - ordered
    assert codes(there) == ["fence_exit"]
    assert took_s <= LIVE_S
    print(f"from the portal's order to the alarm: {took_s:.3f} s")
    assert (told.source, told.by, told.profile.fences[0].radius_m) == ("portal", "李晓梅", 50)

    portal.order("set_profile", wearer="zhang-guilan", by="李晓梅", profile=profile(70), base_version=2)
    while (done := portal.hears("command")).command != "c3":
        pass
    assert (done.done, done.reason) == (False, "version 3 is in force, this was made from version 2")
    portal.order("set_profile", wearer="zhang-guilan", by="李晓梅", profile={"name": 1}, base_version=3)
    done = portal.hears("command")
    assert not done.done
    assert {line.partition(" = ")[0] for line in done.reason.splitlines()} == {
        "profile.name",
        "profile.contacts",
    }
    gateway.kill()
    there.start("gateway")
    assert versions(there)[-1] == (3, "portal", "李晓梅")
    portal.order("restore_profile", wearer="zhang-guilan", by="李晓梅", version=2)
    told = in_force(portal)
    assert (told.version, told.source, told.restores) == (4, "rollback", 2)
    assert told.profile.fences[0].radius_m == 200
    assert [number for number, *_ in versions(there)] == [1, 2, 3, 4], "the orders of before came once"


def test_a_journal_the_portal_is_ahead_of_counts_on_and_the_portal_can_order_again(house, portal_at):
    """A backup that was put back: the portal has seen versions this journal knows nothing of."""
    there = house()
    portal = portal_at(int(there.ports["18088"]))
    portal.through_seq = 5000
    gateway = there.start("gateway")
    while in_force(portal).version != 1001:
        pass
    portal.order("set_profile", wearer="zhang-guilan", by="李晓梅", profile=profile(50), base_version=1001)
    assert portal.hears("command").done
    gateway.kill()
    there.start("gateway")
    assert versions(there) == [(1, "file", ""), (1001, "file", ""), (1002, "portal", "李晓梅")]


def test_a_wearer_only_the_portal_knows_is_watched_and_gets_a_band_at_the_desk(house, portal_at):
    there = house()
    portal = portal_at(int(there.ports["18088"]))
    there.start("gateway")
    new = profile(80) | {"name": "周玉兰", "beidou_number": 301}
    portal.order("set_profile", wearer="zhou-yulan", by="李晓梅", profile=new, base_version=0)
    told = in_force(portal, "zhou-yulan")
    assert (told.version, told.profile.name) == (1, "周玉兰")
    added = ("device", "add", "--wearer", "zhou-yulan", "--protocol", "senml", "--id", "band-zhou")
    run = shouwang(there, *added)
    assert run.returncode == 0, run.stderr
    while True:
        roster = portal.hears("roster")
        bands = {one.wearer: one.devices for one in roster.wearers}
        if bands.get("zhou-yulan"):
            break
    assert bands["zhou-yulan"] == ("band-zhou",)
    assert re.search(r"zhou-yulan +version 1 +portal", shouwang(there, "profile", "list").stdout)


# ------------------------------------------------------------------ both halves


def test_what_staff_change_in_the_real_portal_holds_at_the_next_fix_and_is_restored(house, band_of):
    """Portal and gateway as processes: changed by HTTP, alarmed at the next fix, restored, version 3."""
    there = house()
    there.start("portal")
    there.start("gateway")
    band = band_of(there)
    band.at(100)
    with httpx.Client(base_url=there.portal_url, follow_redirects=True, trust_env=False) as client:

        def token(page: str) -> str:
            found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get(page).text)
            assert found is not None
            return found[1]

        staff = next(login.phone for login in LOGINS if login.role.value == "staff")
        login = {"csrf_token": token("/login"), "phone": staff, "password": DEMO_PASSWORD}
        client.post("/login", data=login)
        until(lambda: "张桂兰" in client.get("/care/").text)
        row = r'href="(/care/wearers/\d+/)"[^>]*>(?:(?!</a>).)*张桂兰'
        page = re.search(row, client.get("/care/").text, re.DOTALL)
        assert page is not None
        path = f"/api/care/v1{page[1].removeprefix('/care')}profile"
        headers = {"X-CSRFToken": token("/me/")}
        until(lambda: client.get(path).json().get("version") == 1)
        there_now = client.get(path).json()["profile"]
        fence = profile(50)["fences"][0]
        wanted = there_now | {"fences": [fence]}
        ordered = time.monotonic()
        answer = client.put(path, json={"base_version": 1, "profile": wanted}, headers=headers)
        assert answer.status_code == 202, answer.text
        until(lambda: versions(there)[-1][:2] == (2, "portal"))
        band.at(101)
        took_s = time.monotonic() - ordered
        assert codes(there) == ["fence_exit"]
        assert took_s <= LIVE_S
        print(f"from the real portal's PUT to the alarm: {took_s:.3f} s")
        until(lambda: client.get(path).json()["version"] == 2)
        assert client.post(f"{path}/restore", json={"version": 1}, headers=headers).status_code == 202
        until(lambda: client.get(path).json()["version"] == 3)
        assert client.get(path).json()["profile"]["fences"] == []
    assert versions(there)[-1][:2] == (3, "rollback")
