"""A band on CoAP, as NB-IoT bands are: SenML CBOR in confirmable POSTs, orders by Observe, under OSCORE."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

from aiocoap import POST, Context, Message
from aiocoap.error import Error as CoapError

from firmware_sim.links.base import ANSWER_S, Backoff, Heard
from firmware_sim.links.oscore import BandSecurity, OscoreClient
from firmware_sim.report import Report, order_in, senml_cbor
from firmware_sim.settings import SimBand

SENML_CBOR = 112
REGISTER_S = 30.0
"""The band registers again this often: the gateway may have forgotten it, the network its address."""


class CoapLink:
    """One CoAP client; there is no connection, so `connected` means that the last request was answered."""

    def __init__(self, band: SimBand, community: str) -> None:
        self.connected = asyncio.Event()
        self._band = band
        self._base = f"coap://{band.host}:{band.port}/sw/{community}/{band.device}"
        self._security = BandSecurity(band.device, band.key)
        self._oscore: OscoreClient | None = None

    async def run(self, heard: Heard) -> None:
        """Stay an observer of the orders."""
        backoff = Backoff()
        client = await Context.create_client_context(transports=["udp6"])
        self._oscore = OscoreClient(client, self._security)
        try:
            while True:
                if await self._observe(self._oscore, heard):
                    backoff.reset()
                else:
                    await backoff.wait()
        finally:
            self._oscore = None
            self.connected.clear()
            await client.shutdown()

    async def deliver(self, report: Report) -> bool:
        """POST and wait for 2.04."""
        if self._oscore is None:
            return False
        payload = senml_cbor(self._band.device, report)
        request = Message(code=POST, uri=f"{self._base}/up", payload=payload, content_format=SENML_CBOR)
        answer = asyncio.ensure_future(self._oscore.ask(request))
        answer.add_done_callback(_heed)
        try:
            # Shielded: aiocoap's shutdown trips over an answer that somebody has cancelled.
            response = await asyncio.wait_for(asyncio.shield(answer), ANSWER_S)
        except (CoapError, OSError, TimeoutError):
            self.connected.clear()
            return False
        self.connected.set()
        return bool(response.code.is_successful())

    async def _observe(self, oscore: OscoreClient, heard: Heard) -> bool:
        """Hear orders until it is time to register again; False when the gateway did not answer."""
        answered = False
        try:
            async with asyncio.timeout(REGISTER_S), aclosing(oscore.observe(f"{self._base}/down")) as orders:
                async for order in orders:
                    answered = True
                    self.connected.set()
                    if order:
                        heard(order_in(order))
        except TimeoutError:
            return answered
        except (CoapError, OSError):
            self.connected.clear()
            return False
        return False


def _heed(answer: asyncio.Future[Any]) -> None:
    """Take note of an answer nobody waits for any more, so that its error is not logged as forgotten."""
    if not answer.cancelled():
        answer.exception()
