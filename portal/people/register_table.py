"""A table of residents as somebody sends it, read into headers and rows of text: CSV or XLSX, bounded.

Pure: bytes in, text out.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

MOST_BYTES: Final = 5 * 1024 * 1024
MOST_UNPACKED_BYTES: Final = 100 * 1024 * 1024
"""A small XLSX may unfold to much more; one that unfolds to this is no list of people."""
MOST_ROWS: Final = 3000
MOST_COLUMNS: Final = 40
CELL_CHARACTERS: Final = 500
ENCODINGS: Final = ("utf-8-sig", "gb18030")
"""What Excel writes in China: UTF-8 with a mark, or the code page of the machine."""
ZIP: Final = b"PK\x03\x04"

HEADERS: Final = {
    "name": ("姓名", "名字", "name", "full name"),
    "id_number": (
        "身份证号码",
        "身份证号",
        "身份证",
        "公民身份号码",
        "证件号码",
        "id number",
        "identity number",
    ),
    "home": ("住址", "地址", "房屋", "home", "address"),
    "building": ("楼栋", "楼号", "栋", "building"),
    "unit": ("单元", "unit", "entrance"),
    "room": ("房号", "室", "门牌", "room", "door"),
    "sex": ("性别", "sex", "gender"),
    "birth_date": ("出生日期", "出生年月日", "生日", "birth date", "date of birth"),
    "phone": ("电话", "手机", "手机号", "手机号码", "联系电话", "phone", "telephone", "mobile"),
    "relation": ("与户主关系", "关系", "relation", "relation to the head of the household"),
    "tags": ("标签", "类别", "tags"),
    "note": ("备注", "note", "notes", "remark"),
}
"""What each column may be called; letters, spaces and underscores do not matter."""


class Unreadable(ValueError):
    """A file that is not taken; `reason` is `too_big`, `too_many`, `format`, `header` or `empty`."""

    def __init__(self, reason: Literal["too_big", "too_many", "format", "header", "empty"]) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What was in the file: the headers as they stand, what each column is, and the rows below.

    `columns` names a column by a key of `HEADERS`, or is empty for one nobody knows.
    `numbers` are the row numbers as the spreadsheet shows them.
    """

    headers: list[str]
    columns: list[str]
    rows: list[list[str]]
    numbers: list[int]


def read_table(data: bytes) -> Table:
    """Read a file; raises `Unreadable`."""
    if len(data) > MOST_BYTES:
        raise Unreadable("too_big")
    lines = _xlsx(data) if data.startswith(ZIP) else _csv(data)
    found = [(number, cells) for number, cells in enumerate(lines, start=1) if any(cells)]
    if not found:
        raise Unreadable("empty")
    _, headers = found[0]
    columns = [_column(header) for header in headers]
    known = [column for column in columns if column]
    if "name" not in columns or len(known) != len(set(known)):
        raise Unreadable("header")
    if len(found) - 1 > MOST_ROWS:
        raise Unreadable("too_many")
    width = len(headers)
    rows = [(cells + [""] * width)[:width] for _, cells in found[1:]]
    if not rows:
        raise Unreadable("empty")
    return Table(headers=headers, columns=columns, rows=rows, numbers=[number for number, _ in found[1:]])


def _column(header: str) -> str:
    plain = _plain(header)
    return next((key for key, names in HEADERS.items() if plain in map(_plain, names)), "")


def _plain(text: str) -> str:
    return "".join(text.casefold().replace("_", " ").split()).strip("*＊:：")


def _csv(data: bytes) -> Iterable[list[str]]:
    for encoding in ENCODINGS:
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise Unreadable("format")
    if "\0" in text:
        raise Unreadable("format")
    first = text.split("\n", 1)[0]
    delimiter = max(",\t;", key=first.count)
    lines = []
    try:
        for number, cells in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)):
            if number > MOST_ROWS * 2:
                raise Unreadable("too_many")
            lines.append([_cell(cell) for cell in cells[:MOST_COLUMNS]])
    except csv.Error as error:
        raise Unreadable("format") from error
    return lines


def _xlsx(data: bytes) -> Iterable[list[str]]:
    from openpyxl import load_workbook  # noqa: PLC0415  # only who imports a spreadsheet waits for it

    try:
        _check_unpacked(data)
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()
        rows = sheet.iter_rows(max_row=MOST_ROWS * 2 + 1, max_col=MOST_COLUMNS, values_only=True)
        lines = [[_cell(value) for value in row] for row in rows]
        book.close()
    except Unreadable:
        raise
    except Exception as error:  # a broken file fails anywhere in the library, in its own ways
        raise Unreadable("format") from error
    if len(lines) > MOST_ROWS * 2:
        raise Unreadable("too_many")
    return [_without_end(cells) for cells in lines]


def _check_unpacked(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        if sum(entry.file_size for entry in packed.infolist()) > MOST_UNPACKED_BYTES:
            raise Unreadable("too_big")


def _without_end(cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells = cells[:-1]
    return cells


def _cell(value: object) -> str:
    """A cell as text: a date without its time of day, a number without a point it does not need."""
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        value = value.date()
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip().removeprefix("'")[:CELL_CHARACTERS]
