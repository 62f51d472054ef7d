"""A table of bands, as a spreadsheet saves it: bytes in, rows or every wrong place out. Pure.

The first row names the columns: `wearer`, `protocol`, `id`, and where needed
`model`, `serial`, `name` and `device`.
UTF-8 with or without a byte order mark, or GB 18030 (what Excel writes in China), which contains GBK.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import NamedTuple

from gateway.desk.device_book import Asked, Wrong

NEEDED = ("wearer", "protocol", "id")
COLUMNS = (*NEEDED, "model", "serial", "name", "device")
MOST_ROWS = 10_000


class Line(NamedTuple):
    """One band and the line of the file it stands in, from 1."""

    number: int
    asked: Asked


class WrongLine(NamedTuple):
    """One value that cannot be, and its line; line 0 is the file itself."""

    number: int
    wrong: Wrong

    def __str__(self) -> str:
        return f"line {self.number}: {self.wrong}"


def parse(data: bytes) -> tuple[list[Line], list[WrongLine]]:
    """The bands of a file and everything wrong with its form; what the values mean is not looked at."""
    text = _text(data)
    if text is None:
        return [], [WrongLine(0, Wrong("file", "(bytes)", "text in UTF-8 or GB 18030"))]
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[Line] = []
    wrong: list[WrongLine] = []
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        wrong += _header(header)
        if wrong:
            return [], wrong
        for cells in reader:
            values = [cell.strip() for cell in cells]
            if not any(values):
                continue
            if len(values) != len(header):
                wrong.append(_width(reader.line_num, values, header))
                continue
            named = dict(zip(header, values, strict=True))
            missing = [name for name in NEEDED if not named[name]]
            wrong += [WrongLine(reader.line_num, Wrong(name, "", "a value")) for name in missing]
            if not missing:
                named["wire_id"] = named.pop("id")
                lines.append(Line(reader.line_num, Asked(**named)))
            if len(lines) > MOST_ROWS:
                return [], [WrongLine(reader.line_num, Wrong("file", "(long)", f"at most {MOST_ROWS} bands"))]
    except csv.Error as error:
        wrong.append(WrongLine(reader.line_num, Wrong("row", "(unreadable)", f"comma-separated: {error}")))
    return lines, wrong + list(_twice(lines))


def _text(data: bytes) -> str | None:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def _header(header: list[str]) -> Iterator[WrongLine]:
    expected = "a first row with " + ", ".join(NEEDED) + "; known: " + ", ".join(COLUMNS)
    for name in NEEDED:
        if name not in header:
            yield WrongLine(1, Wrong(name, "(missing)", expected))
    for name in header:
        if name not in COLUMNS or header.count(name) > 1:
            yield WrongLine(1, Wrong("header", name, "each column once; known: " + ", ".join(COLUMNS)))


def _width(number: int, values: list[str], header: list[str]) -> WrongLine:
    return WrongLine(
        number, Wrong("row", ",".join(values)[:40], f"{len(header)} values, as in the first row")
    )


def _twice(lines: list[Line]) -> Iterator[WrongLine]:
    """An id or identity that stands in the file a second time."""
    for column in ("id", "device"):
        seen: dict[str, int] = {}
        for number, asked in lines:
            value = asked.wire_id if column == "id" else asked.device or asked.wire_id
            if value in seen:
                if column == "id" or asked.device:
                    yield WrongLine(number, Wrong(column, value, f"not the one of line {seen[value]}"))
            else:
                seen[value] = number
