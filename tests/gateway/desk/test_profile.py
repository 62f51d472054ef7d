"""`shouwang profile` and `shouwang reload`: what they say with no gateway, and what a file must be."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.config import load
from gateway.desk.in_force import settings_in_force
from gateway.desk.profile import plain
from gateway.journal.records import Record, from_ms
from gateway.journal.writer import JournalWriter
from gateway.profile import Profile
from gateway.profiles.book import Version
from gateway.profiles.judging import profile_of
from shouwang import main

GOOD = {"name": "周玉兰", "contacts": [{"id": "son", "name": "周", "phone": "+8613800138019"}]}


@pytest.fixture
def config(small_config):
    path = small_config()
    load(path, make_demo_secrets=True)
    return path


@pytest.fixture
def ask(config, capsys, monkeypatch):
    """Run a command; gives its exit status and what it printed."""
    monkeypatch.chdir(config.parent)

    def run(*words: str) -> tuple[int, str, str]:
        status = main([*words, "--config", str(config)])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture
def file(config):
    def write(text, name="profile.json") -> str:
        path = config.parent / name
        path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def remembered(config):
    """A journal in which 张桂兰 has three versions and a new wearer one."""
    settings = load(config)
    zhang = profile_of(settings.wearers[0])

    def version(number, **fields):
        known = {"wearer": "zhang", "version": number, "at": from_ms(number * 60_000), "profile": zhang}
        return Version(**known | fields)

    record = Record()
    for one in (
        version(1, source="file", follows_file=True),
        version(2, source="portal", by="李晓梅", profile=Profile(name="张老太", contacts=zhang.contacts)),
        version(3, source="rollback", by="周敏", restores=1, follows_file=True),
        version(1, wearer="zhou", source="portal", by="李晓梅"),
    ):
        one.write(record)

    async def commit() -> None:
        writer = JournalWriter(config.parent / "var/gw-test.journal.db")
        writer.start()
        await writer.commit(record)
        await writer.stop()

    asyncio.run(commit())
    return settings


def test_the_versions_in_force_and_those_of_one_wearer_are_listed(ask, remembered):
    status, out, _ = ask("profile", "list")
    assert status == 0
    assert [line.split("  ")[:4] for line in out.splitlines()] == [
        ["zhang", "version 3", "rollback to version 1, follows the file", "周敏"],
        ["zhou", "version 1", "portal", "李晓梅"],
    ]
    _, out, _ = ask("profile", "list", "zhang")
    assert [line.split("  ")[1:4] for line in out.splitlines()] == [
        ["version 3", "rollback to version 1, follows the file", "周敏"],
        ["version 2", "portal", "李晓梅"],
        ["version 1", "file", "-"],
    ]
    assert ask("profile", "list", "nobody")[::2] == (2, "there is no profile of nobody\n")


def test_what_is_shown_can_be_set_again(ask, remembered, file):
    status, out, err = ask("profile", "show", "zhang", "--version", "2")
    assert (status, json.loads(out)["name"], "version 2" in err) == (0, "张老太", True)
    assert ask("profile", "check", file(out), "--wearer", "zhang")[0] == 0
    assert "kept: 1, 2, 3" in ask("profile", "show", "zhang", "--version", "9")[2]


def test_a_profile_is_shown_without_what_goes_without_saying(config):
    wang = profile_of(load(config).wearers[1])
    told = plain(wang)
    assert set(told) == {"name", "contacts", "fences"}
    assert told["fences"] == [{"id": "home", "name": "花园", "centre": [31.155, 121.105], "radius_m": 100.0}]


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("{", "p.json", "expected a profile as JSON"),
        ("name = ", "p.toml", "expected a profile as JSON"),
        ("[]", "p.json", "profile = []: expected a table"),
        ('{"name": 1}', "p.json", "profile.contacts = (missing)"),
        ("[" * 100_000, "p.json", "expected a profile"),
    ],
)
def test_a_file_that_is_no_profile_is_refused_in_words(ask, file, text, name, words):
    status, out, err = ask("profile", "check", file(text, name))
    assert (status, out) == (2, "")
    assert words in err


def test_a_toml_file_has_the_keys_of_a_wearers_table(ask, file):
    text = 'name = "周玉兰"\ncontacts = [{ id = "son", name = "周", phone = "+8613800138019" }]\n'
    text += '[rules.vitals]\nheart_rate_high_bpm = 110\n[[fences]]\nid = "f"\nname = "f"\n'
    status, _, err = ask("profile", "check", file(text, "p.toml"))
    assert (status, "profile.fences.f" in err) == (2, True)
    assert ask("profile", "check", file(text + "centre = [31, 121]\nradius_m = 50\n", "p.toml"))[0] == 0


def test_a_profile_is_checked_beside_the_ones_in_force(ask, remembered, file, config):
    assert [one.id for one in settings_in_force(load(config)).wearers] == ["zhang", "wang", "zhou"]
    assert ask("profile", "check", file(GOOD))[1] == "profile.json: right\n"


def test_without_a_gateway_nothing_is_changed_and_that_is_said(ask, remembered, file):
    for words in (
        ("profile", "set", "zhou", "--file", file(GOOD)),
        ("profile", "restore", "zhang", "2"),
        ("reload",),
    ):
        status, out, err = ask(*words)
        assert (status, out) == (1, "")
        assert "no gateway answers" in err


def test_before_any_gateway_ran_there_is_no_profile_and_the_file_is_in_force(ask, file, config):
    assert ask("profile", "list")[0] == 2
    assert ask("profile", "check", file(GOOD))[0] == 0
    assert settings_in_force(load(config)) == load(config)


def test_a_journal_of_an_older_gateway_knows_no_profiles_and_is_no_trouble(ask, remembered, config):
    import sqlite3

    with sqlite3.connect(config.parent / "var/gw-test.journal.db") as connection:
        connection.execute("drop table profiles")
    connection.close()
    assert ask("profile", "list")[::2] == (2, "no gateway has used a profile yet\n")
    assert settings_in_force(load(config)) == load(config)


def test_a_wrong_file_is_said_before_the_gateway_is_asked(config, capsys, small_config):
    small_config(("+8613800138003", "110"))
    with pytest.raises(SystemExit) as end:
        main(["reload", "--config", str(config)])
    assert end.value.code == 2
    assert "wearers.wang.contacts.niece.phone" in capsys.readouterr().err
