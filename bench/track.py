"""How long a track of a hundred thousand fixes takes to open: the server's part, and until Chromium drew it.

The server's part is told in processor seconds of this process (the machine is shared) on SQLite;
what Chromium takes is told beside the same page with a hundredth of the fixes.
"""

from __future__ import annotations

import logging
import statistics
import time
from typing import Any

from bench.served import (
    SOFTWARE_GL,
    STAFF,
    chromium,
    portal_app,
    served,
    settle_track,
    settle_wearers,
    signed_in,
)
from portal import demo
from portal.words import local

FIXES = 100_000
FEW = 100
"""The other track has so many times fewer."""
TURNS = 5
FULL_S = 5.0
PARTS = {"the page": "track", "its columns": "track.json", "GPX": "track.gpx", "CSV": "track.csv"}


def main(*, seconds: float) -> None:
    """Measure and print; with fewer seconds than five the track shrinks alike."""
    logging.disable(logging.INFO)
    count = int(FIXES * min(1.0, seconds / FULL_S))
    with portal_app() as app:
        settle_wearers(app, 2)
        day = local(settle_track(app, count)).date().isoformat()
        settle_track(app, count // FEW, wearer_id=2)
        query = f"?day={day}&why=family"
        print(f"a track of {count:,} fixes in a day")
        of_the_server(app, query)
        with served(app) as address, chromium(*SOFTWARE_GL) as browser:
            page = signed_in(browser, address)
            for wearer, fixes in ((2, count // FEW), (1, count)):
                usable, drawn = opened(page, f"/care/wearers/{wearer}/track{query}")
                print(f"Chromium, {fixes:>7,} fixes: played after {usable:.2f} s, drawn after {drawn:.2f} s")


def of_the_server(app: Any, query: str) -> None:
    """What each answer costs the server."""
    client = app.test_client()
    page = client.get("/login").text
    token = page.split('name="csrf_token"', 1)[1].split('value="', 1)[1].split('"', 1)[0]
    client.post("/login", data={"csrf_token": token, "phone": STAFF, "password": demo.DEMO_PASSWORD})
    for name, path in PARTS.items():
        spent, size = [], 0
        for _ in range(TURNS):
            began = time.process_time()
            with client.get(f"/care/wearers/1/{path}{query}") as answer:
                size = len(answer.data)
                assert answer.status_code == 200, answer.status
            spent.append(time.process_time() - began)
        print(f"server, {name:12}{statistics.median(spent):6.2f} cpu s{size / 1000:>9,.0f} kB")


def opened(page: Any, path: str) -> tuple[float, float]:
    """Seconds until the play-back can be used, and until the map is drawn; the median of several turns."""
    told = []
    for _ in range(TURNS):
        began = time.perf_counter()
        page.goto(path, wait_until="commit")
        page.wait_for_selector("#player:not([hidden])", timeout=60_000)
        usable = time.perf_counter() - began
        page.wait_for_selector("#track-map[data-ready]", timeout=60_000)
        told.append((usable, time.perf_counter() - began))
    usable, drawn = (statistics.median(column) for column in zip(*told, strict=True))
    return usable, drawn
