"""`shouwang decode`: one captured frame a line in, one JSON line a frame out. Pure.

A capture may be years old, so every date a codec can still believe is believed, and no fix is left out.
A stream of sentences (nmea) is one connection: a sentence that completes no fix prints `"readings": []`,
a fix is printed on the line whose sentence completes it, and the end of the input completes the last one with
one more line. Every other line is a connection of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from gateway import plugins
from gateway.errors import FrameError
from gateway.model import Reading, Uplink

JOINED = frozenset({"nmea"})
"""Codecs that make one reading of several frames."""
EARLIEST_CAPTURE_YEAR = 2000
_LENIENT = {"interval_s": 0.0, "earliest_year": EARLIEST_CAPTURE_YEAR}


def decode_lines(
    codec_name: str,
    lines: Iterable[bytes],
    *,
    hex_lines: bool,
    now: Callable[[], datetime] | None = None,
    settings: Any = None,
) -> Iterator[str]:
    """Give one JSON text for each frame in `lines`.

    Empty lines and lines that begin with `#` are passed over.
    A line is the frame itself, or its bytes in hex (spaces allowed) with `hex_lines`.
    `now` resolves relative times and puts the time into replies that carry it.
    `settings` are those of the band's model, where it has one.
    Raises KeyError for a codec that does not exist.
    """
    kind = plugins.load("codec")[codec_name]
    is_joined = codec_name in JOINED
    codec = for_captures(kind, settings=settings, now=now)
    for line in lines:
        text = line.rstrip(b"\r\n")
        if not text.strip() or text.startswith(b"#"):
            continue
        if hex_lines:
            try:
                frame = bytes.fromhex(text.decode("ascii"))
            except ValueError:
                yield _error(FrameError("not hex", raw=text))
                continue
        else:
            frame = text
        if is_joined:
            codec.feed(frame.rstrip(b"\r\n") + b"\r\n")
        else:
            codec = for_captures(kind, settings=settings, now=now)
            codec.feed(frame)
            codec.end_of_message()
        yield from _answers(codec_name, codec) or [_empty(codec_name)]
    if is_joined:
        codec.end_of_message()
        yield from _answers(codec_name, codec)


def as_builtins(reading: Reading) -> dict[str, Any]:
    """A reading as `shouwang decode` prints it: `kind`, then every field, null where there is nothing."""
    plain: dict[str, Any] = {"kind": type(reading).__struct_config__.tag}
    for field in type(reading).__struct_fields__:
        value = getattr(reading, field)
        if isinstance(value, datetime):
            value = value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        plain[field] = value
    return plain


def for_captures(kind: Any, *, settings: Any, now: Callable[[], datetime] | None) -> Any:
    """A codec with the settings given (None: its own), but for those of `_LENIENT` that it has."""
    given = kind.Settings() if settings is None else settings
    wanted = {key: value for key, value in _LENIENT.items() if key in kind.Settings.__struct_fields__}
    return kind(msgspec.structs.replace(given, **wanted), now=now)


def _answers(codec_name: str, codec: Any) -> list[str]:
    """Read the codec dry."""
    answers: list[str] = []
    while True:
        try:
            uplink = codec.next_event()
        except FrameError as error:
            answers.append(_error(error))
            continue
        if uplink is None:
            return answers
        answers.append(_uplink(codec_name, uplink))


def _uplink(codec_name: str, uplink: Uplink) -> str:
    return _json(
        {
            "codec": codec_name,
            "device": uplink.device,
            "backlog": uplink.backlog,
            "readings": [as_builtins(reading) for reading in uplink.readings],
            "reply": None if uplink.reply is None else uplink.reply.decode("latin-1"),
        }
    )


def _empty(codec_name: str) -> str:
    return _json({"codec": codec_name, "device": None, "backlog": False, "readings": [], "reply": None})


def _error(error: FrameError) -> str:
    head = error.head.decode("latin-1")
    return _json({"error": {"reason": error.reason, "offset": error.offset, "head": head}})


def _json(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode()
