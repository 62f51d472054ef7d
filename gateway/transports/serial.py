"""Serial ports: receivers and modules on a wire or a USB adapter.

Owns opening ports and surviving the adapter being pulled out and put back:
the path may be a udev symlink that appears, points elsewhere and vanishes.
What happens while a port is open is in `gateway.transports.serial_port`.
A port belongs to one device by its configuration, so the link is authenticated by the wire itself.

`ready` is called when a port first opens, which may be long after the start; never wait for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import msgspec
from serial import Serial

from gateway.transports.base import Link, Sink, Site
from gateway.transports.serial_port import OpenPort

COMMON_BAUDS = (9600, 115200, 4800, 38400, 57600, 19200)
BACKOFF_FIRST_S = 0.2
BACKOFF_MOST_S = 5.0

log = logging.getLogger(__name__)


class Port(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One port: `device` is the wire id of what is soldered or plugged to it.

    `shared` is for a receiver that hears many devices: every frame names its own, and `device` is empty.
    `baud` "auto" tries the `bauds` until whole frames come.
    `codec` is the table handed to the protocol's codec as it is.
    """

    path: str
    baud: int | Literal["auto"] = 9600
    bauds: tuple[int, ...] = COMMON_BAUDS
    protocol: str = "nmea"
    device: str = ""
    shared: bool = False
    codec: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        speeds = ", ".join(map(str, Serial.BAUDRATES))
        if self.baud not in (*Serial.BAUDRATES, "auto"):
            raise ValueError(f'baud must be "auto" or one of {speeds}')
        if not self.bauds or set(self.bauds) - set(Serial.BAUDRATES):
            raise ValueError(f"bauds must name some of {speeds}")
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
        self._open: dict[str, OpenPort] = {}
        self._last_baud: dict[str, int] = {}

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

    def withdraw(self, device: str, data: bytes) -> None:
        """Nothing to take back: bytes that were taken have left."""

    def forget(self, device: str) -> None:
        """Nothing to end: a port is the installer's, and what it says is refused frame by frame."""

    async def _keep(self, port: Port, ready: Callable[[str], None]) -> None:
        announced = False
        backoff_s = BACKOFF_FIRST_S
        while True:
            try:
                opened = self._opened(port)
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

    def _opened(self, port: Port) -> OpenPort:
        """Open a port, at the speed that was right the last time where it is to be found."""
        bauds = port.bauds if port.baud == "auto" else (port.baud,)
        last = self._last_baud.get(port.path)
        if last is not None:
            bauds = (last, *(baud for baud in bauds if baud != last))

        def link() -> Link:
            return Link(
                wire=self.name,
                protocol=port.protocol,
                peer=port.path,
                device=port.device or None,
                codec_settings=port.codec,
                streaming=True,
                shared=port.shared,
                settling=True,
            )

        return OpenPort(port.path, bauds, link, self.sink, self.counts)

    async def _while_open(self, port: Port, opened: OpenPort) -> None:
        self._open[port.path] = opened
        try:
            reason = await opened.lost
            self.counts["lost"] += 1
            log.warning("serial port %s lost: %s", port.path, reason)
        finally:
            if opened.found_baud is not None:
                self._last_baud[port.path] = opened.found_baud
            del self._open[port.path]
            opened.close()


TRANSPORT = SerialTransport
