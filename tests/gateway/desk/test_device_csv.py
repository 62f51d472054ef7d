"""A table of bands: whatever the bytes, rows or the places that are wrong, never an exception."""

from __future__ import annotations

import csv
import io
import string

from hypothesis import given
from hypothesis import strategies as st

from gateway.desk.device_book import Asked
from gateway.desk.device_csv import COLUMNS, Line, parse

CELLS = st.text(string.ascii_letters + string.digits + "张桂兰,\"'-_ ", min_size=1, max_size=12).map(
    str.strip
)


@given(
    names=st.permutations(COLUMNS),
    rows=st.lists(
        st.fixed_dictionaries({name: CELLS.filter(bool) for name in COLUMNS}),
        max_size=6,
        unique_by=(lambda row: row["id"], lambda row: row["device"]),
    ),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "gb18030"]),
)
def test_what_a_spreadsheet_writes_is_read_whatever_the_order_of_its_columns(names, rows, encoding):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows(rows)
    lines, wrong = parse(out.getvalue().encode(encoding))
    expected = [{("wire_id" if name == "id" else name): row[name] for name in COLUMNS} for row in rows]
    assert wrong == []
    assert lines == [Line(number, Asked(**row)) for number, row in enumerate(expected, 2)]


@given(
    st.binary(max_size=300) | st.text(max_size=200).map(lambda text: ("wearer,protocol,id\n" + text).encode())
)
def test_any_bytes_are_rows_or_wrong_places(data):
    """Nothing is passed over in silence but rows of empty cells."""
    lines, wrong = parse(data)
    if not lines and not wrong:
        rows = data.decode("utf-8-sig").partition("\n")[2]
        assert not rows.replace(",", "").replace('"', "").strip()


def test_a_missing_an_unknown_and_a_double_column_are_named():
    _, wrong = parse(b"wearer,protocol,imei,wearer\n")
    assert [(one.number, one.wrong.column, one.wrong.value) for one in wrong] == [
        (1, "id", "(missing)"),
        (1, "header", "wearer"),
        (1, "header", "imei"),
        (1, "header", "wearer"),
    ]
