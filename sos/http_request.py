"""What a configuration says about an HTTP provider: its tables, checked when made, and filled in; pure.

A table that is wrong raises ValueError naming the key and what was expected: `shouwang check` lists it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import ClassVar
from urllib.parse import quote, urlsplit

from sos.events import LegState
from sos.http_template import (
    ENCODINGS,
    HASHES,
    Escape,
    as_is,
    for_header,
    for_json,
    for_url,
    for_xml,
    parse,
    sign,
)

METHODS = ("GET", "POST", "PUT", "DELETE")
BODY_ESCAPES: Mapping[str, Escape] = MappingProxyType({"json": for_json, "xml": for_xml, "text": as_is})
BODY_TYPES = MappingProxyType(
    {
        "json": "application/json; charset=utf-8",
        "xml": "application/xml; charset=utf-8",
        "text": "text/plain; charset=utf-8",
        "form": "application/x-www-form-urlencoded; charset=utf-8",
    }
)
SHORT_CHARS = 15
"""Providers take out-ids of 15 bytes at least (dyvmsapi `OutId`)."""
COMMON = frozenset({"account", "secret", "from_number", "timestamp", "unix", "unix_ms", "date", "nonce"})
OF_LEG = frozenset({"leg_id", "leg_short"})
OF_PHONE = frozenset({"phone", "phone_national"})
SAYABLE = frozenset(
    {LegState.PLACED, LegState.RINGING, LegState.ANSWERED, LegState.DELIVERED, LegState.NO_KEY}
    | {LegState.NO_ANSWER, LegState.BUSY, LegState.VOICEMAIL, LegState.FAILED, LegState.HUNG_UP}
)
"""What a provider's word can mean; the other states are not for it to say."""
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_REF = re.compile(r"#([A-Z0-9]{4})\b")
CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")
_UNIX = ("unix", "unix_ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """One request as it goes out; `content` is None where there is no body. Holds secrets: never log it."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One kind of request: where it goes, what it says, what of it is signed.

    `query` is added to the url, `form` is the body as a form, `body` the body as text: one of the two.
    `body_format` says how values in `body` are escaped: json, xml, or text (not at all).
    """

    url: str
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] = field(default_factory=dict)
    body: str = ""
    body_format: str = "json"
    sign_text: str = ""

    names: ClassVar[frozenset[str]] = COMMON
    """The placeholders that may stand in it, besides `{signature}`."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method is {self.method!r}: expected one of {', '.join(METHODS)}")
        if self.body_format not in BODY_ESCAPES:
            raise ValueError(
                f"body_format is {self.body_format!r}: expected one of {', '.join(BODY_ESCAPES)}"
            )
        if self.body and self.form:
            raise ValueError("body and form: expected one of the two")
        if self.method == "GET" and (self.body or self.form):
            raise ValueError("method is GET: expected no body and no form, use query")
        known = self.names | ({"signature"} if self.sign_text else frozenset())
        _template("sign_text", self.sign_text, self.names)
        _template("url", self.url, known)
        _template("body", self.body, known)
        for key in ("headers", "query", "form"):
            for name, text in getattr(self, key).items():
                _template(f"{key}.{name}", text, known)
        for name in self.headers:
            if not _FIELD_NAME.fullmatch(name):
                raise ValueError(f"headers.{name}: expected the name of a header")
        self._check_filled(dict.fromkeys(known, "1"))

    def _check_filled(self, values: Mapping[str, str]) -> None:
        parts = urlsplit(parse(self.url, known=frozenset(values)).fill(values, for_url))
        try:
            port_is_right = parts.port != 0
        except ValueError:
            port_is_right = False
        if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_right:
            raise ValueError(
                f"url is {self.url!r}: expected an address such as https://api.example.com/calls"
            )
        if self.body and self.body_format == "json":
            try:
                json.loads(parse(self.body, known=frozenset(values)).fill(values, for_json))
            except ValueError as error:
                raise ValueError(
                    f"body: expected JSON once its placeholders are filled in ({error})"
                ) from None

    def fill(self, values: Mapping[str, str], signing: Signing) -> Filled:
        """The request with every value in its place, escaped for where it stands, and signed.

        `values` has a text for every one of `names`.
        """
        known = self.names | {"signature"}
        signed = parse(self.sign_text, known=self.names).fill(values) if self.sign_text else ""
        values = {**values, "signature": signing.of(signed, values) if self.sign_text else ""}

        def filled(text: str, escape: Escape = as_is) -> str:
            return parse(text, known=known).fill(values, escape)

        url = filled(self.url, for_url)
        if self.query:
            pairs = _encoded({name: filled(text) for name, text in self.query.items()})
            url += ("&" if "?" in url else "?") + pairs
        content, kind = None, ""
        if self.form:
            content = _encoded({name: filled(text) for name, text in self.form.items()}).encode()
            kind = "form"
        elif self.body:
            content = filled(self.body, BODY_ESCAPES[self.body_format]).encode("utf-8", "replace")
            kind = self.body_format
        headers = [(name, filled(text, for_header)) for name, text in self.headers.items()]
        if kind and not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", BODY_TYPES[kind]))
        return Filled(method=self.method, url=url, headers=tuple(headers), content=content)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRequest(HttpRequest):
    """The request that places a call or a text; `id_path` is where the answer has the provider's id."""

    id_path: str

    names: ClassVar[frozenset[str]] = COMMON | OF_LEG | OF_PHONE | {"body", "ref", "ring_timeout_s"}

    def __post_init__(self) -> None:
        HttpRequest.__post_init__(self)
        if not self.id_path:
            raise ValueError("id_path is empty: expected where the answer has the id, such as data.callId")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest(HttpRequest):
    """The request that asks how one stands: `state_path` has the word for it, `key_path` the keys pressed."""

    state_path: str
    key_path: str = ""

    names: ClassVar[frozenset[str]] = COMMON | OF_LEG | {"id"}

    def __post_init__(self) -> None:
        HttpRequest.__post_init__(self)
        if not self.state_path:
            raise ValueError(
                "state_path is empty: expected where the answer has the state, such as data.state"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRequest(HttpRequest):
    """The request that ends a call."""

    names: ClassVar[frozenset[str]] = COMMON | OF_LEG | {"id"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FindRequest(HttpRequest):
    """The request for the provider's list, and how a leg is known in it.

    `list_path` is where the answer has the list, the other paths begin at one of its items.
    With `match_path` an item is the leg's when that value is `match`;
    without it every item to the telephone is taken that was made since the intent,
    by `time_path` in `time_format` (a strptime format, `unix` or `unix_ms`).
    """

    list_path: str
    id_path: str
    match_path: str = ""
    match: str = "{leg_short}"
    time_path: str = ""
    time_format: str = "%Y-%m-%d %H:%M:%S"

    names: ClassVar[frozenset[str]] = COMMON | OF_LEG | OF_PHONE | {"since"}

    def __post_init__(self) -> None:
        HttpRequest.__post_init__(self)
        if not self.id_path:
            raise ValueError("id_path is empty: expected where an item of the list has its id")
        if not self.match_path and not self.time_path:
            raise ValueError(
                "match_path and time_path are empty: expected one, or another leg's would be taken for ours"
            )
        _template("match", self.match, OF_LEG | OF_PHONE)
        _time_format("time_format", self.time_format)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """How signatures and times are made; `sign_with` is the key of the HMACs."""

    sign_hash: str = "md5"
    sign_encoding: str = "hex"
    sign_with: str = "{secret}"
    timestamp_format: str = "%Y%m%d%H%M%S"
    utc_offset_h: float = 8.0

    def __post_init__(self) -> None:
        if self.sign_hash not in HASHES:
            raise ValueError(f"sign_hash is {self.sign_hash!r}: expected one of {', '.join(HASHES)}")
        if self.sign_encoding not in ENCODINGS:
            raise ValueError(
                f"sign_encoding is {self.sign_encoding!r}: expected one of {', '.join(ENCODINGS)}"
            )
        _template("sign_with", self.sign_with, COMMON)
        _time_format("timestamp_format", self.timestamp_format)
        if not -12 <= self.utc_offset_h <= 14:  # noqa: PLR2004  the zones there are
            raise ValueError(f"utc_offset_h is {self.utc_offset_h}: expected -12 to 14, China is 8")

    def of(self, text: str, values: Mapping[str, str]) -> str:
        """The signature of a text."""
        key = parse(self.sign_with, known=COMMON).fill(values)
        return sign(text, key=key, hashed=self.sign_hash, encoding=self.sign_encoding)

    def written(self, at: datetime, style: str = "") -> str:
        """A time as the provider writes it."""
        style = style or self.timestamp_format
        if style in _UNIX:
            return str(int(at.timestamp() * (1000 if style == "unix_ms" else 1)))
        return at.astimezone(self._zone).strftime(style)

    def moment(self, at: datetime) -> dict[str, str]:
        """`timestamp`, `unix`, `unix_ms`, and `date`, which is the day in China whatever the zone."""
        return {
            "timestamp": self.written(at),
            "unix": self.written(at, "unix"),
            "unix_ms": self.written(at, "unix_ms"),
            "date": at.astimezone(CHINA).strftime("%Y%m%d"),
        }

    def read(self, text: str, style: str) -> datetime | None:
        """A time the provider has written, aware; None when it is not in this style."""
        try:
            if style in _UNIX:
                return datetime.fromtimestamp(float(text) / (1000 if style == "unix_ms" else 1), UTC)
            at = datetime.strptime(text, style)  # noqa: DTZ007  the zone comes in the next line
        except (ValueError, OverflowError, OSError):
            return None
        return at if at.tzinfo else at.replace(tzinfo=self._zone)

    @property
    def _zone(self) -> timezone:
        return timezone(timedelta(hours=self.utc_offset_h))


# --------------------------------------------------------------------------- checks and values


def check_states(states: Mapping[str, str]) -> None:
    """Raise ValueError for a state that a provider's word cannot mean."""
    for name, state in states.items():
        if state not in SAYABLE:
            known = ", ".join(sorted(SAYABLE))
            raise ValueError(f"states.{name} is {state!r}: expected one of {known}")


def short_id(leg_id: str) -> str:
    """Fifteen lower-case letters and digits that stand for a leg, for ever: 75 bits of its SHA-256."""
    digest = hashlib.sha256(leg_id.encode("utf-8", "replace")).digest()
    return base64.b32encode(digest).decode().lower()[:SHORT_CHARS]


def national(phone: str) -> str:
    """A Chinese number without +86; another country's as it is."""
    return phone.removeprefix("+86")


def reference_in(body: str) -> str:
    """The `A7K2` of an alarm's `#A7K2`; empty when the words have none."""
    found = _REF.search(body)
    return found[1] if found else ""


def _encoded(pairs: Mapping[str, str]) -> str:
    """`application/x-www-form-urlencoded`, a space as %20, which every reader of it takes."""
    return "&".join(
        f"{quote(name, safe='')}={quote(value.encode('utf-8', 'replace'), safe='')}"
        for name, value in pairs.items()
    )


def _template(key: str, text: str, known: frozenset[str]) -> None:
    try:
        parse(text, known=known)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def _time_format(key: str, style: str) -> None:
    if style in _UNIX:
        return
    if datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC).strftime(style) == style:
        raise ValueError(f"{key} is {style!r}: expected unix, unix_ms or a time such as %Y%m%d%H%M%S")
