"""What every page of the portal owes to whoever reads it, asked of a page in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).parents[3]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
JUDGE = Path(__file__).with_name("judge_page.js")
PHONE = {"viewport": {"width": 390, "height": 844}}
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
TARGET_PX, ELDER_TARGET_PX, ELDER_TEXT_PX = 44, 60, 24
HAN = re.compile(r"[\u3400-\u9fff]+")
REFUSED = """addEventListener("securitypolicyviolation", (event) => {
  (globalThis.refused ??= []).push(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`);
});"""
FAULTS = """axe.run(document, { resultTypes: ["violations"] }).then((found) =>
  found.violations.map((fault) => `${fault.id}: ${fault.nodes[0].html.slice(0, 160)}`))"""


def context_of(browser: Browser, address: str, *, english: bool = False, **options) -> BrowserContext:
    """A browser of one person, in the language asked for, that notes what the policy of contents refuses."""
    if not AXE.exists():
        pytest.fail("needs `npm ci`")
    options = PHONE | {"locale": "en-GB" if english else "zh-CN", "timezone_id": "Asia/Shanghai"} | options
    context = browser.new_context(base_url=address, **options)
    context.add_init_script(REFUSED)
    context.add_init_script(path=AXE)
    context.set_default_timeout(20_000)
    return context


class Reader:
    """One page of a browser, and what it complained about since it was last judged."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._said)

    def _said(self, message) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} {(message.location or {}).get('url', '')}".rstrip())

    def faults(self, *, elder: bool = False, allowed: set[str] | None = None) -> list[str]:
        """What is wrong with the page as it stands.

        `allowed`: Chinese runs that may stand on an English page, None where the page is Chinese.
        """
        found = list(self.complaints)
        least = {
            "target": ELDER_TARGET_PX if elder else TARGET_PX,
            "text": ELDER_TEXT_PX if elder else 0,
        }
        judged = self.page.evaluate(JUDGE.read_text("utf-8"), least)
        found += judged["refused"] + judged["small"] + judged["fine"] + judged["wide"]
        if allowed is not None:
            found += [f"Chinese: {words}" for words in judged["words"] if strange(words, allowed)]
        found += [f"axe {fault}" for fault in self.page.evaluate(FAULTS)]
        self.complaints.clear()  # axe itself was refused its inline styles
        self.page.evaluate("delete globalThis.refused")
        return found


def strange(words: str, allowed: set[str]) -> bool:
    """Whether there is Chinese in it that nobody wrote: neither a name nor what a person typed."""
    return any(run not in allowed for run in HAN.findall(words))


def runs_of(values) -> set[str]:
    """Every run of Chinese characters in these texts, and of each name the given name alone."""
    texts = [text for text in values if isinstance(text, str)]
    texts = [_plain(text) for text in texts]
    runs = {run for text in texts for run in HAN.findall(text)}
    return runs | {run[-2:] for run in runs if len(run) in (3, 4)}


def _plain(text: str) -> str:
    r"""The same where JSON wrote its Chinese as `\uXXXX`."""
    return re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)
