"""Serial ports: receivers and modules on a wire or a USB adapter.

Owns opening, reading without blocking, and surviving the adapter being pulled out and put back:
the path may be a udev symlink that appears, points elsewhere and vanishes.
A port belongs to one device by its configuration, so the link is authenticated by the wire itself.

`ready` is called when a port first opens, which may be long after the start; never wait for it.

Bounds: at `MAX_UNSETTLED` unsettled pieces, or while the journal is behind, the port is not read;
the kernel's buffer (4 KiB) then drops what the receiver goes on saying, and a new sentence begins afresh.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec
from serial import Serial, SerialException

from gateway.transports.base import Inbound, Link, Outcome, Settlement, Sink, Site

MAX_UNSETTLED = 64
READ_BYTES = 4096
BACKOFF_FIRST_S = 0.2
BACKOFF_MOST_S = 5.0

log = logging.getLogger(__name__)


class Port(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One port: `device` is the wire id of what is soldered or plugged to it.

    `shared` is for a receiver that hears many devices: every frame names its own, and `device` is empty.
    `codec` is the table handed to the protocol's codec as it is.
    """

    path: str
    baud: int = 9600
    protocol: str = "nmea"
    device: str = ""
    shared: bool = False
    codec: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.baud not in Serial.BAUDRATES:
            raise ValueError(f"baud must be one of {', '.join(map(str, Serial.BAUDRATES))}")
        if not self.path:
            raise ValueError("path must not be empty")
        if bool(self.device) == self.shared:
            raise ValueError("name the one device of the port, or say shared = true and name none")


class SerialSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[transports.serial]`."""

    ports: tuple[Port, ...] = ()

    def __post_init__(self) -> None:
        for what in ("path", "device"):
            values = [getattr(port, what) for port in self.ports if getattr(port, what)]
            twice = {value for value in values if values.count(value) > 1}
            if twice:
                raise ValueError(f"{what} used by two ports: {', '.join(sorted(twice))}")


class SerialTransport:
    """All serial ports of a gateway; `counts` holds opens, losses and refusals."""

    name: ClassVar[str] = "serial"
    Settings: ClassVar[type] = SerialSettings

    def __init__(self, settings: SerialSettings, sink: Sink, site: Site) -> None:
        self.settings = settings
        self.sink = sink
        self.site = site
        self.counts: Counter[str] = Counter()
        self._open: dict[str, _OpenPort] = {}

    async def run(self, ready: Callable[[str], None]) -> None:
        """Keep every port open until cancelled; `ready(path)` is called when one opens for the first time."""
        async with asyncio.TaskGroup() as tasks:
            for port in self.settings.ports:
                tasks.create_task(self._keep(port, ready), name=f"serial {port.path}")
            await asyncio.get_running_loop().create_future()

    def send(self, device: str, data: bytes, done: Callable[[], None]) -> bool:
        """Write to the device's port; False while it is unplugged or takes no bytes."""
        ports = [port for port in self._open.values() if port.serves(device)]
        if not any(port.write(data) for port in ports):
            return False
        done()
        return True

    def forget(self, device: str) -> None:
        """Nothing to end: a port is the installer's, and what it says is refused frame by frame."""

    async def _keep(self, port: Port, ready: Callable[[str], None]) -> None:
        announced = False
        backoff_s = BACKOFF_FIRST_S
        while True:
            try:
                opened = _OpenPort(self, port)
            except (OSError, ValueError) as error:
                if backoff_s == BACKOFF_FIRST_S:
                    log.warning("serial port %s is not there, trying again: %s", port.path, error)
                self.counts["open failed"] += 1
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, BACKOFF_MOST_S)
                continue
            self.counts["opened"] += 1
            log.info("serial port %s open for %s", port.path, port.device or port.protocol)
            if not announced:
                announced = True
                ready(port.path)
            backoff_s = BACKOFF_FIRST_S
            await self._while_open(port, opened)
            await asyncio.sleep(BACKOFF_FIRST_S)

    async def _while_open(self, port: Port, opened: _OpenPort) -> None:
        self._open[port.path] = opened
        try:
            reason = await opened.lost
            self.counts["lost"] += 1
            log.warning("serial port %s lost: %s", port.path, reason)
        finally:
            del self._open[port.path]
            opened.close()


class _OpenPort:
    """A port while it is plugged in."""

    def __init__(self, owner: SerialTransport, port: Port) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._owner = owner
        self._serial = Serial(port.path, port.baud, timeout=0, write_timeout=0, exclusive=True)
        self._link = Link(
            wire=SerialTransport.name,
            protocol=port.protocol,
            peer=port.path,
            device=port.device or None,
            codec_settings=port.codec,
            streaming=True,
            shared=port.shared,
        )
        self._unsettled = 0
        self._reading = False
        self._relief: asyncio.Task[None] | None = None
        self._regulate()

    def close(self) -> None:
        """Stop reading, close the port and tell the sink."""
        self._pause()
        if self._relief is not None:
            self._relief.cancel()
        if not self.lost.done():
            self.lost.cancel()
        self._serial.close()
        self._owner.sink.closed(self._link)

    def serves(self, device: str) -> bool:
        """Whether this is the device's own port, or a shared one on which it was heard."""
        return self._link.device == device or device in self._link.devices

    def write(self, data: bytes) -> bool:
        """Write without waiting; False when the port did not take all of it.

        Goes round `Serial.write`, which spins while a full port takes nothing.
        """
        if self.lost.done():
            return False
        try:
            written = os.write(self._serial.fileno(), data)
        except BlockingIOError:
            written = 0
        except OSError as error:
            self._lose(str(error))
            return False
        if written != len(data):
            self._owner.counts["short writes"] += 1
            return False
        return True

    def _readable(self) -> None:
        try:
            data = self._serial.read(READ_BYTES)
        except (OSError, SerialException) as error:
            self._lose(str(error))
            return
        if not data:
            return
        self._unsettled += 1
        self._owner.sink.receive(Inbound(self._link, data, self._settle))
        if self._owner.sink.congested and self._relief is None and not self.lost.done():
            self._owner.counts["held: journal behind"] += 1
            self._relief = asyncio.get_running_loop().create_task(self._wait_for_room(), name="serial relief")
        self._regulate()

    def _settle(self, settlement: Settlement) -> None:
        self._unsettled -= 1
        if self.lost.done():
            self._owner.counts["settled after the port was gone"] += 1
            return
        if settlement.outcome in (Outcome.STORED, Outcome.QUARANTINED):
            for reply in settlement.replies:
                self.write(reply)
        else:
            self._owner.counts[settlement.outcome.value] += 1
        self._regulate()

    async def _wait_for_room(self) -> None:
        await self._owner.sink.uncongested()
        self._relief = None
        self._regulate()

    def _regulate(self) -> None:
        if self._unsettled >= MAX_UNSETTLED or self._relief is not None or self.lost.done():
            self._pause()
        elif not self._reading:
            asyncio.get_running_loop().add_reader(self._serial.fileno(), self._readable)
            self._reading = True

    def _pause(self) -> None:
        if self._reading:
            asyncio.get_running_loop().remove_reader(self._serial.fileno())
            self._reading = False

    def _lose(self, reason: str) -> None:
        self._pause()
        if not self.lost.done():
            self.lost.set_result(reason)


TRANSPORT = SerialTransport
