"""Tables for a spreadsheet, streamed: CSV with a byte order mark, and XLSX; no cell is ever a formula."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence

BOM = "\ufeff"
"""Without it Excel takes UTF-8 for the code page of the machine."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""How a formula begins; Excel in Chinese takes the wide signs too."""
CHUNK_BYTES = 64 * 1024
CELL_CHARACTERS = 32_767
"""What a cell of XLSX holds (ECMA-376, Part 1, 18.3.1.4, as Excel implements it)."""
CSV_TYPE = "text/csv; charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Cell = str | int | float | None


def safe_cells(*cells: object) -> list[str]:
    """Cells a spreadsheet takes for text: an apostrophe stands before what would begin a formula (OWASP).

    A number stays one, also below zero.
    """
    return [_safe(cell) for cell in cells]


def _safe(cell: object) -> str:
    if cell is None:
        return ""
    text = str(cell)
    if isinstance(cell, int | float):
        return text
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def csv_chunks(rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """Give a table as pieces of UTF-8 text with a byte order mark, as they come."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    out.write(BOM)
    for row in rows:
        writer.writerow(safe_cells(*row))
        if out.tell() >= CHUNK_BYTES:
            yield out.getvalue().encode()
            out.seek(0)
            out.truncate()
    yield out.getvalue().encode()


def xlsx_chunks(title: str, rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """Give a table as pieces of an XLSX file; rows go to the disk as they come, never all to memory.

    Text is stored as text, so that none is a formula; what no XLSX may hold (control characters) is left out.
    """
    from openpyxl import Workbook  # noqa: PLC0415  # who exports nothing does not wait for it
    from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE  # noqa: PLC0415

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title[:31])
    for row in rows:
        cells = []
        for value in row:
            said = ILLEGAL_CHARACTERS_RE.sub("", value)[:CELL_CHARACTERS] if isinstance(value, str) else value
            cell = WriteOnlyCell(sheet, value=said)
            if isinstance(said, str):
                cell.data_type = "s"
            cells.append(cell)
        sheet.append(cells)
    with tempfile.TemporaryFile() as file:
        book.save(file)
        file.seek(0)
        while piece := file.read(CHUNK_BYTES):
            yield piece
