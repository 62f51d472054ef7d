"""Wearers' profiles in the portal's store: every version kept, the newest in force, refusals whole."""

from __future__ import annotations

import itertools
from datetime import timedelta

import msgspec
import pytest
import sqlalchemy as sa

from gateway.profile import ContactTable, FenceTable, Profile
from gateway.told import CommandDone, ProfileInForce
from portal.api import commands
from portal.audit import broken_at
from portal.care.models import Change, Command, ProfileVersion, Wearer
from portal.care.profile import versions as profiles
from portal.db import db
from portal.people.models import User
from portal.policy import Viewer

SON = ContactTable(id="li-jianguo", name="李建国", phone="+8613800138001", relation="儿子")
GARDEN = FenceTable(
    id="home", name="花园", centre=(31.155, 121.105), radius_m=100.0, keep="out", dwell_s=20.0
)
ZHANG = Profile(
    name="张桂兰",
    contacts=(SON,),
    birth_year=1943,
    fences=(GARDEN,),
    rules={"vitals": {"heart_rate_high_bpm": 120}},
)


@pytest.fixture
def version(samples):
    def make(number: int, profile: Profile = ZHANG, **more) -> ProfileInForce:
        fields = {"source": "portal", "at": samples.NOW - timedelta(hours=9 - number), "by": "李晓梅"} | more
        return ProfileInForce(wearer="zhang-guilan", version=number, profile=profile, **fields)

    return make


def zhang() -> Wearer:
    return db.session.scalars(sa.select(Wearer).where(Wearer.code == "zhang-guilan")).one()


def test_every_version_is_kept_and_the_newest_is_in_force(store_app, store_gateway, samples, version):
    other = msgspec.structs.replace(ZHANG, rules={})
    restored = version(3, source="rollback", restores=1)
    store_gateway.send(samples.ROSTER, version(1, source="file", by=""), version(2, other), restored)
    with store_app.app_context():
        assert [row.version for row in profiles.versions(db.session, zhang())] == [3, 2, 1]
        now = profiles.in_force(db.session, zhang())
        assert (now.source, now.by, now.restores, now.at) == ("rollback", "李晓梅", 1, restored.at)
        kept = [msgspec.json.decode(row.body, type=Profile) for row in profiles.versions(db.session, zhang())]
        assert kept == [ZHANG, other, ZHANG]


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
def test_in_whatever_order_they_come_the_highest_is_in_force(app, gateway, version, order):
    gateway.send(*(version(number) for number in order))
    with app.app_context():
        assert profiles.in_force(db.session, zhang()).version == 3
        assert len(profiles.versions(db.session, zhang())) == 3


def test_a_version_told_twice_is_one(store_app, store_gateway, version):
    rows = store_gateway.rows(version(1))
    store_gateway.send_rows(rows)
    store_gateway.send_rows(rows)
    store_gateway.send(version(1))
    with store_app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(ProfileVersion)) == 1


def test_a_gateway_whose_journal_is_new_counts_on_and_the_history_stays(
    store_app, store_gateway, samples, version
):
    store_gateway.send(version(1), version(2), version(3))
    other = msgspec.structs.replace(ZHANG, home="3栋")
    anew = {"source": "file", "by": "", "at": samples.NOW}
    store_gateway.send(version(1, other, **anew), version(1001, other, **anew))
    with store_app.app_context():
        rows = profiles.versions(db.session, zhang())
        assert [row.version for row in rows] == [1001, 3, 2, 1]
        assert msgspec.json.decode(rows[-1].body, type=Profile) == other
        assert profiles.current(db.session, zhang()).base_version == 1001


def test_a_wearer_none_has_named_has_no_profile(app, gateway, samples):
    gateway.send(samples.ROSTER)
    with app.app_context():
        assert profiles.in_force(db.session, zhang()) is None
        assert profiles.versions(db.session, zhang()) == []


def test_a_version_from_a_clock_that_is_ahead_is_of_now(app, gateway, samples, version):
    gateway.send(version(1, at=samples.NOW + timedelta(days=400)))
    with app.app_context():
        assert profiles.in_force(db.session, zhang()).at == samples.NOW


def newest_change() -> tuple[str, int]:
    row = db.session.scalars(sa.select(Change).order_by(Change.seq.desc()).limit(1)).one()
    return row.topic, row.subject


@pytest.mark.parametrize("done", [True, False])
def test_the_pages_hear_of_a_version_and_of_an_answer(app, gateway, samples, version, done):
    gateway.send(samples.ROSTER, version(1))
    with app.app_context():
        assert newest_change() == ("wearer", zhang().id)
        order = {"name": "set_profile", "wearer": "zhang-guilan", "profile": {}, "base_version": 1}
        commands.queue(db.session, samples.GATEWAY, now=samples.NOW, command="profile.1.1.x", **order)
        db.session.execute(sa.delete(Change))
        db.session.commit()
    gateway.send(CommandDone(command="profile.1.1.x", done=done, reason="" if done else "no"))
    with app.app_context():
        assert newest_change() == ("wearer", zhang().id)


def test_a_refusal_that_names_many_things_is_kept_whole(store_app, store_gateway, samples):
    store_gateway.send(samples.ROSTER)
    with store_app.app_context():
        order = {"name": "set_profile", "wearer": "zhang-guilan", "profile": {}, "base_version": 1}
        commands.queue(db.session, samples.GATEWAY, now=samples.NOW, command="profile.1.1.x", **order)
        db.session.commit()
    reason = "; ".join(f"fences[{n}].radius_m = -1.0: expected more than 0" for n in range(40))
    store_gateway.send(CommandDone(command="profile.1.1.x", done=False, reason=reason))
    with store_app.app_context():
        row = db.session.scalars(sa.select(Command)).one()
        assert (row.state, row.reason) == ("refused", reason)


def home(words: str):
    return lambda profile: msgspec.structs.replace(profile, home=words)


def test_changes_follow_each_other_are_dropped_refused_and_done(store_app, store_gateway, samples, version):
    store_gateway.send(samples.ROSTER, version(1))
    once = {"now": samples.NOW}
    with store_app.app_context():
        user = db.session.scalars(sa.select(User).where(User.phone == "+8613800138002")).one()
        who, session, wearer = user.viewer, db.session, zhang()
        first = profiles.change(session, wearer, home("4栋"), who=who, once="1", **once)
        again = profiles.change(session, wearer, home("9栋"), who=who, once="1", **once)
        second = profiles.change(session, wearer, home("5栋"), who=who, once="2", **once)
        assert first is again
        assert profiles.change(session, wearer, home("5栋"), who=who, once="3", **once) is None
        found = profiles.current(session, wearer)
        assert (found.version, found.base_version, found.profile.home) == (1, 3, "5栋")
        assert profiles.drop(session, wearer, second.command, who=who, **once)
        assert not profiles.drop(session, wearer, second.command, who=who, **once)
        assert profiles.current(session, wearer).base_version == 2
        session.commit()
    (given,) = store_gateway.commands()
    assert (given["base_version"], given["profile"]["home"]) == (1, "4栋")
    store_gateway.send(
        CommandDone(command=given["command"], done=False, reason="profile.home = 4栋: expected x")
    )
    with store_app.app_context():
        assert profiles.standing(db.session, zhang()).command == given["command"]
        restored = profiles.restore(db.session, zhang(), 1, who=who, once="4", **once)
        db.session.commit()
        assert profiles.standing(db.session, zhang()).restores == 1
    store_gateway.send(
        version(2, source="rollback", restores=1), CommandDone(command=restored.command, done=True)
    )
    with store_app.app_context():
        assert profiles.standing(db.session, zhang()) is None
        assert profiles.current(db.session, zhang()).base_version == 2
        assert broken_at(db.session) is None


def test_nothing_is_changed_of_a_profile_nobody_told(app, gateway, samples):
    gateway.send(samples.ROSTER)
    with app.app_context(), pytest.raises(LookupError):
        profiles.change(db.session, zhang(), home("x"), who=Viewer(user=1), once="1", now=samples.NOW)


def test_with_a_refused_change_those_refused_before_it_are_dropped(
    store_app, store_gateway, samples, version
):
    store_gateway.send(samples.ROSTER, version(1))
    with store_app.app_context():
        who = db.session.scalars(sa.select(User).where(User.phone == "+8613800138002")).one().viewer
        for words in ("4栋", "5栋"):
            order = profiles.change(db.session, zhang(), home(words), who=who, once=words, now=samples.NOW)
            db.session.commit()
            store_gateway.send(CommandDone(command=order.command, done=False, reason="no"))
        db.session.expire_all()
        newest = profiles.standing(db.session, zhang())
        assert newest.profile.home == "5栋"
        assert profiles.drop(db.session, zhang(), newest.command, who=who, now=samples.NOW)
        assert profiles.standing(db.session, zhang()) is None
