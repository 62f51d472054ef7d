"""A capture: the raw traffic of one transport as JSON lines, pure.

The first line is a `Header`, every other a `Piece`; docs/protocols/capture.md describes both.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

VERSION = 1


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line: what was recorded, where and from when."""

    shouwang_capture: int
    gateway: str
    community: str
    transport: str
    at: datetime


class Piece(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One piece of traffic, `at_s` seconds after the header.

    `link` numbers the connections of a gateway; 0 for an order, which names its band (`device`) instead.
    "up" came from a band, "reply" is the protocol's answer to what came on the link, "down" is an order;
    "closed" says that the link ended; "lost" that `count` pieces are missing, because the reader was slow.
    """

    at_s: float
    what: Literal["up", "reply", "down", "closed", "lost"]
    link: int = 0
    peer: str = ""
    protocol: str = ""
    device: str | None = None
    hex: str = ""
    count: int = 0


class CaptureError(ValueError):
    """The file is no capture, or its version is another; says which line."""


def read(lines: list[bytes]) -> tuple[Header, list[Piece]]:
    """The header and the pieces of a capture file. Raises CaptureError."""
    number = 1
    try:
        header = msgspec.json.decode(lines[0] if lines else b"", type=Header)
        if header.shouwang_capture != VERSION:
            raise CaptureError(f"version {header.shouwang_capture}, this program reads {VERSION}")
        pieces = []
        for number, line in enumerate(lines[1:], start=2):  # noqa: B007 - named in the error
            pieces.append(msgspec.json.decode(line, type=Piece))
            bytes.fromhex(pieces[-1].hex)
    except (msgspec.DecodeError, ValueError) as error:
        raise CaptureError(f"line {number} is not of a capture: {error}") from None
    return header, pieces
