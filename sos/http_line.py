"""One HTTP request to a provider, and what its answer makes certain.

No retry, no redirect, no proxy, no cookie and no kept-alive connection:
a repeated POST is a second call, and a half-dead connection makes a doubt for nothing.

A connection that was never made is "down"; anything lost after it was made is "ambiguous".
`httpx` is loaded at the first use, in a thread,
with the certificates it trusts (certifi's, or those of `SSL_CERT_FILE`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from dataclasses import dataclass
from typing import Any

from sos.carriers.base import CarrierAmbiguous, CarrierDown, CarrierError, CarrierRefused
from sos.http_request import Filled
from sos.http_template import at_path, matches, word

SLOWEST_FACTOR = 2.5
"""A whole request may take this many time-outs: connecting, writing and reading have one each."""
MAX_ANSWER_BYTES = 1 << 18
MAX_SHOWN_CHARS = 24
TOO_MANY = 429
UNKNOWN_TO_IT = frozenset({401, 403})
SERVER_ERRORS = 500
REQUEST_ERRORS = 400
REDIRECTS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; `document` is None where it was no JSON."""

    status: int
    document: Any


class HttpLine:
    """Requests to one provider; `trouble` says why the last could not be made, empty when it could."""

    def __init__(self, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._loading = asyncio.Lock()
        self._tls: ssl.SSLContext | None = None
        self.trouble = ""

    async def load(self) -> ssl.SSLContext:
        """Import the client and read the certificates, once; later calls give them at once."""
        async with self._loading:
            if self._tls is None:
                self._tls = await asyncio.to_thread(_load)
        return self._tls

    async def ask(self, filled: Filled) -> Answer:
        """Make the request exactly once. Raises CarrierDown or CarrierAmbiguous."""
        tls = await self.load()
        try:
            async with asyncio.timeout(SLOWEST_FACTOR * self._timeout_s):
                answer = await _once(filled, tls, timeout_s=self._timeout_s)
        except CarrierError as error:
            self.trouble = error.detail
            raise
        except TimeoutError:
            self.trouble = "the provider's answer took too long"
            raise CarrierAmbiguous(self.trouble) from None
        refused_us = answer.status in UNKNOWN_TO_IT
        away = refused_us or answer.status == TOO_MANY or answer.status >= SERVER_ERRORS
        self.trouble = f"the provider answered {answer.status}" if away else ""
        return answer


def _load() -> ssl.SSLContext:
    import httpx  # noqa: PLC0415  lazy: a tenth of a second that most sites never need

    for name in ("httpx", "httpcore"):  # they log whole addresses, with telephone numbers and signatures
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx.create_ssl_context()


async def _once(filled: Filled, tls: ssl.SSLContext, *, timeout_s: float) -> Answer:
    """The request; every exception of the client comes out as one of the carrier errors."""
    import httpx  # noqa: PLC0415  lazy, loaded by now

    never_connected = (
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.PoolTimeout,
        httpx.UnsupportedProtocol,
        httpx.InvalidURL,
    )
    transport = httpx.AsyncHTTPTransport(
        verify=tls, retries=0, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
    )
    try:
        async with httpx.AsyncClient(
            transport=transport, timeout=timeout_s, follow_redirects=False, trust_env=False
        ) as client:
            headers = [(name, value.encode("utf-8", "replace")) for name, value in filled.headers]
            async with client.stream(
                filled.method,
                filled.url,
                headers=[(b"Connection", b"close"), *[(n.encode(), v) for n, v in headers]],
                content=filled.content,
            ) as response:
                return Answer(status=response.status_code, document=await _document(response))
    except never_connected as error:
        raise CarrierDown(f"the provider was not reached: {type(error).__name__}") from None
    except httpx.TimeoutException:
        raise CarrierAmbiguous(f"no answer from the provider in {timeout_s:g} s") from None
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise CarrierAmbiguous(f"the provider's answer was lost: {type(error).__name__}") from None


async def _document(response: Any) -> Any:
    """The answer's JSON; None for anything else, and for more than anybody has to say."""
    whole = bytearray()
    async for piece in response.aiter_bytes():
        whole += piece
        if len(whole) > MAX_ANSWER_BYTES:
            return None
    try:
        return json.loads(whole)
    except (ValueError, RecursionError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a provider says yes, no and later: the word at `ok_path`; a pattern may end in `*`."""

    ok_path: str
    ok_values: tuple[str, ...]
    refused_values: tuple[str, ...]
    busy_values: tuple[str, ...]


def judge(answer: Answer, rules: Rules) -> Any:
    """The document of an answer that says yes.

    Raises CarrierRefused for a clear no, CarrierDown for "later" (429 or one of `busy_values`),
    CarrierAmbiguous for everything else: 5xx, a redirect, no JSON, a word nobody has described.
    """
    said = word(at_path(answer.document, rules.ok_path)) if rules.ok_path else ""
    detail = f"the provider answered {answer.status}" + (f", code {said[:MAX_SHOWN_CHARS]}" if said else "")
    if answer.status == TOO_MANY or (said and matches(said, rules.busy_values)):
        raise CarrierDown(detail)
    if REQUEST_ERRORS <= answer.status < SERVER_ERRORS:
        raise CarrierRefused(detail)
    if answer.status >= REDIRECTS:
        raise CarrierAmbiguous(detail)
    if answer.document is None:
        raise CarrierAmbiguous(f"{detail}, which was no JSON")
    if not rules.ok_path or matches(said, rules.ok_values):
        return answer.document
    if said and matches(said, rules.refused_values):
        raise CarrierRefused(detail)
    raise CarrierAmbiguous(detail)
