"""The doctor's paper: A4, readable text, figures by time of day, gaps stated; it fetches nothing."""

from __future__ import annotations

import re
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from rigs import vitals

from gateway.model import Why
from portal import paper
from portal.care.models import AuditEntry
from portal.db import db, writing

pytestmark = pytest.mark.slow

SHOTS = Path(__file__).parents[2] / "tests" / "browser" / "shots"


@pytest.fixture
def wearer(app, gateway, samples) -> int:
    """张桂兰 with sixty days of history, a bad evening, and a day on which nothing was measured."""
    gateway.send(samples.ROSTER, samples.profile_told())
    found = vitals.wearer_id(app)
    vitals.month(app, found, samples.NOW, every=timedelta(minutes=20))
    vitals.evening(app, found, samples.NOW - timedelta(hours=40))
    return found


def text_of(made: bytes, folder: Path) -> str:
    file = folder / "paper.pdf"
    file.write_bytes(made)
    said = subprocess.run(["pdftotext", "-layout", file, "-"], capture_output=True, check=True, timeout=60)
    return said.stdout.decode()


def info_of(folder: Path) -> str:
    said = subprocess.run(["pdfinfo", folder / "paper.pdf"], capture_output=True, check=True, timeout=60)
    return said.stdout.decode()


def test_the_paper_says_who_when_how_much_and_that_it_is_no_medical_device(people, wearer, tmp_path):
    answer = people["guardian"].get(f"/care/wearers/{wearer}/vitals.pdf")
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    found = text_of(answer.data, tmp_path)
    said = re.sub(r"\s+", "", found)
    assert "张桂兰年龄83岁" in said
    assert "10月25日至11月23日·30天" in said
    assert "手环不是医疗器械，读数可能有误，仅供参考" in said
    assert "由李晓梅于11月23日14:00生成" in said
    for name in ("心率", "血压", "血氧", "体温", "夜里0–6点", "上午6–12点", "下午12–18点", "晚上18–24点"):
        assert name in said, name
    assert re.search(r"11月21日22:00\s*心率\s*131 次/分\s*45–120 次/分", re.sub(r"日 ", "日", found))
    assert "没有测量的时段：" in said
    assert "心率偏高：131次/分" in said
    assert "1/" in said
    info = info_of(tmp_path)
    assert re.search(r"Page size:\s+595\.2\d+ x 841\.8\d+ pts \(A4\)", info)
    assert re.search(r"Tagged:\s+yes", info)
    assert re.search(r"Title:\s+张桂兰的身体指标", info)
    fonts = subprocess.run(["pdffonts", tmp_path / "paper.pdf"], capture_output=True, check=True, timeout=60)
    rows = fonts.stdout.decode().splitlines()[2:]
    assert rows
    assert all(re.search(r"\byes yes yes\b", row) for row in rows), rows  # embedded, a subset, with its text
    assert len(answer.data) < 500_000
    picture(answer.data, "zh")


def test_the_paper_is_whole_in_english(people, wearer, tmp_path):
    guardian = people["guardian"]
    guardian.post("/language", language="en", next="/me/")
    found = text_of(guardian.get(f"/care/wearers/{wearer}/vitals.pdf").data, tmp_path)
    assert "not for diagnosis" in re.sub(r"\s+", " ", found)
    assert re.findall(r"[\u4e00-\u9fff]", re.sub("张桂兰|李晓梅|新河苑", "", found)) == []
    picture((tmp_path / "paper.pdf").read_bytes(), "en")


def test_a_wearer_without_measurements_has_a_paper_that_says_so(people, app, gateway, samples, tmp_path):
    gateway.send(samples.ROSTER, samples.profile_told())
    answer = people["guardian"].get(f"/care/wearers/{vitals.wearer_id(app)}/vitals.pdf")
    assert "这段时间没有测过：心率、血压、血氧、体温" in re.sub(r"\s+", "", text_of(answer.data, tmp_path))


def test_drills_are_no_alarms_and_a_paper_is_on_record(app, people, wearer, samples, tmp_path):
    with app.app_context(), writing() as session:
        more = {"kind": "sos", "drill": True, "why": Why(code="sos")}
        session.add(vitals.alarm(wearer, "d", samples.NOW - timedelta(days=2), **more))
    answer = people["guardian"].get(f"/care/wearers/{wearer}/vitals.pdf")
    assert "按下求救" not in text_of(answer.data, tmp_path)
    with app.app_context():
        entry = db.session.scalars(sa.select(AuditEntry).order_by(AuditEntry.seq.desc())).first()
        assert (entry.action, entry.detail) == ("export_vitals", "care pdf 2026-11-23 30 d")
    assert people["resident"].get(f"/care/wearers/{wearer}/vitals.pdf").status_code == 404
    assert people["guardian"].get(f"/care/wearers/{wearer + 1}/vitals.pdf").status_code == 404


@pytest.mark.parametrize(
    "scheme", ["http://127.0.0.1:9/", "file:///etc/passwd", "data:text/css,a{}", "ftp://x/"]
)
def test_a_paper_fetches_nothing_whatever_it_names(scheme, monkeypatch, caplog, tmp_path):
    made = []
    plain = paper.refusing
    monkeypatch.setattr(paper, "refusing", lambda: made.append(plain()) or made[-1])
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret of the house")
    address = scheme if not scheme.startswith("file") else secret.as_uri()
    html = (
        f'<html><head><link rel="stylesheet" href="{address}"><link rel="attachment" href="{address}"></head>'
        f'<body><p>words</p><img src="{address}"><svg><image href="{address}" width="9" height="9"/></svg>'
        f'<object data="{address}"></object></body></html>'
    )
    css = f'@import url("{address}"); p {{ background: url("{address}"); }}'
    found = paper.as_pdf(html, css)
    assert b"secret" not in found
    assert text_of(found, tmp_path).split() == ["words"]
    (fetcher,) = made
    assert set(fetcher.refused) == {address}
    assert len(fetcher.refused) >= 4


def test_too_long_a_document_and_too_many_at_once_are_refused():
    with pytest.raises(paper.TooLong):
        paper.as_pdf("a" * (paper.MOST_CHARACTERS + 1), "")
    with paper._one_of_few(), paper._one_of_few(), pytest.raises(paper.Busy):
        paper.as_pdf("<p>a</p>", "")
    assert paper.as_pdf("<p>a</p>", "").startswith(b"%PDF")


def test_without_the_libraries_the_page_says_what_else_there_is(people, wearer, monkeypatch):
    def missing(_html: str, _css: str) -> bytes:
        raise paper.Missing("libpango")

    monkeypatch.setattr("portal.care.vitals.views.as_pdf", missing)
    answer = people["guardian"].get(f"/care/wearers/{wearer}/vitals.pdf", follow_redirects=True)
    assert answer.status_code == 200
    assert "这台服务器还不能生成 PDF" in answer.text


def picture(made: bytes, name: str) -> None:
    """Keep the pages as pictures, to be looked at."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    file = SHOTS / f"vitals-paper-{name}.pdf"
    file.write_bytes(made)
    subprocess.run(
        ["pdftoppm", "-png", "-r", "70", file, SHOTS / f"vitals-paper-{name}"], check=True, timeout=60
    )
