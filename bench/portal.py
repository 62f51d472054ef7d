"""The portal on both engines: list pages, what gateways send, and viewers of live pages.

Rows of the table (one run, one machine, load and portal share the cores: read the ratios):
  list page     a board of 20 posts to somebody signed in, and to a passer-by; against a bare Flask page of
                20 rows on the same server
  at 200/s      milliseconds until the answer while requests come at that rate
  ingest        readings a second over HTTP in the gateway's own batches, each committed before its answer;
                against COPY (PostgreSQL) or executemany (SQLite) of the bare rows, a commit each as many
  viewers       open streams on real sockets, and milliseconds from a commit until each heard of it
"""

from __future__ import annotations

import http.client
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import msgspec

from bench.portal_load import Viewers, at_rate_ms, percentile, request_of, requests_a_s
from bench.portal_site import GATEWAY, TOKEN, Site, cookie_of, phone_of, portal
from bench.postgres import postgres
from bench.site import free_port, process
from gateway.model import Battery, BloodPressure, Fix, HeartRate, WearerView
from gateway.told import Roster, SyncBatch, SyncEvent, SyncPayload, Telemetry
from portal.care.changes import announce
from portal.care.history import HistoryRows
from portal.db import db, writing
from portal.posts.models import Post
from portal.serve import join_bells

BATCHES, BATCH_EVENTS, WEARERS = 40, 500, 50
VIEWERS, STREAMS_EACH = 500, 20
RATE = 200.0
PATH = "/community/notices/"
BARE = """
import sys
from flask import Flask, render_template_string
from granian import Granian
from granian.constants import Interfaces
ROWS = [{"title": f"第 {n} 条", "at": "11月23日"} for n in range(20)]
PAGE = ("<!doctype html><title>{{ t }}</title><ul>{% for r in rows %}"
        "<li><a href='/{{ r.title }}'>{{ r.title }}</a> {{ r.at }}</li>{% endfor %}</ul>")
def load(*_):
    app = Flask("bare")
    app.add_url_rule("/", "page", lambda: render_template_string(PAGE, t="x", rows=ROWS))
    print("ready", flush=True)
    return app
Granian("bare", port=int(sys.argv[1]), interface=Interfaces.WSGI, workers=1, blocking_threads=40,
        backpressure=2048, log_enabled=False).serve(target_loader=load, wrap_loader=False)
"""


@dataclass(slots=True)
class Figures:
    """One engine's rows of the table."""

    engine: str
    rows: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, words: str) -> None:
        """Note a row, and say it: a bench that takes a minute should show that it lives."""
        self.rows.append((name, words))
        print(f"  {self.engine:<10} {name:<24} {words}", flush=True)


def main(*, seconds: float) -> None:
    """Print the table for SQLite and PostgreSQL."""
    bare = bare_page(seconds)
    print(f"bare page: {bare:,.0f} requests/s")
    with store("sqlite") as url:
        measure("sqlite", url, seconds, bare)
    with store("postgresql") as url:
        measure("postgresql", url, seconds, bare)


@contextmanager
def store(engine: str) -> Iterator[str]:
    """An empty store of this engine."""
    if engine == "postgresql":
        with postgres() as url:
            yield url
        return
    with tempfile.TemporaryDirectory(prefix="bench-portal-") as folder:
        yield f"sqlite:///{folder}/portal.db"


def bare_page(seconds: float) -> float:
    """Requests a second of a Flask page of 20 rows and nothing else, median of three."""
    port = free_port()
    with process(sys.executable, "-c", BARE, str(port), ready="ready"):
        request = request_of(port, "/")
        _until_answered(port)
        return median(requests_a_s(port, request, seconds / 3) for _ in range(3))


def measure(engine: str, url: str, seconds: float, bare: float) -> None:
    """Fill a portal on this store and measure everything of it."""
    figures = Figures(engine)
    with tempfile.TemporaryDirectory() as folder:
        people = VIEWERS // STREAMS_EACH
        with portal(url, Path(folder), guardians=people) as site:
            _posts(site)
            pages(site, figures, seconds, bare)
            ingest(site, figures)
            viewers(site, figures)


def pages(site: Site, figures: Figures, seconds: float, bare: float) -> None:
    """The list page, flat out and at a fixed rate."""
    port = site.settings.port
    member = request_of(port, PATH, cookie_of(site.app, phone_of(0)))
    for name, request in (("signed in", member), ("passer-by", request_of(port, PATH))):
        requests_a_s(port, request, 0.5)
        found = median(requests_a_s(port, request, seconds / 3) for _ in range(3))
        figures.add(f"list page, {name}", f"{found:,.0f} requests/s, {found / bare:.2f} of the bare page")
        took = at_rate_ms(port, request, rate=RATE, seconds=seconds)
        figures.add(
            f"at {RATE:.0f}/s, {name}", f"median {median(took):.1f} ms, p95 {percentile(took, 0.95):.1f} ms"
        )


def ingest(site: Site, figures: Figures) -> None:
    """What a gateway sends after a day without a line, and the same rows without a portal."""
    batches, readings = _batches()
    line = http.client.HTTPConnection("127.0.0.1", site.settings.port, timeout=60)
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Gateway": GATEWAY}
    took: list[float] = []
    for number, batch in enumerate(batches):
        began = time.perf_counter()
        line.request("POST", "/api/gateway/v1/events", batch, headers)
        answer = line.getresponse()
        said = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(said.decode())
        if number > 1:
            took.append(time.perf_counter() - began)
    line.close()
    portal_a_s = readings / median(took)
    bare_a_s = readings / median(_bare_rows(site))
    how = "COPY" if figures.engine == "postgresql" else "executemany"
    told = f"{portal_a_s:,.0f} readings/s, {portal_a_s / bare_a_s:.2f} of {how} ({bare_a_s:,.0f})"
    figures.add("ingest", told)


def viewers(site: Site, figures: Figures) -> None:
    """Open streams, and how soon everybody hears of a commit."""
    crowd = Viewers(site.settings.stream_port)
    leave = join_bells(site.settings, site.app.extensions["bell"])
    try:
        began = time.perf_counter()
        for number in range(VIEWERS // STREAMS_EACH):
            crowd.join(cookie_of(site.app, phone_of(number)), STREAMS_EACH)
        joined_s = time.perf_counter() - began

        def commit() -> None:
            with site.app.app_context(), writing() as session:
                announce(session, [("health", 0, None)])
            site.app.extensions["bell"].ring()

        took = crowd.tell(commit, times=40, every_s=0.25)
    finally:
        leave()
        crowd.close()
    figures.add(
        f"{VIEWERS} viewers",
        f"median {median(took):.1f} ms, p99 {percentile(took, 0.99):.1f} ms from commit to ear; "
        f"let in {VIEWERS / joined_s:.0f} a second one after the other",
    )


def _posts(site: Site) -> None:
    """Fill the board, so that a page of it is whole."""
    with site.app.app_context(), writing() as session:
        pattern = session.query(Post).filter(Post.board == "notices").first()
        if pattern is None:
            raise RuntimeError("the demonstration has no notice")
        kept = {
            column.key: getattr(pattern, column.key)
            for column in Post.__mapper__.column_attrs
            if column.key != "id"
        }
        for number in range(30):
            session.add(Post(**{**kept, "title": f"第 {number} 条通知", "must_confirm": False}))


def _batches() -> tuple[list[bytes], int]:
    """The bodies a gateway posts, the roster first, and how many readings each of the others brings."""
    views = tuple(
        WearerView(wearer=f"w{n}", name=f"老人{n}", birth_year=1940, home="", devices=(f"b{n}",), contacts=())
        for n in range(WEARERS)
    )
    seq, start = 0, datetime.now(UTC) - timedelta(hours=6)
    bodies = [_body(0, [Roster(community="xinhe", wearers=views)], start)]
    for batch in range(BATCHES):
        rows = [
            _frame((batch * BATCH_EVENTS + n) % WEARERS, start + timedelta(seconds=batch * 250 + n / 2))
            for n in range(BATCH_EVENTS)
        ]
        seq = batch * BATCH_EVENTS + 1
        bodies.append(_body(seq, rows, start))
    return bodies, BATCH_EVENTS * 4


def _frame(number: int, at: datetime) -> Telemetry:
    readings = (
        Fix(lat=31.155, lon=121.105, valid=True, accuracy_m=8.0, source="gnss", at=at),
        HeartRate(heart_rate_bpm=71, at=at),
        BloodPressure(systolic_mmhg=131, diastolic_mmhg=82, at=at),
        Battery(battery_pct=64, at=at),
    )
    return Telemetry(
        device=f"b{number}", wearer=f"w{number}", received_at=at, backlog=False, readings=readings
    )


def _body(seq: int, payloads: list[SyncPayload] | list[Telemetry], at: datetime) -> bytes:
    rows = tuple(SyncEvent(seq=seq + n, at=at, payload=payload) for n, payload in enumerate(payloads))
    return msgspec.json.encode(SyncBatch(gateway=GATEWAY, events=rows))


def _bare_rows(site: Site) -> list[float]:
    """Seconds for each batch of the same history rows, written and committed without anything around it."""
    took = []
    start = datetime.now(UTC) - timedelta(days=2)
    with site.app.app_context():
        for batch in range(10):
            rows = HistoryRows()
            for n in range(BATCH_EVENTS):
                frame = _frame(n % WEARERS, start + timedelta(seconds=batch * 250 + n / 2))
                for reading in frame.readings:
                    rows.add(1_000 + n % WEARERS, reading, at=start, received_at=start, backlog=False)
            began = time.perf_counter()
            with db.sessionmaker() as session:
                rows.write(session)
                session.commit()
            took.append(time.perf_counter() - began)
    return took


def _until_answered(port: int) -> None:
    for _ in range(200):
        try:
            requests_a_s(port, request_of(port, "/"), 0.01)
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(port)
