"""The siren: driven by level, quiet by law now and then, heard again after whatever happened."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import wave
from contextlib import asynccontextmanager

import pytest

from firmware_sim.siren import SimSiren
from sos.carriers import siren
from sos.carriers.base import CarrierAmbiguous, CarrierDown, CarrierRefused, Message
from sos.events import Channel, Leg, LegReported, LegState
from sos.loudspeaker import Loudspeaker, alarm_wav

HELP = Message(body="3栋2单元401张桂兰按下求救")
NO_PLAYER = ("/nonexistent/aplay",)


def leg(incident: str = "inc1", channel: Channel = Channel.SIREN, attempt: int = 1) -> Leg:
    return Leg(
        leg_id=f"{incident}.1.site.{channel}.{attempt}",
        incident=incident,
        contact="site",
        name="x",
        phone="",
        role="site",
        channel=channel,
        round=1,
        attempt=attempt,
    )


@asynccontextmanager
async def running(carrier):
    """The carrier at work; gives what it reports."""
    reports: list[LegReported] = []
    working = asyncio.create_task(carrier.run(reports.append))
    try:
        yield reports
    finally:
        working.cancel()
        await asyncio.wait([working])
        assert working.cancelled()


@pytest.fixture
async def network(tmp_path):
    there = asyncio.Event()
    sim = SimSiren(path=tmp_path / "siren0")
    serving = asyncio.create_task(sim.run(lambda _path: there.set()))
    await there.wait()
    yield sim
    serving.cancel()
    await asyncio.wait([serving])


def settings(tmp_path, **more) -> siren.Settings:
    return siren.Settings(**({"path": str(tmp_path / "siren0"), "refresh_s": 0.05} | more))


@pytest.fixture
def pipe(tmp_path):
    """Where a player of the tests says that it plays; `heard` waits for the next line."""
    path = tmp_path / "heard"
    os.mkfifo(path)
    return path


async def heard(pipe) -> str:
    return (await asyncio.to_thread(pipe.read_text)).strip()


def player(pipe, *, plays_s: float = 30) -> tuple[str, ...]:
    """A program that says what it was given, and then takes its time."""
    program = f"import sys, time; open({str(pipe)!r}, 'w').write(sys.argv[-1]); time.sleep({plays_s})"
    return (sys.executable, "-c", program)


# --------------------------------------------------------------------------- settings


def test_a_siren_with_neither_relay_nor_sound_is_refused():
    with pytest.raises(ValueError, match="it has none"):
        siren.Settings()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"on": "A0 01 0"}, "on is not hexadecimal"),
        ({"off": ""}, "off is empty"),
        ({"max_on_s": -1}, "max_on_s is -1"),
        ({"refresh_s": 0}, "refresh_s is 0"),
        ({"max_on_s": float("nan")}, "max_on_s is nan"),
        ({"refresh_s": float("inf")}, "refresh_s is inf"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(wrong, words):
    with pytest.raises(ValueError, match=words):
        siren.Settings(path="/dev/null", **wrong)


# --------------------------------------------------------------------------- the relay


async def test_at_the_start_it_is_switched_off_whatever_it_was(network, tmp_path):
    network.on = True
    async with running(siren.CARRIER(settings(tmp_path))):
        await network.until(on=False)
    assert not network.on


async def test_it_sounds_until_the_last_leg_is_hung_up(network, tmp_path):
    carrier = siren.CARRIER(settings(tmp_path))
    async with running(carrier) as reports:
        first = await carrier.place(leg("inc1"), HELP)
        second = await carrier.place(leg("inc2"), HELP)
        await network.until(on=True)
        await carrier.hang_up(first)
        await network.ordered(network.orders + 2)
        assert network.on
        await carrier.hang_up(second)
        await network.until(on=False)
        assert await carrier.status(second) is LegState.HUNG_UP
    assert [entry.on for entry in network.transcript] == [True, False]
    assert [(report.leg_id, report.state) for report in reports] == [
        (leg("inc1").leg_id, LegState.HUNG_UP),
        (leg("inc2").leg_id, LegState.HUNG_UP),
    ]


async def test_an_ended_gateway_leaves_no_siren_on_and_the_next_sounds_it_again_when_asked(network, tmp_path):
    before = siren.CARRIER(settings(tmp_path))
    async with running(before):
        reference = await before.place(leg(), HELP)
        await network.until(on=True)
    await network.until(on=False)
    after = siren.CARRIER(settings(tmp_path))
    async with running(after):
        await after.ready.wait()
        assert await after.find(leg(), since=None, owned=frozenset()) is None
        assert await after.status(reference) is LegState.PLACED
        await network.until(on=True, times=2)
        assert await after.find(leg(), since=None, owned=frozenset()) == reference
        await after.hang_up(reference)
        await network.until(on=False, times=2)


async def test_it_pauses_for_the_law_and_begins_again_until_it_is_hung_up(network, tmp_path):
    carrier = siren.CARRIER(settings(tmp_path, max_on_s=0.15, pause_s=0.1))
    async with running(carrier):
        reference = await carrier.place(leg(), HELP)
        await network.until(on=True, times=3)
        assert await carrier.status(reference) is LegState.PLACED
        await carrier.hang_up(reference)
        await network.until(on=False, times=3)
        changes = len(network.transcript)
        await network.ordered(network.orders + 6)
        assert len(network.transcript) == changes


async def test_the_same_incident_asked_twice_does_not_break_the_pause_and_another_one_does(network, tmp_path):
    carrier = siren.CARRIER(settings(tmp_path, max_on_s=0.15, pause_s=3600))
    async with running(carrier):
        await carrier.place(leg("inc1"), HELP)
        await network.until(on=False)
        await carrier.place(leg("inc1", attempt=2), HELP)
        await network.ordered(network.orders + 2)
        assert not network.on
        await carrier.place(leg("inc2"), HELP)
        await network.until(on=True, times=2)


async def test_a_relay_unplugged_while_it_sounds_is_put_right_when_it_is_back(network, tmp_path, caplog):
    carrier = siren.CARRIER(settings(tmp_path))
    async with running(carrier):
        await carrier.place(leg(), HELP)
        await network.until(on=True)
        network.unplug()
        network.on = False
        with pytest.raises(CarrierDown):
            await carrier.place(leg("inc2"), HELP)
        assert "relay is away" in carrier.trouble
        network.plug()
        await network.until(on=True, times=2)
        await carrier.ready.wait()
    said = [record.getMessage() for record in caplog.records if "relay is away" in record.getMessage()]
    assert len(said) == 1


async def test_a_relay_that_dies_in_the_switching_leaves_a_doubt_and_is_switched_again(network, tmp_path):
    carrier = siren.CARRIER(settings(tmp_path))
    async with running(carrier):
        await carrier.ready.wait()
        network.gone_after_switching = True
        with pytest.raises(CarrierAmbiguous):
            await carrier.place(leg(), HELP)
        network.on = False
        await network.until(on=True, times=2)
        assert await carrier.find(leg(), since=None, owned=frozenset())


async def test_what_could_not_sound_does_not_sound_later(tmp_path):
    carrier = siren.CARRIER(settings(tmp_path))
    sim = SimSiren(path=tmp_path / "siren0")
    async with running(carrier):
        with pytest.raises(CarrierDown, match="relay is away"):
            await carrier.place(leg(), HELP)
        sim.plug()
        await carrier.ready.wait()
        await sim.ordered(3)
        assert sim.transcript == ()
        sim.unplug()


async def test_it_carries_nothing_but_sirens(network, tmp_path):
    carrier = siren.CARRIER(settings(tmp_path))
    async with running(carrier):
        with pytest.raises(CarrierRefused, match="text"):
            await carrier.place(leg(channel=Channel.TEXT), HELP)


@pytest.mark.parametrize("line", ["dtr", "rts"])
async def test_it_may_hang_on_a_line_of_the_port_itself(line):
    carrier = siren.CARRIER(siren.Settings(path="loop://", line=line, refresh_s=0.05))
    async with running(carrier):
        reference = await carrier.place(leg(), HELP)
        port = carrier._relay._port
        assert (port.dtr, port.rts) == (line == "dtr", line == "rts")
        await carrier.hang_up(reference)
        assert (port.dtr, port.rts) == (False, False)


# --------------------------------------------------------------------------- the sound


def test_the_shipped_sound_is_loud_whole_and_always_the_same():
    with wave.open(io.BytesIO(alarm_wav())) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        frames = file.readframes(file.getnframes())
        assert file.getnframes() == 64_000
    assert max(memoryview(frames).cast("h")) > 29_000
    assert alarm_wav() == alarm_wav()


async def test_a_sound_alone_is_a_siren_and_ends_when_it_is_hung_up(tmp_path, pipe):
    carrier = siren.CARRIER(siren.Settings(player=player(pipe), data_dir=str(tmp_path)))
    async with running(carrier):
        listening = asyncio.create_task(heard(pipe))
        reference = await carrier.place(leg(), HELP)
        assert await listening == str(tmp_path / "alarm.wav")
        assert (tmp_path / "alarm.wav").read_bytes() == alarm_wav()
        assert carrier.trouble == ""
        await carrier.hang_up(reference)
        assert carrier._speaker._looping is None


@pytest.mark.parametrize("cancels", [0, 1, 3])
async def test_a_program_that_will_not_end_is_gone_however_often_that_is_cancelled(tmp_path, pipe, cancels):
    stubborn = (
        "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"open({str(pipe)!r}, 'w').write(str(os.getpid())); time.sleep(30)"
    )
    speaker = Loudspeaker(player=(sys.executable, "-c", stubborn), voice=(), sound=tmp_path / "alarm.wav")
    starting = asyncio.create_task(speaker.start())
    pid = int(await heard(pipe))
    await starting
    stopping = asyncio.create_task(speaker.stop())
    for _ in range(cancels):
        await asyncio.sleep(0)
        stopping.cancel()
    await asyncio.wait([stopping])
    assert stopping.cancelled() == bool(cancels)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_the_sound_comes_again_and_the_voice_says_what_it_is_about(tmp_path, pipe):
    carrier = siren.CARRIER(
        siren.Settings(player=player(pipe, plays_s=0), voice=player(pipe, plays_s=0), data_dir=str(tmp_path))
    )
    async with running(carrier):
        placing = asyncio.create_task(carrier.place(leg(), HELP))
        told = [await heard(pipe) for _ in range(4)]
        await placing
    assert told == [str(tmp_path / "alarm.wav"), HELP.body] * 2


async def test_a_missing_player_is_said_once_and_the_relay_works_without_it(network, tmp_path, caplog):
    carrier = siren.CARRIER(settings(tmp_path, player=NO_PLAYER, data_dir=str(tmp_path)))
    async with running(carrier):
        for number in range(3):
            reference = await carrier.place(leg(f"inc{number}"), HELP)
            await network.until(on=True, times=number + 1)
            await carrier.hang_up(reference)
            await network.until(on=False, times=number + 1)
        assert carrier.trouble == ""
    assert len([record for record in caplog.records if "loudspeaker" in record.getMessage()]) == 1


@pytest.mark.parametrize("wrong", [NO_PLAYER, (sys.executable, "-c", "raise SystemExit(1)")])
async def test_a_sound_that_cannot_be_played_and_no_relay_is_a_siren_that_is_down(tmp_path, wrong):
    carrier = siren.CARRIER(siren.Settings(player=wrong, data_dir=str(tmp_path)))
    async with running(carrier):
        with pytest.raises(CarrierDown):
            await carrier.place(leg(), HELP)


async def test_a_sound_that_cannot_be_written_is_a_trouble(tmp_path):
    (tmp_path / "file").write_text("")
    speaker = Loudspeaker(player=("true",), voice=(), sound=tmp_path / "file" / "alarm.wav")
    await speaker.start()
    assert "cannot be written" in speaker.trouble
    await speaker.stop()
