"""The last wall against ringing twice: the journal's own index, whatever the code before it thinks."""

from __future__ import annotations

import sqlite3

import pytest

from gateway.journal.schema import open_for_writing

LEG = "insert into legs values (?, 'i', 1, 'son', 'call', 'alarm', 1, 'twilio', null, 'intended', 0, '{}')"


def test_the_same_slot_cannot_be_written_twice_whatever_the_leg_is_called(tmp_path):
    connection = open_for_writing(tmp_path / "j.db")
    connection.execute(LEG, ("i.1.son.call.1",))
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(LEG, ("another name",))
    connection.close()
