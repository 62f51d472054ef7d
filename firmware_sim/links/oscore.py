"""The band's end of OSCORE (RFC 8613): what is in its flash, and how it asks.

Written from docs/protocols/coap.md alone, as a maker of bands would; it shares no code with the gateway.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from aiocoap import GET, Message, oscore
from aiocoap.numbers.codes import Code
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

GATEWAY_ID = b"gw"
SECRET_BYTES = 16
KEY_ID_BYTES = 7
EPOCH_MS = 1_767_225_600_000
"""2026-01-01: a band counts on from the clock, so that it needs no flash to never use a number twice."""


class BandSecurity(
    oscore.CanProtect,  # type: ignore[misc]  # aiocoap has no types
    oscore.CanUnprotect,  # type: ignore[misc]
    oscore.SecurityContextUtils,  # type: ignore[misc]
):
    """What the band and the gateway share."""

    alg_aead = oscore.algorithms["AES-CCM-16-64-128"]
    hashfun = oscore.hashfunctions["sha256"]
    id_context = None
    recipient_id = GATEWAY_ID
    echo_recovery = None

    def __init__(self, device: str, key: str) -> None:
        self.sender_id = hashlib.sha256(f"shouwang key id {device}".encode()).digest()[:KEY_ID_BYTES]
        self.sender_sequence_number = time.time_ns() // 1_000_000 - EPOCH_MS
        self.recipient_replay_window = oscore.ReplayWindow(oscore.DEFAULT_WINDOWSIZE, lambda: None)
        self.recipient_replay_window.initialize_empty()
        secret = HKDF(algorithm=SHA256(), length=SECRET_BYTES, salt=None, info=b"shouwang oscore")
        self.derive_keys(b"", secret.derive(key.encode()))

    def post_seqnoincrease(self) -> None:
        """Nothing: the clock keeps the count."""


class OscoreClient:
    """Requests under one band's key, over an aiocoap client."""

    def __init__(self, client: Any, security: BandSecurity) -> None:
        self._client = client
        self._security = security

    async def ask(self, request: Any) -> Any:
        """The response; raises aiocoap's errors, `ProtectionInvalid` for an answer not under our key."""
        async with aclosing(self._answers(request)) as answers:
            return await anext(answers)

    async def observe(self, uri: str) -> AsyncGenerator[bytes, None]:
        """What is there now and whenever it changes, whole; ends when the gateway ends it."""
        async with aclosing(self._answers(Message(code=GET, uri=uri, observe=0))) as answers:
            async for answer in answers:
                if not answer.code.is_successful():
                    return
                yield await self._whole(uri, answer)

    async def _answers(self, request: Any) -> AsyncGenerator[Any, None]:
        """Every answer to a request, opened; a demand for an Echo is met on the way (B.1.2)."""
        asking, request_id = self._send(request)
        try:
            answer, _ = self._security.unprotect(await asking.response, request_id)
            if answer.code is Code.UNAUTHORIZED and answer.opt.echo is not None:
                asking, request_id = self._send(request.copy(echo=answer.opt.echo, remote=request.remote))
                answer, _ = self._security.unprotect(await asking.response, request_id)
            yield answer
            if asking.observation is not None:
                async for sealed in asking.observation:
                    yield self._security.unprotect(sealed, request_id)[0]
        finally:
            if asking.observation is not None and not asking.observation.cancelled:
                asking.observation.cancel()

    def _send(self, request: Any) -> tuple[Any, Any]:
        sealed, request_id = self._security.protect(request)
        sealed.remote = request.remote
        return self._client.request(sealed, handle_blockwise=False), request_id

    async def _whole(self, uri: str, answer: Any) -> bytes:
        data = bytes(answer.payload)
        while answer.opt.block2 is not None and answer.opt.block2.more:
            number = answer.opt.block2.block_number + 1
            block2 = (number, False, answer.opt.block2.size_exponent)
            answer = await self.ask(Message(code=GET, uri=uri, block2=block2))
            data += bytes(answer.payload)
        return data
