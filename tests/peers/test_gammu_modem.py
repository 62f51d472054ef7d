"""gammu, a client others wrote, drives the simulated modem: what it sends must arrive whole."""

from __future__ import annotations

import asyncio
import random
import re
import shutil
from contextlib import asynccontextmanager

import pytest

from firmware_sim.modem import ModemFaults, SimModem
from firmware_sim.modem_at import SLOTS
from firmware_sim.people import Persona
from firmware_sim.short_messages import delivers

pytestmark = pytest.mark.slow

PHONE = "+8613800138000"
LONG = "张桂兰(3栋2单元401)按下了求救,住户𠮷田🆘在场。" * 5 + "#A7K2"


@asynccontextmanager
async def modem(tmp_path, **options):
    sim = SimModem(path=tmp_path / "modem0", **({"people": {}} | options))
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(sim.run(ready.set_result))
    try:
        await ready
        yield sim
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def gammu(tmp_path, *arguments: str) -> tuple[int, str]:
    program = shutil.which("gammu")
    if program is None:
        pytest.fail("gammu is missing: apt-get install gammu; this test does not skip")
    rc = tmp_path / "gammurc"
    rc.write_text(f"[gammu]\ndevice = {tmp_path / 'modem0'}\nconnection = at115200\n")
    process = await asyncio.create_subprocess_exec(
        *(program, "-c", str(rc), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    printed, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, printed.decode()


async def test_gammu_knows_the_modem_again(tmp_path):
    async with modem(tmp_path):
        code, printed = await gammu(tmp_path, "--identify")
    assert code == 0
    assert "SimModem" in printed
    assert "460001234567890" in printed


@pytest.mark.parametrize(("text", "parts"), [("救命𠮷", 1), (LONG, 3)])
async def test_a_chinese_text_of_gammu_arrives_whole(tmp_path, text, parts):
    async with modem(tmp_path) as sim:
        code, printed = await gammu(
            tmp_path, "sendsms", "TEXT", PHONE, "-unicode", "-len", "400", "-text", text
        )
        assert code == 0, printed
        assert await sim.transcript.seen(PHONE, "text") == (text,)
        assert sim.texts_sent == parts


async def test_gammu_reads_the_answer_that_came_back(tmp_path):
    people = {PHONE: Persona(phone=PHONE, reply_text="1 收到𠮷", key_after_s=0)}
    async with modem(tmp_path, people=people) as sim:
        await gammu(tmp_path, "sendsms", "TEXT", PHONE, "-unicode", "-text", "求救")
        await sim.transcript.seen(PHONE, "replied")
        code, printed = await gammu(tmp_path, "getallsms")
    assert code == 0
    assert "1 收到𠮷" in printed
    assert PHONE in printed


async def test_gammu_is_told_when_the_network_is_gone(tmp_path):
    async with modem(tmp_path, faults=ModemFaults(no_network=True)) as sim:
        code, _ = await gammu(tmp_path, "sendsms", "TEXT", PHONE, "-unicode", "-text", "求救")
        assert code != 0
        assert sim.texts_sent == 0


def random_texts(count: int) -> list[str]:
    """Texts of one to four parts in our encoder, each between two marks, without line ends."""
    chance = random.Random(20_260_302)
    letters = ("abcXYZ_123", "ab^{}[]|€~", "救命张桂兰楼1", "𠮷🆘👵救a")
    lengths = (1, 30, 70, 71, 140, 200)
    made = ("".join(chance.choices(chance.choice(letters), k=chance.choice(lengths))) for _ in range(count))
    return [f"<{number}:{text}>" for number, text in enumerate(made)]


async def test_gammu_reads_sixty_random_texts_of_our_encoder_and_joins_their_parts(tmp_path):
    texts = random_texts(60)
    parts = [delivers(PHONE, text, reference=number) for number, text in enumerate(texts)]
    assert sum(len(made) > 1 for made in parts) > len(texts) // 3
    read: list[str] = []
    while parts:
        async with modem(tmp_path) as sim:
            while parts and len(sim.at.memory) + len(parts[0]) <= SLOTS:
                for tpdu, length in parts.pop(0):
                    assert sim.receive_message(tpdu, length)
            code, printed = await gammu(tmp_path, "geteachsms")
        assert code == 0, printed
        read += re.findall(r"<\d+:[^>]*>", printed.replace("\n", ""))
    assert sorted(read) == sorted(texts)
