"""A real Chromium (Debian's), and pictures a person looks at afterwards."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from rigs.chromium import WEBGL, chromium_running

SHOTS = Path(__file__).parent / "shots"
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def chromium():
    """The browser; ends with the module."""
    with chromium_running(*WEBGL) as browser:
        yield browser


class Visitor:
    """One person at one screen; every complaint of the browser is kept."""

    def __init__(self, chromium, url: str, size: dict, **more) -> None:
        self.url = url
        self.context = chromium.new_context(
            viewport=size, locale="zh-CN", timezone_id="Asia/Shanghai", has_touch=size is PHONE, **more
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.complaints: list[str] = []
        self.strangers: set[str] = set()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._console)
        self.page.on("request", self._request)

    def _console(self, message) -> None:
        if message.type == "error":
            where = (message.location or {}).get("url", "")
            self.complaints.append(f"{message.text} {where}".rstrip())

    def _request(self, request) -> None:
        host = urlsplit(request.url).hostname
        if host not in (None, "127.0.0.1"):
            self.strangers.add(request.url)

    def go(self, path: str) -> None:
        self.page.goto(self.url + path, wait_until="domcontentloaded")

    def log_in(self, phone: str, password: str = "shouwang-demo") -> None:
        """Type it, as a person does."""
        self.go("/login")
        self.page.get_by_label("手机号").press_sequentially(phone)
        self.page.get_by_label("密码", exact=True).press_sequentially(password)
        self.page.get_by_role("button", name="登录").click()
        self.page.wait_for_url(lambda url: "/login" not in url)

    def shoot(self, name: str) -> None:
        """Keep a picture."""
        SHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png")


@pytest.fixture
def visitor(chromium):
    """Makes Visitors; at the end no browser has complained and nobody has called a stranger."""
    made: list[Visitor] = []

    def make(url: str, size: dict = DESKTOP, **more) -> Visitor:
        made.append(Visitor(chromium, url, size, **more))
        return made[-1]

    yield make
    complaints = [words for one in made for words in one.complaints]
    strangers = {url for one in made for url in one.strangers}
    for one in made:
        one.context.close()
    assert complaints == []
    assert strangers == set()
