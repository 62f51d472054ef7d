"""The names of a Shapefile are read in the encoding they were written in, whatever it says or does not."""

from __future__ import annotations

import pytest

from geofence.dbf import Encoding, encoding_of


def table(*texts: bytes, column: bytes = b"name", width: int = 20) -> bytes:
    """A dBASE table with one column of text."""
    field = column.ljust(11, b"\0") + b"C" + bytes(4) + bytes([width]) + bytes(15)
    head = b"\x03\x7e\x0b\x1b" + len(texts).to_bytes(4, "little")
    head += (32 + 32 + 1).to_bytes(2, "little") + (1 + width).to_bytes(2, "little") + bytes(20)
    return head + field + b"\r" + b"".join(b" " + text.ljust(width)[:width] for text in texts) + b"\x1a"


@pytest.mark.parametrize(
    ("texts", "declared", "expected"),
    [
        (["新河苑".encode("gbk")], "GBK", Encoding("gb18030", "said")),
        (["新河苑".encode("gbk")], "936", Encoding("gb18030", "said")),
        (["新河苑".encode()], "UTF-8", Encoding("utf-8", "said")),
        (["新河苑".encode("gbk")], "", Encoding("gb18030", "guessed")),
        (["新河苑".encode()], "", Encoding("utf-8", "guessed")),
        (["新河苑".encode("gbk")], "UTF-8", Encoding("gb18030", "wrong")),
        (["新河苑".encode("gbk")], "nonsense", Encoding("gb18030", "guessed")),
        ([b"home"], "", Encoding("utf-8", "said")),
        ([b"\xff\xff\xff"], "", Encoding("latin-1", "unknown")),
        (["联通".encode("gbk")], "", Encoding("gb18030", "guessed")),
        (["新河苑围栏一二三四五".encode()[:19]], "", Encoding("utf-8", "guessed")),
        ([], "", Encoding("utf-8", "said")),
    ],
)
def test_the_text_itself_is_asked(texts, declared, expected):
    assert expected == encoding_of(table(*texts), declared)


def test_the_name_of_a_column_counts_too():
    assert encoding_of(table(b"a", column="名称".encode("gbk"))).name == "gb18030"


def test_bytes_that_are_no_table_are_refused():
    with pytest.raises(ValueError, match="cut short"):
        encoding_of(b"\x03")
