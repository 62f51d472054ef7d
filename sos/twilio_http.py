"""Twilio's own client, made to do exactly one request a call and to say what certainly never left the house.

A request has a gate before the wire.
The worker thread opens it when the connection stands and the first byte is about to be written;
whoever no longer waits closes it, and the first of the two wins.
So a request that was given up before its gate opened was certainly not placed, and never will be.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from sos.carriers.base import CarrierAmbiguous, CarrierDown, CarrierError, CarrierRefused

T = TypeVar("T")

CONNECT_S = 2.5
"""For one address; the name may have several."""
REQUEST_S = 4.5
"""For the connection and the answer together."""
TWILIO = "https://api.twilio.com"
TOO_MANY = 429
CLIENT_ERRORS = 400
SERVER_ERRORS = 500


class Abandoned(Exception):
    """Nobody waits for this request any more; nothing was written."""


class Gate:
    """The gate of one request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self.opened = False
        """Something may have been written."""

    def open(self) -> None:
        """Let the request out. Raises Abandoned when the gate was closed first."""
        with self._lock:
            if self._closed and not self.opened:
                raise Abandoned
            self.opened = True

    def close(self) -> bool:
        """Stop waiting; True when nothing was written and nothing will be."""
        with self._lock:
            self._closed = True
            return not self.opened


_in_hand = threading.local()


def load_client(*, account_sid: str, auth_token: str, base_url: str) -> Any:
    """Import the client and build one; `base_url` replaces Twilio's host where it is not empty.

    Each request has a connection of its own:
    a kept one that the far side has closed makes a doubt for nothing.
    """
    from twilio.http.http_client import TwilioHttpClient  # noqa: PLC0415  lazy: twilio is slow to import
    from twilio.rest import Client  # noqa: PLC0415  the same
    from twilio.twiml import voice_response  # noqa: F401, PLC0415  loaded here for the first call
    from urllib3.util.timeout import Timeout  # noqa: PLC0415  the same

    class OneRequest(TwilioHttpClient):  # type: ignore[misc]  # twilio ships no types we follow
        """Twilio's HTTP client: no retry, a fresh connection each time, another host in the demo."""

        def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            if base_url:
                url = base_url.rstrip("/") + url.removeprefix(TWILIO)
            return super().request(method, url, *args, **kwargs)

    logging.getLogger("twilio.http_client").setLevel(logging.WARNING)  # it logs telephone numbers
    http = OneRequest()
    http.timeout = Timeout(total=REQUEST_S, connect=CONNECT_S)
    adapter = _gated_adapter()
    for scheme in ("https://", "http://"):
        http.session.mount(scheme, adapter)
    http.session.headers["Connection"] = "close"
    if base_url:
        http.session.trust_env = False
    client = Client(account_sid, auth_token, http_client=http)
    _ = client.calls, client.messages  # imports their modules now, so that the first press does not wait
    return client


def _gated_adapter() -> Any:
    """Build a requests adapter whose connections open the gate of the request in hand before they write."""
    from requests.adapters import HTTPAdapter  # noqa: PLC0415  lazy, as above
    from urllib3.connection import HTTPConnection, HTTPSConnection  # noqa: PLC0415  the same
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool  # noqa: PLC0415  the same

    class GatedHttp(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            _in_hand.gate.open()

        def request(self, *args: Any, **kwargs: Any) -> None:
            if self.sock is not None:
                _in_hand.gate.open()
            super().request(*args, **kwargs)

    class GatedHttps(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            _in_hand.gate.open()

        def request(self, *args: Any, **kwargs: Any) -> None:
            if self.sock is not None:
                _in_hand.gate.open()
            super().request(*args, **kwargs)

    class HttpPool(HTTPConnectionPool):
        ConnectionCls = GatedHttp

    class HttpsPool(HTTPSConnectionPool):
        ConnectionCls = GatedHttps

    pools = {"http": HttpPool, "https": HttpsPool}

    class Gated(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = pools

        def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
            manager = super().proxy_manager_for(proxy, **kwargs)
            manager.pool_classes_by_scheme = pools
            return manager

    return Gated(max_retries=0)


def ask(request: Callable[[], T], gate: Gate) -> T:
    """Run a blocking request through its gate; what went wrong comes out as one of the three carrier errors.

    Before the gate opened it is "down"; what is lost behind it is "ambiguous".
    """
    from requests import exceptions as http  # noqa: PLC0415  lazy, loaded by now
    from twilio.base.exceptions import TwilioException  # noqa: PLC0415  the same

    _in_hand.gate = gate
    try:
        return request()
    except Abandoned:
        raise CarrierDown("Twilio was not reached in time") from None
    except TwilioException as error:
        raise _from_answer(error) from None
    except http.RequestException as error:
        if not gate.opened:
            reason = getattr(error.args[0] if error.args else None, "reason", error)
            raise CarrierDown(f"Twilio was not reached: {type(reason).__name__}") from None
        if isinstance(error, http.Timeout):
            raise CarrierAmbiguous(f"no answer from Twilio in {REQUEST_S:g} s") from None
        raise CarrierAmbiguous("the connection to Twilio broke before its answer") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CarrierAmbiguous(f"Twilio's answer was unreadable: {type(error).__name__}") from None


def _from_answer(error: Exception) -> CarrierError:
    status, code = getattr(error, "status", 0), getattr(error, "code", None)
    detail = f"Twilio answered {status}, code {code}"
    if status == TOO_MANY:
        return CarrierDown(detail)
    if CLIENT_ERRORS <= status < SERVER_ERRORS:
        return CarrierRefused(detail)
    return CarrierAmbiguous(detail)
