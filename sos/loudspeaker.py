"""A loud sound on the spot: a player program with a WAV, again and again, and a voice between.

The shipped sound is made here: two tones in turn, as long as one play lasts.
It is no signal of any alarm standard.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import math
import wave
from array import array
from pathlib import Path

log = logging.getLogger(__name__)

RATE_HZ = 16_000
TONES_HZ = (780, 1040)
TONE_S = 0.4
PLAY_S = 4.0
LOUDNESS = 0.9
STARTS_WITHIN_S = 0.5
"""A player that has not failed by then plays: without a sound card it ends at once."""
BETWEEN_S = 0.3
RETRY_S = 10.0
END_S = 2.0


def alarm_wav() -> bytes:
    """The shipped sound as a WAV: mono, 16 bit, 16 kHz, 4 s. Always the same bytes."""
    samples = array("h")
    phase = 0.0
    for number in range(int(RATE_HZ * PLAY_S)):
        tone_hz = TONES_HZ[int(number / RATE_HZ / TONE_S) % len(TONES_HZ)]
        phase += math.tau * tone_hz / RATE_HZ
        samples.append(round(32767 * LOUDNESS * math.sin(phase)))
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())
    return written.getvalue()


class Loudspeaker:
    """Plays while it is wanted. `trouble` says why it cannot, empty while it can."""

    def __init__(self, *, player: tuple[str, ...], voice: tuple[str, ...], sound: Path | None) -> None:
        """`player` gets the WAV's path as its last argument, `voice` the words; either may be empty.

        `sound` is the WAV, made when it is not there; None where there is no player.
        """
        self._player = player
        self._voice = voice
        self._sound = sound
        self._looping: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        self._said = ""
        self.script = ""
        """What the voice says; may be changed while it sounds."""
        self.trouble = ""

    async def start(self) -> None:
        """Sound until `stop`; returns once it is known whether it can. Idempotent."""
        if self._looping is None:
            self._tried.clear()
            self._looping = asyncio.create_task(self._loop(), name="loudspeaker")
        await self._tried.wait()

    async def stop(self) -> None:
        """Be silent. Idempotent."""
        looping, self._looping = self._looping, None
        if looping is not None:
            looping.cancel()
            await asyncio.gather(looping, return_exceptions=True)

    async def _loop(self) -> None:
        while True:
            failed = ""
            if self._player and self._sound is not None:
                failed = await self._make() or await self._play(*self._player, str(self._sound))
            if self._voice and self.script:
                failed = await self._play(*self._voice, self.script) or failed
            self._heard(failed)
            self._tried.set()
            await asyncio.sleep(RETRY_S if failed else BETWEEN_S)

    async def _make(self) -> str:
        """Put the shipped sound where the player expects it; gives what is wrong."""
        assert self._sound is not None
        try:
            if not self._sound.exists():
                self._sound.parent.mkdir(parents=True, exist_ok=True)
                self._sound.write_bytes(await asyncio.to_thread(alarm_wav))
        except OSError as error:
            return f"the sound cannot be written: {error.strerror}"
        return ""

    async def _play(self, *command: str) -> str:
        """Run one program to its end; gives what is wrong, empty when it played."""
        quiet = asyncio.subprocess.DEVNULL
        try:
            program = await asyncio.create_subprocess_exec(*command, stdin=quiet, stdout=quiet, stderr=quiet)
        except OSError as error:
            return f"{command[0]} cannot be started: {error.strerror}"
        ending = asyncio.ensure_future(program.wait())
        try:
            done, _ = await asyncio.wait({ending}, timeout=STARTS_WITHIN_S)
            if not done:
                self._heard("")
                self._tried.set()
            status = await asyncio.shield(ending)  # cancelled here, the program's end must still be seen
        finally:
            await _ended(program, ending)
        return f"{command[0]} ended with status {status}" if status else ""

    def _heard(self, trouble: str) -> None:
        """Say a new trouble once."""
        self.trouble = trouble
        if trouble != self._said:
            self._said = trouble
            if trouble:
                log.warning("the loudspeaker is silent: %s", trouble)


async def _ended(program: asyncio.subprocess.Process, ending: asyncio.Future[int]) -> None:
    """See to it that the program is gone: asked first, killed when that takes long or the wait is cancelled.

    However often that happens, no program is left behind.
    """
    if ending.done():
        return
    with contextlib.suppress(ProcessLookupError):
        program.terminate()
    try:
        await asyncio.wait({ending}, timeout=END_S)
    finally:
        if not ending.done():
            with contextlib.suppress(ProcessLookupError):
                program.kill()
            await _reaped(ending)


async def _reaped(ending: asyncio.Future[int]) -> None:
    """Wait for the end of a killed program, which surely comes."""
    while not ending.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({ending})
