"""A band on MQTT 3.1.1: SenML JSON at QoS 1, a persistent session for what comes down."""

from __future__ import annotations

import asyncio

import aiomqtt

from firmware_sim.links.base import ANSWER_S, Backoff, Heard
from firmware_sim.report import Report, order_in, senml_json
from firmware_sim.settings import SimBand

KEEP_ALIVE_S = 30


class MqttLink:
    """One MQTT session; user name is the device id, password its key."""

    def __init__(self, band: SimBand, community: str) -> None:
        self.connected = asyncio.Event()
        self._band = band
        self._topic = f"sw/{community}/{band.device}"
        self._client: aiomqtt.Client | None = None
        self._gone = asyncio.Event()

    async def run(self, heard: Heard) -> None:
        """Connect, listen for orders, connect again."""
        backoff = Backoff()
        while True:
            try:
                async with self._new_client() as client:
                    try:
                        await self._listen(client, heard, backoff)
                    finally:
                        _leave_quietly(client)
            except (aiomqtt.MqttError, OSError):
                pass
            finally:
                self._client = None
                self.connected.clear()
                self._gone.set()
            await backoff.wait()

    async def _listen(self, client: aiomqtt.Client, heard: Heard, backoff: Backoff) -> None:
        await client.subscribe(f"{self._topic}/down", qos=1)
        self._gone.clear()
        self._client = client
        self.connected.set()
        backoff.reset()
        async for message in client.messages:
            if isinstance(message.payload, bytes | bytearray):
                heard(order_in(bytes(message.payload)))

    async def deliver(self, report: Report) -> bool:
        """Publish at QoS 1 and wait for the PUBACK."""
        client = self._client
        if client is None:
            return False
        publishing = asyncio.create_task(
            client.publish(
                f"{self._topic}/up", senml_json(self._band.device, report), qos=1, timeout=ANSWER_S
            )
        )
        gone = asyncio.create_task(self._gone.wait())
        try:
            await asyncio.wait({publishing, gone}, return_when=asyncio.FIRST_COMPLETED)
            return publishing.done() and publishing.exception() is None
        finally:
            for task in (publishing, gone):
                task.cancel()
            await asyncio.gather(publishing, gone, return_exceptions=True)

    def _new_client(self) -> aiomqtt.Client:
        band = self._band
        return aiomqtt.Client(
            band.host,
            band.port,
            username=band.device,
            password=band.key,
            identifier=f"sim-{band.device}",
            clean_session=False,
            protocol=aiomqtt.ProtocolVersion.V311,
            keepalive=KEEP_ALIVE_S,
            timeout=ANSWER_S,
        )


def _leave_quietly(client: aiomqtt.Client) -> None:
    """Keep aiomqtt from watching a socket that its DISCONNECT has already closed.

    paho writes the DISCONNECT and closes the socket at once, but aiomqtt 2.5 puts the watching of that socket
    off to the next turn of the loop, where it fails with "Bad file descriptor" and a traceback in the log.
    """
    client._client.on_socket_register_write = None  # noqa: SLF001 - there is no public way to it
