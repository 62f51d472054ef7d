"""Fixtures every room may ask for."""

from __future__ import annotations

import socket
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


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
