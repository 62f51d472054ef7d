"""SenML packs as RFC 8428 writes them: bytes to records, base fields and names resolved. No meaning yet.

The first byte tells CBOR (an array, 0x80 to 0x9F) from JSON (`[`).
"""

from __future__ import annotations

import io
import math
from decimal import Decimal
from typing import Any

import cbor2
import msgspec

from gateway.errors import FrameError

MAX_ID_CHARS = 64
MAX_VERSION = 10
"""The version of RFC 8428 (4.4); a pack of a higher one is refused."""
MAX_CBOR_DEPTH = 16
_DECIMAL_TAG = b"\xc4"


class Record(msgspec.Struct, gc=False):
    """One record as it stands on the wire (RFC 8428, 4.1 to 4.3).

    `s`, `ut`, `vd` and `bs` carry nothing for us and are passed over.
    """

    n: str = ""
    v: float | None = None
    u: str | None = None
    t: float = 0.0
    vb: bool | None = None
    vs: str | None = None
    bn: str | None = None
    bt: float | None = None
    bu: str | None = None
    bv: float | None = None
    bver: int | None = None


_JSON: msgspec.json.Decoder[list[Record]] = msgspec.json.Decoder(list[Record])
NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
LABELS: dict[Any, str] = {name: name for name in Record.__struct_fields__}
LABELS.update(
    {-1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", 0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 6: "t"}
)
"""CBOR labels (RFC 8428, table 4) and their names."""
_NUMBERS = {name: label for label, name in LABELS.items() if label != name}


class SpoiledError(Exception):
    """A record that spoils its pack; never leaves the codec. `name` is what to point at in the frame."""

    def __init__(self, reason: str, name: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.name = name


def press_of(record: Record) -> str:
    """The number of a press, as text. Raises SpoiledError."""
    if record.vs:
        return record.vs[:MAX_ID_CHARS]
    if record.v is not None and math.isfinite(record.v):
        return f"{record.v:.15g}"
    raise SpoiledError("value missing or of the wrong type", record.n)


class Base:
    """The base fields in force (RFC 8428, 4.1), with the device id taken out of the base name."""

    __slots__ = ("device", "prefix", "t", "u", "v")

    def __init__(self) -> None:
        self.device: str | None = None
        self.prefix = ""
        self.t = 0.0
        self.u: str | None = None
        self.v = 0.0

    def take(self, record: Record) -> None:
        """Let the base fields of this record replace those in force. Raises SpoiledError."""
        if record.bn is not None:
            self.prefix = self.claim(record.bn)
        if record.bt is not None:
            self.t = record.bt
        if record.bu is not None:
            self.u = record.bu
        if record.bv is not None:
            self.v = record.bv
        if record.bver is not None and record.bver > MAX_VERSION:
            raise SpoiledError("SenML version not supported", "bver")

    def claim(self, name: str) -> str:
        """Note the device id in a name and give the rest of the name.

        `urn:dev:sw:<id>:` is the house form; of other `urn:dev:` names (RFC 9039) the part after the second
        colon is kept, so that two kinds of number never meet; any other base name is itself the id.
        Raises SpoiledError for a second device in one pack.
        """
        rest = ""
        if name.startswith("urn:dev:sw:"):
            claimed, _, rest = name[11:].partition(":")
        elif name.startswith("urn:dev:"):
            kind, _, number = name[8:].partition(":")
            number, _, rest = number.partition(":")
            claimed = f"{kind}:{number.rstrip('_')}"
        else:
            claimed = name.rstrip(":/_.-")
        if not claimed or len(claimed) > MAX_ID_CHARS:
            raise SpoiledError("device id empty or too long", "bn")
        if self.device is not None and self.device != claimed:
            raise SpoiledError("two devices in one pack", "bn")
        self.device = claimed
        return rest

    def full_name(self, name: str) -> str:
        """The name of a record without its device."""
        return self.claim(name) if name.startswith("urn:dev:") else self.prefix + name


def json_records(pack: bytes) -> list[Record] | None:
    """Parse a whole JSON pack; None when the bytes are not exactly one."""
    try:
        return _JSON.decode(pack)
    except NO_JSON:
        return None


def cbor_items(pack: bytes) -> Any | None:
    """What a whole CBOR pack holds, whatever it is; None when the bytes are not exactly one item."""
    stream = io.BytesIO(pack)
    try:
        items = cbor2.CBORDecoder(stream, max_depth=MAX_CBOR_DEPTH).decode()
    except (cbor2.CBORError, ArithmeticError, ValueError, RecursionError):
        return None
    return None if stream.read(1) else items


def cbor_records(pack: bytes) -> list[Record] | None:
    """Parse a whole CBOR pack; None when the bytes are not exactly one.

    Raises FrameError for CBOR that is no SenML.
    """
    items = cbor_items(pack)
    if items is None:
        return None
    try:
        if _DECIMAL_TAG in pack:
            named = [_unlabelled(item, pack) for item in items]
        else:
            try:
                named = [{LABELS[label]: value for label, value in item.items()} for item in items]
            except KeyError:
                named = [_unlabelled(item, pack) for item in items]
        return msgspec.convert(named, list[Record])
    except (msgspec.ValidationError, TypeError, AttributeError, ArithmeticError) as error:
        raise FrameError("not SenML CBOR", raw=pack) from error


def cbor_pack(records: list[dict[str, Any]]) -> bytes:
    """Write records, given by their JSON names, as a CBOR pack with the labels of RFC 8428, table 4."""
    return cbor2.dumps([{_NUMBERS.get(name, name): value for name, value in one.items()} for one in records])


def records(pack: bytes) -> list[Record]:
    """Parse one pack of either kind. Raises FrameError."""
    is_json = pack[:1] == b"["
    found = json_records(pack) if is_json else cbor_records(pack)
    if found is None:
        raise FrameError("not SenML JSON" if is_json else "not SenML CBOR", raw=pack)
    return found


def _unlabelled(item: dict[Any, Any], pack: bytes) -> dict[str, Any]:
    """Give a CBOR record its names; a decimal fraction (tag 4) becomes a number."""
    record: dict[str, Any] = {}
    for label, value in item.items():
        name = LABELS.get(label)
        if name is not None:
            record[name] = float(value) if type(value) is Decimal else value
        elif type(label) is str and label.endswith("_"):
            raise FrameError("a label we must understand", raw=pack)
    return record


def refuse_unknown_musts(pack: bytes) -> None:
    """Labels that end in an underscore must be understood (RFC 8428, 4.4), and we know none.

    For a JSON pack that was parsed already. Raises FrameError.
    """
    try:
        found = msgspec.json.decode(pack)
    except NO_JSON as error:
        raise FrameError("not SenML JSON", raw=pack) from error
    for record in found:
        for label in record:
            if label.endswith("_"):
                raise FrameError("a label we must understand", offset=pack.find(label.encode()), raw=pack)
