"""smsd of smstools, a client others wrote, runs as a plain user process on the simulated modem."""

from __future__ import annotations

import asyncio
import contextlib
import shutil

import pytest

from firmware_sim.modem import SimModem
from firmware_sim.people import Persona

pytestmark = pytest.mark.slow

PHONE = "+8613800138000"
LONG = "张桂兰(3栋2单元401)按下了求救,住户𠮷田🆘在场。" * 5 + "#A7K2"
GIVE_UP_S = 30
FOLDERS = ("outgoing", "checked", "failed", "incoming", "report", "sent", "stats")


class Smsd:
    """The daemon's folders: what is put into `outgoing` is sent."""

    def __init__(self, tmp_path) -> None:
        self.folder = tmp_path / "smsd"
        for name in FOLDERS:
            (self.folder / name).mkdir(parents=True)
        paths = "".join(f"{name} = {self.folder / name}\n" for name in FOLDERS)
        self.config = self.folder / "smsd.conf"
        self.config.write_text(
            "devices = GSM1\n"
            + paths
            + f"logfile = {self.folder / 'smsd.log'}\ninfofile = {self.folder / 'working'}\n"
            + f"pidfile = {self.folder / 'pid'}\nloglevel = 7\ndelaytime = 1\nerrorsleeptime = 1\n"
            + "blocktime = 5\nautosplit = 3\nreceive_before_send = no\nterminal = no\n"
            + f"[GSM1]\ndevice = {tmp_path / 'modem0'}\nincoming = yes\nreport = yes\n"
            + "init = AT+CNMI=2,1,0,2,0\n"
            + "baudrate = 115200\nrtscts = no\nmode = new\ndecode_unicode_text = no\n"
        )

    def send(self, text: str) -> None:
        """Hand a text to the daemon, whole or not at all."""
        draft = self.folder / "draft"
        head = f"To: {PHONE.removeprefix('+')}\nAlphabet: UCS2\nReport: yes\n\n"
        draft.write_bytes(head.encode() + text.encode("utf-16-be"))
        draft.rename(self.folder / "outgoing" / f"text{len(text)}")

    async def appears(self, folder: str) -> bytes:
        """Wait for a message that is no longer written to; gives its file.

        At its start smsd tries out its folders with little scripts of its own: these are no messages.
        """
        log = self.folder / "smsd.log"
        for _ in range(GIVE_UP_S * 20):
            for path in sorted((self.folder / folder).iterdir()):
                if path.name.endswith(".LOCK"):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    if (content := path.read_bytes()).startswith(b"From: "):
                        return content
            await asyncio.sleep(0.05)
        return pytest.fail(log.read_text(errors="replace") if log.exists() else "smsd wrote no log")


LEASH = """
"$@" </dev/null & smsd=$!
read -r _
trap '' TERM
kill -TERM 0
(sleep 10; kill -KILL 0) &
wait $smsd
kill -KILL 0
"""
"""Runs smsd and its worker in a group of their own, and ends the group when its input ends.

The input is a pipe from this process: it ends with the test, even when the test is killed.
"""


@pytest.fixture
async def modem(tmp_path):
    people = {PHONE: Persona(phone=PHONE)}
    sim = SimModem(path=tmp_path / "modem0", people=people)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(sim.run(ready.set_result))
    await ready
    yield sim
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def smsd(tmp_path, modem):
    program = shutil.which("smsd", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.fail("smsd is missing: apt-get install smstools; this test does not skip")
    made = Smsd(tmp_path)
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", LEASH, "leash", program, "-t", f"-c{made.config}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
        process_group=0,
    )
    assert process.stdin is not None
    yield made
    process.stdin.close()
    await process.wait()


async def test_long_chinese_texts_of_smsd_arrive_whole_and_are_reported_delivered(modem, smsd):
    smsd.send(LONG)
    report = await smsd.appears("report")
    assert modem.transcript.of(PHONE, "text") == (LONG,)
    assert modem.texts_sent == 3
    head, _, body = report.decode().partition("\n\n")
    assert f"From: {PHONE.removeprefix('+')}" in head.splitlines()
    assert body.splitlines()[0] == "SMS STATUS REPORT"
    assert "Status: 0,Ok,short message received by the SME" in body.splitlines()


async def test_smsd_reads_a_chinese_text_that_comes_in(modem, smsd):
    modem.receive_text(PHONE, "1 收到𠮷")
    read = await smsd.appears("incoming")
    head, _, body = read.partition(b"\n\n")
    assert f"From: {PHONE.removeprefix('+')}".encode() in head
    assert body.decode("utf-16-be") == "1 收到𠮷"
