"""Which encoding the text of a Shapefile's table is in; pure, standard library only.

A .dbf says its encoding in a .cpg file beside it, or in byte 29, or, most often in China, nowhere:
then GDAL takes it for Latin-1 and every Chinese name is rubbish.
So the text itself is asked: it is what decodes without a fault and reads as Chinese.

Source of the layout: dBASE III+ table file (header of 32 bytes, then 32 bytes a field, then records).
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

HEAD_BYTES = 32
FIELD_BYTES = 32
END_OF_FIELDS = 0x0D
CHINESE = ("\u4e00", "\u9fff")


@dataclass(frozen=True, slots=True)
class Encoding:
    """A Python codec's name, and how we know.

    `said`: the file says so and it fits; `guessed`: the text reads well so;
    `wrong`: the same, but the file says another; `unknown`: nothing fits, so read as Latin-1.
    """

    name: str
    how: str


def encoding_of(table: bytes, declared: str = "") -> Encoding:
    """Give the encoding of a .dbf; `declared` is the text of its .cpg file, or empty.

    A table that is pure ASCII is of any encoding: the declared one, else UTF-8, and `said`.
    Raises ValueError when the bytes are no .dbf.
    """
    texts = tuple(_texts(table))
    said = _codec(declared)
    if said and all(_decodes(text, said) for text in texts):
        return Encoding(said, "said")
    if all(text.isascii() for text in texts):
        return Encoding("utf-8", "said")
    fitting = [name for name in ("utf-8", "gb18030") if all(_decodes(text, name) for text in texts)]
    if not fitting:
        return Encoding("latin-1", "unknown")
    best = next((name for name in fitting if _reads_as_chinese(texts, name)), fitting[0])
    return Encoding(best, "wrong" if said else "guessed")


def _codec(declared: str) -> str:
    """The Python codec of a .cpg: a name, or the number of a Windows code page."""
    name = declared.strip().lower()
    for one in (name, f"cp{name}", name.replace("ansi ", "cp")):
        try:
            return "gb18030" if (found := codecs.lookup(one).name) in {"gbk", "gb2312"} else found
        except (LookupError, ValueError):
            continue
    return ""


def _texts(table: bytes) -> Iterator[bytes]:
    """Every text of the table: the names of its fields, and what its records hold of type C."""
    if len(table) <= HEAD_BYTES:
        raise ValueError("the .dbf of the Shapefile is cut short")
    first, width = int.from_bytes(table[8:10], "little"), int.from_bytes(table[10:12], "little")
    spans = []
    offset = 1
    for at in range(HEAD_BYTES, min(first, len(table)) - FIELD_BYTES + 1, FIELD_BYTES):
        field = table[at : at + FIELD_BYTES]
        if field[0] == END_OF_FIELDS:
            break
        yield field[:11].split(b"\0")[0]
        if field[11:12] == b"C":
            spans.append((offset, offset + field[16]))
        offset += field[16]
    for at in range(first, len(table) - width + 1, max(width, 1)):
        for start, end in spans:
            text = table[at + start : at + end].rstrip(b" \0")
            if text:
                yield text


def _decodes(text: bytes, name: str) -> bool:
    """Whether it is text of that encoding; a character cut at the end of the field is forgiven."""
    try:
        codecs.getincrementaldecoder(name)().decode(text)
    except UnicodeDecodeError:
        return False
    return True


def _reads_as_chinese(texts: tuple[bytes, ...], name: str) -> bool:
    """Whether a Chinese character is in it: 联通 in GBK is also UTF-8, of letters nobody writes."""
    first, last = CHINESE
    decoded = (codecs.getincrementaldecoder(name)().decode(text) for text in texts)
    return any(first <= character <= last for text in decoded for character in text)
