"""An incident made again from its journal, byte for byte, and printed as a time line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from gateway.incident_rows import Stored
from gateway.journal.reader import JournalReader
from gateway.journal.schema import open_for_writing
from gateway.model import Alarm, Why
from gateway.replay import NotReplayable, difference, replay, report
from gateway.steps import decode, encode_opening, encode_step
from gateway.time_line import columns, pad, seconds_words
from sos.cascade import open_incident, step
from sos.events import KeyPressed, LegReported, LegState, Opened, PressedAgain, Resolved
from sos.plan import Contact, Plan
from sos.subject import Subject

PRESSED = datetime(2026, 3, 1, 12, 3, 1, 250_001, tzinfo=UTC)  # 20:03:01 in China
SON = Contact(contact="son", name="李建国", phone="+8613800138001", relation="儿子")
DAUGHTER = Contact(contact="daughter", name="李晓梅", phone="+8613800138002", relation="女儿")
ALARM = Alarm(
    alarm_id="a1", wearer="zhang-guilan", kind="sos", severity="critical", why=Why(code="sos"), at=PRESSED
)


class Evening:
    """An incident that is judged and journalled step by step, as the engine does."""

    def __init__(self, path, *, drill: bool = False) -> None:
        self.path = path
        self.now = PRESSED
        incident = open_incident(
            incident_id="i1",
            ref="A7K2",
            wearer="zhang-guilan",
            subject=Subject(name="张桂兰", kind="sos", where="3栋东门附近", where_en="building 3, east gate"),
            plan=Plan(family=(SON, DAUGHTER)),
            at=PRESSED,
            lat=31.1553,
            lon=121.105,
            drill=drill,
        )
        self.steps = [encode_opening(incident, ALARM)]
        self.incident = decode(self.steps[0]).incident
        self.happen(0.31, Opened())

    def happen(self, after_s: float, event) -> None:
        self.now += timedelta(seconds=after_s)
        event = event(self.now) if callable(event) else event
        self.steps.append(encode_step(self.now, event))
        self.incident, _orders = step(self.incident, decode(self.steps[-1]).event, self.now)

    def leg(self, contact: str, channel: str) -> str:
        return next(
            facts.leg.leg_id
            for facts in self.incident.legs
            if (facts.leg.contact, facts.leg.channel) == (contact, channel)
        )

    def reported(self, after_s: float, leg_id: str, state: LegState, carrier: str = "twilio") -> None:
        self.happen(after_s, lambda at: LegReported(leg_id=leg_id, state=state, at=at, carrier=carrier))

    def whole(self):
        """Text and ring the son, who does not answer; the daughter takes it and closes it past midnight."""
        son, daughter = self.leg("son", "call"), self.leg("daughter", "text")
        self.reported(0.4, self.leg("son", "text"), LegState.DELIVERED)
        self.reported(2, son, LegState.RINGING)
        self.reported(25, son, LegState.NO_ANSWER)
        self.reported(1, self.leg("daughter", "call"), LegState.RINGING, "gsm_modem")
        self.happen(3, lambda at: PressedAgain(at=at, lat=31.1554, lon=121.1051, where="中心花园"))
        self.happen(5, lambda at: KeyPressed(leg_id=daughter, digit="1", at=at, via="text"))
        self.happen(4 * 3600, lambda at: Resolved(by="李晓梅", at=at, note="已到家中，老人平安"))
        return self

    def body(self) -> bytes:
        return msgspec.json.encode(Stored(incident=self.incident, alarm=ALARM))

    def reader(self, *, body: bytes | None = None, steps: list[bytes] | None = None) -> JournalReader:
        """The journal on disk, and its reader."""
        connection = open_for_writing(self.path)
        found = self.incident
        opened_ms = round(found.opened_at.timestamp() * 1000)
        row = {
            "incident_id": found.incident_id,
            "ref": found.ref,
            "wearer": found.wearer,
            "kind": "sos",
            "state": found.phase.value,
            "opened_ms": opened_ms,
            "body": body or self.body(),
        }
        names = [column[1] for column in connection.execute("pragma table_info(incidents)")]
        values = [row.get(name, opened_ms) for name in names]
        connection.execute(f"insert into incidents values ({', '.join('?' * len(names))})", values)
        for number, one in enumerate(self.steps if steps is None else steps):
            connection.execute("insert into steps values ('i1', ?, ?)", (number, one))
        connection.commit()
        connection.close()
        self.opened = JournalReader(self.path)
        return self.opened


@pytest.fixture
def evening(tmp_path):
    made = Evening(tmp_path / "journal.db")
    yield made
    if hasattr(made, "opened"):
        made.opened.close()


@pytest.mark.parametrize("name", ["i1", "#A7K2", "a7k2"])
def test_an_incident_comes_out_as_it_was_journalled_byte_for_byte(evening, name):
    reader = evening.whole().reader()
    found = replay(reader, name)
    assert found.same
    assert found.difference == ""
    assert found.incident == evening.incident
    assert (found.steps, found.size_bytes) == (len(evening.steps), len(evening.body()))


def test_a_row_that_says_something_else_is_found_with_the_first_difference(evening):
    evening.whole()
    wrong = evening.body().replace(b'"presses":2', b'"presses":3')
    found = replay(evening.reader(body=wrong), "i1")
    assert not found.same
    assert found.difference == "incident.presses: journalled 3, made again 2"


def test_a_missing_step_is_found(evening):
    evening.whole()
    found = replay(evening.reader(steps=evening.steps[:-1]), "i1")
    assert not found.same
    assert found.difference.startswith('incident.phase: journalled "resolved"')


def test_a_difference_shows_no_telephone_number(evening):
    wrong = evening.body().replace(b"+8613800138001", b"+8613800138999")
    found = replay(evening.reader(body=wrong), "i1")
    assert "phone" in found.difference
    assert not re.search(r"\d{7,}", found.difference)


def test_the_same_values_in_other_bytes_are_no_match():
    assert difference(b'{"a":1}', b'{"a": 1}') == "the same values, written differently from byte 5"
    assert difference(b'{"a":1}', b'{"a":1.0}') == "a: journalled 1, made again 1.0"
    assert difference(b'{"a":[1,2]}', b'{"a":[1]}') == "a: 2 journalled, 1 made again"
    assert difference(b"x", b"{}") == "the journalled body is no JSON"


@pytest.mark.parametrize("name", ["i2", "#QQQQ", ""])
def test_an_incident_nobody_knows_is_said_so(evening, name):
    reader = evening.reader()
    with pytest.raises(NotReplayable, match="no incident"):
        replay(reader, name)
    assert report(reader, name)[1] is False


def test_steps_that_are_missing_or_damaged_are_said_so(evening):
    reader = evening.reader(steps=[])
    assert "older than" in report(reader, "i1")[0]


@pytest.mark.parametrize(
    "spoil", [lambda steps: steps[1:], lambda steps: [*steps, steps[0]], lambda steps: [*steps, b"{"]]
)
def test_a_damaged_journal_raises_and_reports(evening, spoil):
    reader = evening.reader(steps=spoil(evening.steps))
    with pytest.raises(NotReplayable, match="damaged"):
        replay(reader, "i1")


def test_the_time_line_is_printed_in_chinese_and_in_columns(evening):
    text, same = report(evening.whole().reader(), "#A7K2")
    assert same
    told = text.splitlines()
    assert told[0] == "#A7K2  张桂兰 按下求救 · 中心花园"
    assert "2026年3月1日 星期日" in told
    assert "2026年3月2日 星期一" in told
    assert told[4] == "20:03:01  张桂兰 按下求救"
    (ringing,) = [line for line in told if "李晓梅 电话 正在响铃" in line]
    (missed,) = [line for line in told if "李建国 电话 无人接听" in line]
    assert ringing.endswith("本机电话卡")
    assert missed.endswith("互联网电话")
    assert columns(ringing.removesuffix("本机电话卡")) == columns(missed.removesuffix("互联网电话"))
    assert "00:03:37  李晓梅 处理完毕：已到家中，老人平安" in told
    assert "第一条短信  0.7 秒" in told
    assert "第一次响铃  2.7 秒" in told
    assert "有人接手    37 秒" in told
    assert "处理完毕    4 小时 00 分" in told
    assert told[-1].startswith("与日志逐字节一致 · byte for byte as journalled")
    assert not re.search(r"\d{7,}", text)


def test_the_time_line_is_printed_in_english(evening):
    text, same = report(evening.whole().reader(), "i1", "en")
    assert same
    names = ("张桂兰", "李建国", "李晓梅", "中心花园", "已到家中，老人平安")
    for name in names:
        text = text.replace(name, "")
    assert not re.search(r"[\u4e00-\u9fff]", text)
    assert "byte for byte as journalled" in text


def test_a_difference_is_printed_instead_of_the_seal(evening):
    evening.whole()
    wrong = evening.body().replace(b'"presses":2', b'"presses":3')
    text, same = report(evening.reader(body=wrong), "i1")
    assert not same
    assert "NOT as journalled: incident.presses" in text


@pytest.mark.parametrize(
    ("seconds", "chinese", "english"),
    [
        (-1, "0.0 秒", "0.0 s"),
        (0.84, "0.8 秒", "0.8 s"),
        (41.6, "42 秒", "42 s"),
        (185, "3 分 05 秒", "3 min 05 s"),
    ],
)
def test_spans_are_said_as_people_read_them(seconds, chinese, english):
    assert (seconds_words(seconds), seconds_words(seconds, "en")) == (chinese, english)


def test_columns_count_wide_characters_twice():
    assert columns("张 A：") == 6
    assert pad("张", 4) == "张  "
