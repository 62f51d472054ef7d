"""Who may come in over CoAP: plain requests from this box (or the network, if so set), OSCORE of known bands.

| what comes | answer (RFC 8613 section 8.2) | counted as |
| --- | --- | --- |
| plain, from a network that may not | 4.01 | `4.01 plain` |
| OSCORE of a key id that no band has | 4.01 | `4.01 unknown key id` |
| OSCORE that the band's key does not open | 4.00 | `4.00 wrong key` |
| OSCORE that was heard before | 4.01 | `4.01 replay` |
| OSCORE that may have been, since we started | protected 4.01 with Echo | `4.01 asked for an Echo` |
| an OSCORE option that is none | 4.02 | `4.02 not OSCORE` |
| OSCORE while its numbers cannot be kept | 5.03 | `5.03 no numbers` |

Only a confirmable request is answered; the first two cost neither memory nor a computation.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

from aiocoap import Message, oscore
from aiocoap.error import ConstructionRenderableError, UnparsableMessage
from aiocoap.numbers import CON
from aiocoap.numbers.codes import FETCH, POST, Code

from gateway.transports.coap_contexts import BandContext, Contexts
from gateway.transports.coap_wire import Wire

MAX_PARTIAL_IV = 5
MAX_SAID = 1000
NO_ANSWER = 26
"""No-Response (RFC 7967) to every class: ends an exchange without a word."""

log = logging.getLogger(__name__)


class Refused(ConstructionRenderableError):  # type: ignore[misc]  # aiocoap has no types
    """A request answered with an error code; `reason` makes the counter say more than the code."""

    def __init__(self, code: Any, reason: str = "", *, max_age_s: int | None = None) -> None:
        super().__init__()
        self.code = code
        self.reason = reason
        self.max_age_s = max_age_s

    def to_message(self) -> Any:
        """The answer."""
        return Message(code=self.code, max_age=self.max_age_s)

    def unprotected(self, request: Any) -> Any:
        """The answer to a request that is not believed: none to one that is not confirmable."""
        message = self.to_message()
        if request.mtype is not CON:
            message.opt.no_response = NO_ANSWER
        return message

    @property
    def counter(self) -> str:
        """What it is counted as."""
        return f"{self.code.dotted} {self.reason}".rstrip()


class Exchange:
    """One request, opened, and its way back; `device` is the band its key proves, None where it is plain."""

    def __init__(self, pipe: Any, wire: Wire, opened: tuple[Any, BandContext, Any] | None = None) -> None:
        self.outer = pipe.request
        self.request: Any = pipe.request
        self._context: BandContext | None = None
        self._request_id: Any = None
        if opened is not None:
            self.request, self._context, self._request_id = opened
        self.device = None if self._context is None else self._context.device
        self.peer = self.outer.remote.hostinfo
        self.wire = wire
        self._pipe = pipe

    def answer(self, message: Any, *, last: bool = True, observe: int | None = None) -> Any:
        """Send it, protected as the request was; gives the message as it went out.

        `observe` makes it a notification with this number (RFC 7641 section 4.4).
        Raises `aiocoap.oscore.ContextUnavailable` when no number may be used.
        """
        if self._context is None:
            sent = message
        else:
            if observe is not None:
                message.opt.observe = 0
                self._request_id.can_reuse_nonce = False
            sent, _ = self._context.protect(message, self._request_id)
            sent.mtype = message.mtype
        sent.opt.observe = observe
        self._pipe.add_response(sent, is_last=last)
        return sent

    def end(self) -> None:
        """End it without a word."""
        self._pipe.add_response(Message(code=Code.SERVICE_UNAVAILABLE, no_response=NO_ANSWER), is_last=True)


class Door:
    """Decides on every request before anything else looks at it."""

    def __init__(self, contexts: Contexts, counts: Counter[str], *, plain_everywhere: bool) -> None:
        self._contexts = contexts
        self._counts = counts
        self._plain_everywhere = plain_everywhere
        self._said: set[str] = set()

    def screen(self, request: Any) -> Any | None:
        """The refusal of a stranger, None for everybody else."""
        try:
            if request.opt.oscore is None:
                if self._plain_everywhere or request.remote.loopback:
                    return None
                raise Refused(Code.UNAUTHORIZED, "plain")  # noqa: TRY301 - one way out
            if not self._contexts.known(_key_id(request)):
                raise Refused(Code.UNAUTHORIZED, "unknown key id", max_age_s=0)  # noqa: TRY301
        except Refused as refused:
            self.note(refused, request)
            return refused.to_message()
        return None

    def open(self, pipe: Any, wire: Wire) -> Exchange:
        """The request behind a datagram; raises Refused, or aiocoap's demand for an Echo."""
        request = pipe.request
        if request.opt.oscore is None:
            return Exchange(pipe, wire)
        if request.code not in (POST, FETCH):
            raise Refused(Code.METHOD_NOT_ALLOWED, "not OSCORE")
        key_id = _key_id(request)
        if not self._contexts.open():
            raise Refused(Code.SERVICE_UNAVAILABLE, "no numbers", max_age_s=5)
        context = self._contexts.get(key_id)
        if context is None:
            raise Refused(Code.UNAUTHORIZED, "unknown key id", max_age_s=0)
        try:
            inner, request_id = context.unprotect(request)
        except oscore.ReplayErrorWithEcho:
            self._counts["4.01 asked for an Echo"] += 1
            raise
        except oscore.ReplayError as error:
            raise Refused(Code.UNAUTHORIZED, "replay", max_age_s=0) from error
        except (oscore.DecodeError, UnparsableMessage, UnicodeDecodeError) as error:
            raise Refused(Code.BAD_OPTION, "not OSCORE", max_age_s=0) from error
        except oscore.ProtectionInvalid as error:
            raise Refused(Code.BAD_REQUEST, "wrong key", max_age_s=0) from error
        inner.remote = request.remote
        return Exchange(pipe, wire, (inner, context, request_id))

    def note(self, refused: Refused, request: Any) -> None:
        """Count a refusal; the first of its kind from a host is also logged."""
        self._counts[refused.counter] += 1
        said = f"{refused.counter} {request.remote.host}"
        if refused.reason and said not in self._said and len(self._said) < MAX_SAID:
            self._said.add(said)
            log.warning("CoAP request from %s refused: %s", request.remote.host, refused.counter)


def _key_id(request: Any) -> bytes:
    """The key id a request names; raises Refused when its option is not one of a request."""
    try:
        named = oscore.verify_start(request)
    except (oscore.DecodeError, IndexError) as error:
        raise Refused(Code.BAD_OPTION, "not OSCORE", max_age_s=0) from error
    partial_iv = named.get(oscore.COSE_PIV, b"")
    if not 0 < len(partial_iv) <= MAX_PARTIAL_IV or oscore.COSE_COUNTERSIGNATURE0 in named:
        raise Refused(Code.BAD_OPTION, "not OSCORE", max_age_s=0)
    if oscore.COSE_KID_CONTEXT in named:
        return b""
    return bytes(named.get(oscore.COSE_KID, b""))
