"""Fixtures every room may ask for."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items) -> None:
    """Let `xdist_group` count: xdist 3.8 writes a test's group where pytest 9.2 no longer reads it."""
    for item in items:
        grouped = vars(item).get("_nodeid")
        if grouped and "@" in grouped:
            item._id = type(item.id).parse(grouped)


@pytest.fixture
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture
def free_port():
    """Gives a TCP port nobody listens on, another one at each call."""
    taken: set[int] = set()

    def find() -> int:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            if port not in taken:
                taken.add(port)
                return port

    return find


SMALL_CONFIG = """
mode = "demo"
[site]
gateway = "gw-test"
community = "xinhe"
name = "新河苑"
data_dir = "var"
map_dir = "seed"
[sos]
carriers = ["twilio"]
[carriers.twilio]
account_sid = "ACtest"
auth_token = { file = "var/secrets/twilio" }
from_number = "+15005550006"
callback_url = "http://127.0.0.1:1/twilio"
base_url = "http://127.0.0.1:1"
[[wearers]]
id = "zhang"
name = "张桂兰"
devices = [{ id = "band-zhang", protocol = "senml", key = { file = "var/secrets/band-zhang" } }]
contacts = [
  { id = "son", name = "李建国", relation = "儿子", phone = "+8613800138001" },
  { id = "daughter", name = "李晓梅", relation = "女儿", phone = "+8613800138002" },
]
[[wearers]]
id = "wang"
name = "王德顺"
devices = [{ id = "4700186508", protocol = "watch" }]
contacts = [{ id = "niece", name = "王芳", phone = "+8613800138003" }]
[[wearers.fences]]
id = "home"
name = "花园"
centre = [31.155, 121.105]
radius_m = 100
"""


@pytest.fixture
def small_config(tmp_path):
    """Writes a small valid config.toml (with changes of text, and more lines) and gives its path."""

    def write(*changes: tuple[str, str], more: str = "") -> Path:
        text = SMALL_CONFIG
        for old, new in changes:
            assert old in text, f"{old!r} is not in the small configuration"
            text = text.replace(old, new)
        path = tmp_path / "config.toml"
        path.write_text(text + textwrap.dedent(more), encoding="utf-8")
        return path

    return write


class Program:
    """One of our own sub-commands as a real process, ended by its own process id."""

    def __init__(self, name: str, config: Path, log: Path) -> None:
        self.name = name
        self.log = log
        self._file = log.open("ab")
        self._start = log.stat().st_size
        self.process = subprocess.Popen(
            [sys.executable, "-m", "shouwang", name, "--config", str(config)],
            cwd=ROOT,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )

    def lines(self) -> list[str]:
        """What it has printed so far."""
        with self.log.open("rb") as file:
            file.seek(self._start)
            return file.read().decode("utf-8", "replace").splitlines()

    def wait_for(self, words: str, timeout_s: float = 60) -> None:
        """Wait until it prints a line with these words."""
        ends = time.monotonic() + timeout_s
        while not any(words in line for line in self.lines()):
            if self.process.poll() is not None or time.monotonic() > ends:
                raise AssertionError(f"{self.name} never said {words!r}:\n" + "\n".join(self.lines()[-40:]))
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill -9."""
        self.process.kill()
        self.process.wait()
        self._file.close()

    def stop(self) -> None:
        """Ask it to end, and insist after a while."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._file.close()


class House:
    """The shipped configuration on free ports in a temporary folder, and the programs started from it."""

    def __init__(self, folder: Path, free_port, changes: dict[str, str]) -> None:
        self.folder = folder
        text = (ROOT / "config.toml").read_text(encoding="utf-8")
        ports = ("18830", "15683", "15093", "18087", "18088", "18089", "18090")
        self.ports = {port: str(free_port()) for port in ports}
        replaced = {"data/var": str(folder / "var"), "data/seed": str(ROOT / "data/seed")} | self.ports
        for old, new in (replaced | changes).items():
            assert old in text, old
            text = text.replace(old, new)
        self.config = folder / "config.toml"
        self.config.write_text(text, encoding="utf-8")
        self.journal = folder / "var" / "gw-xinhe-1.journal.db"
        self.portal_url = f"http://127.0.0.1:{self.ports['18088']}"
        self.twilio_url = f"http://127.0.0.1:{self.ports['18089']}"
        self.phones_url = f"http://127.0.0.1:{self.ports['18090']}"
        self.programs: list[Program] = []

    def start(self, name: str, *, ready: str = "ready ") -> Program:
        """Start gateway, portal or sim and wait until it is ready."""
        program = Program(name, self.config, self.folder / f"{name}.log")
        self.programs.append(program)
        program.wait_for(ready)
        return program

    def query(self, sql: str) -> list[tuple]:
        """Ask the journal, read-only."""
        connection = sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def stop(self) -> None:
        """Stop what still runs, the last started first."""
        for program in reversed(self.programs):
            program.stop()


@pytest.fixture
def house(tmp_path, free_port):
    """Makes a House; its programs are ended afterwards."""
    made: list[House] = []

    def make(**changes: str) -> House:
        made.append(House(tmp_path, free_port, changes))
        return made[-1]

    yield make
    for one in made:
        one.stop()
