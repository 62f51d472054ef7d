"""The door for local orders, and what the gateway says of itself."""

from __future__ import annotations

import asyncio
import json
import stat

import msgspec
import pytest

from gateway.clock import ManualClock
from gateway.health import MANY_LEGS, PROFILE, Health
from gateway.told import ControlAnswer, GatewayHealth, PortalCommand
from gateway.transports.control import Control, ask


async def nothing_of_the_kind(order):
    yield ControlAnswer(done=False, reason=str(order))


DRILL = PortalCommand(number=0, command="c1", name="drill", wearer="zhang")


@pytest.fixture
async def door(tmp_path):
    asked = []

    async def obey(command):
        asked.append(command)
        return ControlAnswer(done=True, incident="i1", ref="A7K2")

    control = Control(tmp_path / "gw.sock", obey=obey, execute=nothing_of_the_kind)
    serving = asyncio.create_task(control.run())
    await control.serving.wait()
    yield control, asked
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_an_order_comes_in_and_its_answer_goes_out(door):
    control, asked = door
    assert await ask(control.path, DRILL) == ControlAnswer(done=True, incident="i1", ref="A7K2")
    assert asked == [DRILL]


async def test_the_door_is_for_this_user_alone(door):
    control, _ = door
    assert stat.S_IMODE(control.path.stat().st_mode) == 0o600


async def test_nonsense_is_answered_with_a_reason_and_orders_nothing(door):
    control, asked = door
    reader, writer = await asyncio.open_unix_connection(control.path)
    writer.write(b'{"name": "explode"}\n')
    answer = json.loads(await reader.readline())
    writer.close()
    assert (answer["done"], bool(answer["reason"]), asked) == (False, True, [])


async def test_a_gateway_that_does_not_run_is_said_so(tmp_path):
    with pytest.raises(ConnectionError, match="no gateway answers"):
        await ask(tmp_path / "none.sock", DRILL)


async def test_what_a_killed_gateway_left_behind_does_not_stop_the_next(tmp_path):
    (tmp_path / "gw.sock").write_bytes(b"")
    control = Control(
        tmp_path / "gw.sock",
        obey=lambda _: asyncio.sleep(0, ControlAnswer(done=True)),
        execute=nothing_of_the_kind,
    )
    serving = asyncio.create_task(control.run())
    await control.serving.wait()
    assert (await ask(control.path, DRILL)).done
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    assert not control.path.exists()


class Journal:
    def __init__(self):
        self.told = []

    def append(self, record):
        self.told += [row.payload for row in record.events]


@pytest.fixture
def look(tmp_path):
    """Health with hands on everything it looks at."""
    journal = Journal()
    world = {"carriers": (("twilio", True, "", None),), "legs": 0, "open": 0}
    health = Health(
        carriers=lambda: world["carriers"],
        open_incidents=lambda: world["open"],
        legs_today=lambda: world["legs"],
        warn_legs_a_day=10,
        journal=journal,
        clock=ManualClock(),
        path=tmp_path / "gw.state.json",
    )
    return world, health, journal, tmp_path / "gw.state.json"


def test_health_is_told_when_it_changes_and_only_then(look):
    world, health, journal, _ = look
    for _ in range(3):
        health.look()
    world["carriers"] = (("twilio", False, "not reached", None),)
    for _ in range(3):
        health.look()
    assert len(journal.told) == 2


def test_when_nobody_can_be_reached_it_is_said_aloud_and_written_beside_the_journal(look, caplog):
    world, health, _, path = look
    world["carriers"] = (("twilio", False, "not reached", None), ("gsm_modem", False, "no SIM", None))
    world["open"] = 1
    health.look()
    assert any(record.levelname == "CRITICAL" for record in caplog.records)
    state = json.loads(path.read_text())
    assert (state["state"], state["open_incidents"]) == ("nobody can be reached", 1)
    world["carriers"] = (("twilio", True, "", None), ("gsm_modem", True, "", None))
    health.look()
    assert json.loads(path.read_text())["state"] == "well"


def test_a_journal_that_does_not_write_comes_before_everything_else(look):
    _, health, _, path = look
    health.journal_trouble = "disk full"
    health.look()
    assert json.loads(path.read_text())["state"] == "the journal does not write"


def test_many_texts_and_calls_are_a_warning_and_stop_nothing(look):
    world, health, journal, _ = look
    world["legs"] = 11
    health.look()
    assert msgspec.json.decode(journal.told[-1], type=GatewayHealth).warnings == (MANY_LEGS,)


def test_a_profile_that_gave_way_is_a_warning_and_the_state_file_says_it_in_words(look):
    _, health, journal, path = look
    words = "wang: the profile last ordered does not fit this gateway, version 2 is in force again"
    health._profile_trouble = lambda: words
    health.look()
    assert msgspec.json.decode(journal.told[-1], type=GatewayHealth).warnings == (PROFILE,)
    state = json.loads(path.read_text())
    assert (state["state"], state["profiles"]) == ("trouble", words)
    health._profile_trouble = lambda: ""
    health.look()
    assert msgspec.json.decode(journal.told[-1], type=GatewayHealth).warnings == ()
    assert json.loads(path.read_text())["state"] == "well"


async def test_a_door_that_cannot_be_opened_leaves_the_gateway_running(tmp_path, caplog):
    (tmp_path / "gw.sock").mkdir()

    async def obey(_command):
        raise AssertionError

    await Control(tmp_path / "gw.sock", obey=obey, execute=nothing_of_the_kind).run()
    await Control(tmp_path / ("x" * 120 + ".sock"), obey=obey, execute=nothing_of_the_kind).run()
    assert caplog.text.count("no door for local commands") == 2


async def test_what_others_make_while_the_door_opens_keeps_its_own_mode(tmp_path):
    """The mask is of the whole process: a folder made in that moment would be closed even to ourselves."""
    control = Control(tmp_path / "gw.sock", obey=lambda _: None, execute=nothing_of_the_kind)
    made = tmp_path / "oscore"

    async def beside():
        made.mkdir(mode=0o700)

    serving = asyncio.create_task(control.run())
    await asyncio.create_task(beside())
    await control.serving.wait()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 60_000,
        b'{"a":' * 12_000,
        b'{"order": "replay_quarantine", "numbers": [9223372036854775808]}',
        b'{"order": "replay_quarantine", "numbers": [-1]}',
        b'{"order": "replay_quarantine"}',
        b'{"order": 7}',
        b'{"order": "open_the_safe"}',
        b'{"number": 0, "command": "\\ud800", "name": "drill"}',
        b"\xff\xfe\x00",
        b"null",
    ],
    ids=lambda line: line[:20].decode("latin-1"),
)
async def test_whatever_is_said_at_the_door_is_answered_with_a_refusal(door, line):
    control, asked = door
    reader, writer = await asyncio.open_unix_connection(control.path)
    writer.write(line + b"\n")
    answer = json.loads(await reader.readline())
    writer.close()
    assert (answer["done"], answer["reason"][:12], asked) == (False, "not an order", [])
