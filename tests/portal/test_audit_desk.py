"""`shouwang portal audit`: whole is 0, tampered with is 1 and named."""

from __future__ import annotations

import argparse

import pytest
import sqlalchemy as sa

from portal import audit, audit_desk
from portal.db import writing


@pytest.fixture
def ask(store_app, samples, capsys):
    """Three entries, and the command over their store."""
    with store_app.app_context():
        for number in range(1, 4):
            with writing() as session:
                audit.record(
                    session, at=samples.NOW, actor="user:1", action="view", subject=f"wearer:{number}"
                )
    settings = store_app.config["PORTAL"]

    def command(what: str, told: str = "") -> tuple[int, str]:
        options = argparse.Namespace(what=what, config=None, told=told)
        status = audit_desk.run(options, lambda _config: settings)
        said = capsys.readouterr()
        return status, said.out + said.err

    return command


def test_a_whole_record_is_said_to_be_whole_and_told_where_it_ends(ask):
    assert ask("verify") == (0, "whole: 3 entries\n")
    line = ask("anchor")[1].strip()
    assert line.split()[:2] == ["3", "3"]
    assert ask("verify", line)[0] == 0


def test_a_row_that_was_taken_away_is_named(ask, store_app):
    with store_app.app_context(), writing() as session:
        if session.connection().dialect.name == "postgresql":
            session.execute(sa.text("ALTER TABLE audit_entry DISABLE TRIGGER ALL"))
        else:
            session.execute(sa.text("DROP TRIGGER audit_entry_no_delete"))
        session.execute(sa.text("DELETE FROM audit_entry WHERE seq = 2"))
    status, said = ask("verify")
    assert status == 1
    assert said.startswith("entry 3: does not follow")


def test_a_line_that_is_none_is_refused(ask):
    assert ask("verify", "three little words")[0] == 2
