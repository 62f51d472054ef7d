"""Which profile is in force after a start: the file's, the one ordered, or the newest that still fits."""

from __future__ import annotations

import msgspec
import pytest

from gateway.clock import ManualClock
from gateway.config import load
from gateway.journal.records import Record, to_ms
from gateway.profiles.book import GATEWAY, Version, at_start
from gateway.profiles.judging import profile_of

NOW = ManualClock().now()


class Stored:
    """The rows of the journal's table, as its reader gives them."""

    def __init__(self):
        self.rows = []

    def newest_profiles(self):
        """The newest of every wearer."""
        return list({row["wearer"]: row for row in self.rows}.values())

    def profile_versions(self, wearer):
        """Those of one wearer, newest first."""
        return [row for row in reversed(self.rows) if row["wearer"] == wearer]

    def keep(self, *versions):
        """Write them down."""
        record = Record()
        for version in versions:
            version.write(record)
        self.rows += [row._asdict() for row in record.rest.profiles]

    def spoil(self, **fields):
        """Make the newest row one that is not understood any more, as an upgrade might."""
        body = msgspec.json.decode(self.rows[-1]["body"]) | fields
        self.rows[-1]["body"] = msgspec.json.encode(body)


@pytest.fixture
def stored():
    return Stored()


@pytest.fixture
def settings(small_config):
    return load(small_config())


def ordered(settings, number, *, name="张老太", wearer="zhang", source="portal", **fields):
    table = next(one for one in settings.wearers if one.id == "zhang")
    profile = msgspec.structs.replace(profile_of(table), name=name)
    return Version(
        wearer=wearer, version=number, source=source, at=NOW, profile=profile, by="李晓梅", **fields
    )


def starts(settings, stored):
    """A start, and its versions written down; gives the book and what was new."""
    book = at_start(settings, stored, NOW)
    stored.keep(*book.fresh)
    return book, [(one.wearer, one.version, one.source) for one in book.fresh]


def test_the_first_start_counts_version_1_of_everybody_and_the_next_counts_nothing(settings, stored):
    book, fresh = starts(settings, stored)
    assert fresh == [("zhang", 1, "file"), ("wang", 1, "file")]
    assert book.settings is settings
    again, fresh = starts(settings, stored)
    assert fresh == []
    assert {name: one.version for name, one in again.in_force.items()} == {"zhang": 1, "wang": 1}


def test_a_changed_file_is_a_new_version_of_who_follows_it(settings, stored, small_config):
    starts(settings, stored)
    changed = load(small_config(('name = "张桂兰"', 'name = "张桂兰奶奶"')))
    book, fresh = starts(changed, stored)
    assert fresh == [("zhang", 2, "file")]
    assert book.in_force["zhang"].profile.name == "张桂兰奶奶"


def test_what_was_ordered_stays_over_a_changed_file(settings, stored, small_config):
    starts(settings, stored)
    stored.keep(ordered(settings, 2))
    changed = load(small_config(('name = "张桂兰"', 'name = "张桂兰奶奶"')))
    book, fresh = starts(changed, stored)
    assert (fresh, book.troubles) == ([], {})
    assert book.settings.wearers[0].name == "张老太"
    assert [one.id for one in book.settings.wearers[0].devices] == ["band-zhang"]


def test_a_restored_version_of_the_file_follows_the_file_again(settings, stored, small_config):
    starts(settings, stored)
    stored.keep(ordered(settings, 2), ordered(settings, 3, source="rollback", restores=1, follows_file=True))
    changed = load(small_config(('name = "张桂兰"', 'name = "张桂兰奶奶"')))
    book, fresh = starts(changed, stored)
    assert fresh == [("zhang", 4, "file")]
    assert book.settings.wearers[0].name == "张桂兰奶奶"


def test_a_version_that_no_longer_fits_gives_way_to_the_newest_older_one_that_does(settings, stored, caplog):
    starts(settings, stored)
    stored.keep(ordered(settings, 2, name="二"), ordered(settings, 3, name="三"))
    stored.spoil(shoe_size=37)
    stored.keep(ordered(settings, 4, name="四"))
    stored.spoil(contacts=[{"id": "son", "name": "x", "phone": "110"}])
    book, fresh = starts(settings, stored)
    assert fresh == [("zhang", 5, "rollback")]
    there = book.in_force["zhang"]
    assert (there.restores, there.by, there.profile.name, there.follows_file) == (2, GATEWAY, "二", False)
    assert "version 2 is in force again" in book.trouble
    assert "profile.contacts.son.phone" in caplog.text
    again, fresh = starts(settings, stored)
    assert fresh == []
    assert "version 2 is in force again" in again.trouble, "until somebody orders another"


def test_one_with_nothing_older_but_the_file_falls_back_to_the_file(settings, stored, small_config):
    starts(settings, stored)
    stored.keep(ordered(settings, 2))
    stored.spoil(shoe_size=37)
    changed = load(small_config(('name = "张桂兰"', 'name = "张桂兰奶奶"')))
    book, fresh = starts(changed, stored)
    assert fresh == [("zhang", 3, "file")]
    assert (book.in_force["zhang"].profile.name, book.settings.wearers[0].name) == (
        "张桂兰奶奶",
        "张桂兰奶奶",
    )
    assert "what config.toml says is in force again" in book.trouble


def test_two_that_clash_are_not_both_in_force(settings, stored):
    """An order of before the upgrade, and a file that gives the same BeiDou number to somebody else."""
    starts(settings, stored)
    seven = msgspec.structs.replace(ordered(settings, 2).profile, beidou_number=7)
    stored.keep(Version(wearer="zhang", version=2, source="portal", at=NOW, profile=seven, by="李"))
    wang = msgspec.structs.replace(settings.wearers[1], beidou_number=7)
    book, fresh = starts(msgspec.structs.replace(settings, wearers=(settings.wearers[0], wang)), stored)
    assert ("zhang", 3, "file") in fresh
    numbers = [one.beidou_number for one in book.settings.wearers]
    assert numbers == [None, 7]


def test_a_wearer_of_the_portal_alone_is_watched_after_a_start(settings, stored):
    starts(settings, stored)
    stored.keep(ordered(settings, 1, wearer="zhou", name="周玉兰"))
    book, fresh = starts(settings, stored)
    assert fresh == []
    assert [one.id for one in book.settings.wearers] == ["zhang", "wang", "zhou"]


def test_a_wearer_of_the_portal_alone_is_watched_by_what_fits_where_not_all_of_it_does(settings, stored):
    starts(settings, stored)
    stored.keep(ordered(settings, 1, wearer="zhou", name="周玉兰"))
    whole = msgspec.json.decode(stored.rows[-1]["body"])
    good = {"id": "home", "name": "家", "centre": [31.0, 121.0], "radius_m": 100.0}
    stored.spoil(
        shoe_size=37,
        contacts=[whole["contacts"][0], whole["contacts"][1] | {"phone": "110"}],
        fences=[good, good | {"id": "moon", "centre": [99.0, 121.0]}],
        rules={"battery": {"low_pct": 10.0}, "silence": {"silent_after_s": 1}, "horoscope": {}},
    )
    book, fresh = starts(settings, stored)
    assert fresh == [("zhou", 2, "rollback")]
    zhou = book.settings.wearers[-1]
    assert (zhou.id, zhou.name, zhou.rules) == ("zhou", "周玉兰", {"battery": {"low_pct": 10.0}})
    assert [one.phone for one in zhou.contacts] == [whole["contacts"][0]["phone"]]
    assert [one.id for one in zhou.fences] == ["home"]
    assert book.settings.wearer_rules["zhou", "battery"].low_pct == 10
    assert "only what fits of version 1 is in force again as version 2" in book.trouble
    again, fresh = starts(settings, stored)
    assert (fresh, again.settings.wearers[-1], again.trouble) == ([], zhou, book.trouble)


def test_nobody_is_watched_of_whom_nobody_would_be_told(settings, stored):
    starts(settings, stored)
    stored.keep(ordered(settings, 1, wearer="zhou", name="周玉兰"))
    stored.spoil(contacts="nobody")
    book, _ = starts(settings, stored)
    assert [one.id for one in book.settings.wearers] == ["zhang", "wang"]
    assert "nobody watches" in book.trouble


def test_who_is_gone_from_the_file_is_not_watched_and_counts_on_when_back(settings, stored):
    starts(settings, stored)
    alone = msgspec.structs.replace(settings, wearers=settings.wearers[:1])
    book, fresh = starts(alone, stored)
    assert (fresh, book.version("wang"), book.counted["wang"]) == ([], 0, 1)
    renamed = msgspec.structs.replace(settings.wearers[1], name="王老")
    _, fresh = starts(msgspec.structs.replace(settings, wearers=(settings.wearers[0], renamed)), stored)
    assert fresh == [("wang", 2, "file")]


def test_a_row_and_its_event_say_the_same(settings):
    record = Record()
    version = ordered(settings, 4, restores=2)
    version.write(record)
    (row,), (event,) = record.rest.profiles, record.events
    told = msgspec.json.decode(event.payload)
    assert (event.kind, event.wearer, event.at_ms) == ("profile", "zhang", to_ms(NOW))
    assert (row.version, row.ordered_by, row.restores) == (told["version"], told["by"], told["restores"])
    assert msgspec.json.decode(row.body) == told["profile"]
