"""A band on CoAP, as NB-IoT bands are: SenML CBOR in confirmable POSTs, orders fetched by GET."""

from __future__ import annotations

import asyncio
from typing import Any

from aiocoap import GET, POST, Context, Message
from aiocoap.error import Error as CoapError

from firmware_sim.links.base import ANSWER_S, Backoff, Heard
from firmware_sim.report import Report, order_in, senml_cbor
from firmware_sim.settings import SimBand

SENML_CBOR = 112
POLL_S = 5.0


class CoapLink:
    """One CoAP client; there is no connection, so `connected` means that the last request was answered."""

    def __init__(self, band: SimBand, community: str) -> None:
        self.connected = asyncio.Event()
        self._band = band
        self._base = f"coap://{band.host}:{band.port}/sw/{community}/{band.device}"
        self._client: Any = None

    async def run(self, heard: Heard) -> None:
        """Ask for orders again and again."""
        backoff = Backoff()
        self._client = await Context.create_client_context(transports=["udp6"])
        try:
            while True:
                response = await self._ask(Message(code=GET, uri=self._uri("down")))
                if response is None or not response.code.is_successful():
                    await backoff.wait()
                    continue
                backoff.reset()
                if response.payload:
                    heard(order_in(bytes(response.payload)))
                else:
                    await asyncio.sleep(POLL_S)
        finally:
            client, self._client = self._client, None
            self.connected.clear()
            await client.shutdown()

    async def deliver(self, report: Report) -> bool:
        """POST and wait for 2.04."""
        payload = senml_cbor(self._band.device, report)
        request = Message(code=POST, uri=self._uri("up"), payload=payload, content_format=SENML_CBOR)
        response = await self._ask(request)
        return response is not None and response.code.is_successful()

    def _uri(self, resource: str) -> str:
        return f"{self._base}/{resource}?k={self._band.key}"

    async def _ask(self, request: Any) -> Any:
        """The response, or None when none came in time."""
        client = self._client
        if client is None:
            return None
        answer = client.request(request).response
        answer.add_done_callback(_heed)
        try:
            # Shielded: aiocoap's shutdown trips over an answer that somebody has cancelled.
            response = await asyncio.wait_for(asyncio.shield(answer), ANSWER_S)
        except (CoapError, OSError, TimeoutError):
            self.connected.clear()
            return None
        self.connected.set()
        return response


def _heed(answer: asyncio.Future[Any]) -> None:
    """Take note of an answer nobody waits for any more, so that its error is not logged as forgotten."""
    if not answer.cancelled():
        answer.exception()
