"""Logs a person can read and a machine can parse, with numbers that belong to people masked."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime

PHONE = re.compile(r"\+?\d{7,15}")
DEGREES = re.compile(r"\b(-?\d{1,3})\.\d{4,}\b")
SHOWN_DIGITS = 2


def masked(text: str) -> str:
    """The text with telephone numbers cut to their last two digits and positions to whole degrees."""
    text = DEGREES.sub(r"\1.****", text)
    return PHONE.sub(lambda found: "***" + found.group()[-SHOWN_DIGITS:], text)


class Formatter(logging.Formatter):
    """One line an event: time, level, room, words; as JSON where nobody is watching."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """The line, masked."""
        words = masked(record.getMessage())
        if record.exc_info:
            words += "\n" + masked(self.formatException(record.exc_info))
        at = datetime.fromtimestamp(record.created, UTC)
        if self._as_json:
            return json.dumps(
                {"at": at.isoformat(), "level": record.levelname, "room": record.name, "words": words},
                ensure_ascii=False,
            )
        return f"{at:%H:%M:%S} {record.levelname.lower():7} {record.name}: {words}"


def start_logging(*, level: int = logging.INFO) -> None:
    """Send every log line to standard error; libraries speak up from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(as_json=not sys.stderr.isatty()))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for room in ("gateway", "sos", "portal", "firmware_sim", "shouwang"):
        logging.getLogger(room).setLevel(level)
    logging.getLogger("coap-server").setLevel(
        logging.ERROR
    )  # it warns of what strangers send; that is counted
