"""Rows of the vectors against our codecs, and the rules by which they are compared."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

import shouwang
from gateway.codecs.vectors import Note, Verdict, verdicts
from gateway.desk.decode import compared

VECTORS = Path(__file__).parents[1] / "vectors"
FILES = {"jt808": 66, "other_watches": 43, "rdss": 24, "watch": 31}
FIX = "[SG*9059011020*006b*UD2,240123,162011,A,54.427621,N,6.409190,W,3.60,0,0,8,19,88,0,0,00000000,1,1]"


def judged(file: str = "watch", *, notes: tuple[Note, ...] = (), **row: Any) -> Verdict:
    parts = {"frame": FIX, "encoding": "text", "kind": "position", "attribute": None, "expected": None} | row
    (verdict,) = verdicts(file, [json.dumps(parts)], notes=notes)
    return verdict


def test_no_file_of_vectors_is_forgotten():
    assert {path.stem for path in VECTORS.glob("*.jsonl")} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_every_row_agrees_or_its_difference_has_a_reason(root, name):
    found = compared(VECTORS / f"{name}.jsonl", root / "data/models")
    assert len(found) == FILES[name]
    assert [str(verdict) for verdict in found if not verdict.is_settled] == []


@pytest.mark.parametrize("name", ["rdss", "watch"])
def test_every_row_of_the_watches_and_of_the_short_messages_agrees(root, name):
    assert [one for one in compared(VECTORS / f"{name}.jsonl", root / "data/models") if one.trouble] == []


def test_every_note_is_of_a_row_that_exists(root):
    notes = tomllib.loads((root / "tests/vectors/differs.toml").read_text(encoding="utf-8"))
    for name, tables in notes.items():
        rows = len((root / f"tests/vectors/{name}.jsonl").read_text().splitlines())
        numbers = [
            row for note in tables for row in ([note["row"]] if isinstance(note["row"], int) else note["row"])
        ]
        assert len(numbers) == len(set(numbers))
        assert all(1 <= number <= rows for number in numbers)


@pytest.mark.parametrize(
    ("row", "trouble"),
    [
        ({"kind": "null"}, "3 readings"),
        ({"kind": "attribute", "attribute": "batteryLevel", "expected": 88}, ""),
        ({"kind": "attribute", "attribute": "batteryLevel", "expected": 87}, "no battery_pct of 87"),
        ({"kind": "attribute", "attribute": "rpm", "expected": 1}, "rpm is no reading of ours"),
        ({"kind": "attribute", "attribute": "alarm", "expected": "sos"}, "no alarm sos"),
        ({"kind": "attributes"}, ""),
        ({"kind": "positions"}, ""),
        ({"frame": FIX.replace("54.427621", "95.0")}, "position unreadable"),
        ({"frame": FIX.replace("240123", "000000")}, "a fix without a time"),
        ({"frame": "[SG*9059011020*0002*LK]"}, "0 fixes"),
        ({"frame": "[SG*9059011020*0002*LK]", "kind": "positions"}, "no fix"),
        ({"frame": "[SG*9059011020*0002*LK]", "kind": "attributes"}, "no reading"),
        ({"kind": "frame", "attribute": "deframed", "expected": "00"}, "unescaped otherwise"),
        ({"kind": "frame", "attribute": "deframed", "expected": "00", "frame": FIX + FIX}, "cut otherwise"),
    ],
)
def test_what_differs_is_named(row, trouble):
    assert judged(**row).trouble == trouble


@pytest.mark.parametrize(
    ("key", "value", "agrees"),
    [
        ("latitude", 54.427621, True),
        ("latitude", 54.43, False),
        ("valid", False, False),
        ("fixTime", "2023-01-24 16:20:12.000Z", False),
    ],
)
def test_a_fix_agrees_only_in_time_place_and_validity(key, value, agrees):
    wanted = {
        "fixTime": "2023-01-24 16:20:11.000Z",
        "valid": True,
        "latitude": 54.427621,
        "longitude": -6.40919,
    }
    assert (judged(expected=wanted | {key: value}).trouble == "") is agrees


def test_a_difference_needs_a_reason_and_a_reason_needs_a_difference():
    known = (Note(row=1, reason="the watch says so"),)
    assert not judged(kind="null").is_settled
    assert judged(kind="null", notes=known).is_settled
    assert judged().is_settled
    assert not judged(notes=known).is_settled
    assert "a reason to differ is given" in str(judged(notes=known))


def test_a_sentence_with_a_wrong_checksum_differs():
    row = {"frame": "$BDTXR,1,0179773,2,,A468656C6C6F*00", "encoding": "text", "type": "BDTXR"}
    (verdict,) = verdicts("rdss", [json.dumps(row)])
    assert verdict.trouble == "checksum wrong"


def test_the_command_gives_a_line_a_row_and_fails_on_an_unexplained_one(root, tmp_path, capsys):
    rows = (root / "tests/vectors/watch.jsonl").read_text().splitlines()
    wrong = json.dumps(json.loads(rows[1]) | {"expected": 97})
    (tmp_path / "watch.jsonl").write_text("\n".join([rows[0], wrong]))
    assert shouwang.main(["decode", "--vectors", str(tmp_path / "watch.jsonl")]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "watch:1 watch attribute alarm = 'sos': agrees"
    assert "differs: no spo2_pct of 97 (no reason given)" in told[1]
    assert told[2].endswith("2 rows, 1 agree, 1 differ, 1 unexplained")
    (tmp_path / "differs.toml").write_text('[[watch]]\nrow = 2\nreason = "changed here"\n')
    assert shouwang.main(["decode", "--vectors", str(tmp_path / "watch.jsonl")]) == 0
    assert shouwang.main(["decode", "--vectors", str(tmp_path / "none.jsonl")]) == 2


def test_the_command_reads_a_capture_as_the_model_says(tmp_path, capsys):
    (tmp_path / "beijing.toml").write_text(
        'name = "x"\nprotocol = "watch"\n[codec]\ntime_offset_s = 28800.0\n', encoding="utf-8"
    )
    (tmp_path / "line").write_text(FIX)
    command = ["decode", "watch", str(tmp_path / "line"), "--models", str(tmp_path), "--model"]
    assert shouwang.main([*command, "beijing"]) == 0
    assert json.loads(capsys.readouterr().out)["readings"][0]["at"] == "2023-01-24T08:20:11Z"
    assert shouwang.main([*command, "nobody"]) == 2
    assert "no usable model" in capsys.readouterr().err
    command[1] = "iw"
    assert shouwang.main([*command, "beijing"]) == 2
    assert "does not speak iw" in capsys.readouterr().err
