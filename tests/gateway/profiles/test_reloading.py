"""The configuration read again while the gateway runs: used whole, or not at all, and said in plain words."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from gateway.config import load
from gateway.errors import ConfigError
from gateway.profiles.differences import differences
from gateway.profiles.judging import raw_of
from gateway.profiles.reloading import Reloading
from gateway.roster import Announcer
from gateway.told import PortalCommand

STAFF = '[[staff]]\nid = "desk"\nname = "周敏"\nphone = "+8613800138090"\n'


class Site:
    """A house whose configuration can be written again."""

    def __init__(self, make_house, small_config) -> None:
        self.write = small_config
        self.path = small_config()
        self.house = make_house(load(self.path, make_demo_secrets=True))
        self.house.start()
        self.reloading = Reloading(
            self.path,
            book=self.house.book,
            people=self.house.people,
            announcer=Announcer(self.house.people, 0),
            engine=self.house.engine,
            clock=self.house.clock,
            admit=self.house.admitted.append,
        )

    async def reload(self, *changes, more=""):
        """Write the file so, and reload; commits when told to."""
        self.write(*changes, more=more)
        task = asyncio.create_task(self.reloading.reload())
        async with asyncio.timeout(10):
            while not task.done():
                self.house.journal.commit()
                await asyncio.sleep(0.005)
        return await task

    def order(self, wearer, **changes):
        """Order a changed profile, as the portal does."""
        there = self.house.book.in_force[wearer]
        command = PortalCommand(
            number=0,
            command="c",
            name="set_profile",
            wearer=wearer,
            by="王芳",
            base_version=there.version,
            profile=raw_of(there.profile) | changes,
        )
        assert self.house.engine.ordered_here(command, lambda _: None) is None
        self.house.journal.commit()


@pytest.fixture
async def site(make_house, small_config):
    return Site(make_house, small_config)


NEARER = ("radius_m = 100", "radius_m = 60")


async def test_a_changed_wearer_is_a_new_version_and_nobody_else_is_touched(site):
    zhang = site.house.engine._rules["zhang"]
    told = await site.reload(NEARER)
    assert (told.applied, told.kept, told.waits) == (("wearers.wang (version 2)",), (), ())
    assert site.house.people.wearers["wang"].fences[0].radius_m == 60
    assert site.house.engine._rules["zhang"] is zhang
    told = site.house.events("profile")[-1]
    assert (told.wearer, told.version, told.source, told.by) == ("wang", 2, "file", "")


async def test_nothing_new_is_said_to_be_nothing_and_writes_nothing(site):
    rows = sum(len(record.events) for record in site.house.journal.records)
    told = await site.reload()
    assert told == type(told)()
    assert sum(len(record.events) for record in site.house.journal.records) == rows + 1, "the first roster"
    await site.reload()
    assert sum(len(record.events) for record in site.house.journal.records) == rows + 1


async def test_a_wrong_file_changes_nothing_and_names_every_wrong_key(site):
    settings, rules = site.house.book.settings, dict(site.house.engine._rules)
    with pytest.raises(ConfigError) as caught:
        await site.reload(NEARER, ("+8613800138003", "110"), ('name = "新河苑"', "nam = 1"))
    paths = {problem.path for problem in caught.value.problems}
    assert paths == {"wearers.wang.contacts.niece.phone", "site.nam", "site.name"}
    assert site.house.book.settings is settings
    assert site.house.engine._rules == rules
    site.path.unlink()
    with pytest.raises(ConfigError, match="a readable file"):
        await site.reloading.reload()


async def test_staff_plans_and_rules_hold_for_everybody_at_once(site):
    more = STAFF + "[sos.plans.sos]\nrounds = 7\n[rules.vitals]\nheart_rate_high_bpm = 99\n"
    told = await site.reload(more=more)
    assert set(told.applied) == {"staff", "sos.plans.sos", "rules.vitals.heart_rate_high_bpm"}
    plan = site.house.people.plan("zhang", "sos")
    assert ([one.contact for one in plan.staff], plan.rounds) == (["desk"], 7)
    assert site.house.book.settings.wearer_rules["zhang", "vitals"].heart_rate_high_bpm == 99
    assert site.house.events("profile")[-1].version == 1, "nobody's own profile is another"
    (desk,) = (one for one in site.house.events("roster")[-1].wearers[0].contacts if one.role == "staff")
    assert desk.contact == "desk"


async def test_an_ordered_profile_stays_over_the_file_and_is_named(site):
    site.order("wang", name="王老")
    told = await site.reload(NEARER, ('name = "张桂兰"', 'name = "张奶奶"'))
    assert told.applied == ("wearers.zhang (version 2)",)
    assert told.kept == ("wang",)
    there = site.house.people.wearers["wang"]
    assert (there.name, there.fences[0].radius_m) == ("王老", 100)


async def test_the_communitys_new_rules_are_judged_over_the_ordered_profiles_too(site):
    site.order("wang", rules={"vitals": {"heart_rate_low_bpm": 60}})
    with pytest.raises(ConfigError) as caught:
        await site.reload(more="[rules.vitals]\nheart_rate_high_bpm = 55\n")
    (problem,) = caught.value.problems
    assert problem.path == "profiles.wang (version 2 stays in force).rules.vitals"
    assert site.house.book.settings.wearer_rules["zhang", "vitals"].heart_rate_high_bpm == 125
    await site.reload(more="[rules.vitals]\nheart_rate_high_bpm = 80\n")
    limits = site.house.book.settings.wearer_rules["wang", "vitals"]
    assert (limits.heart_rate_low_bpm, limits.heart_rate_high_bpm) == (60, 80)


async def test_what_cannot_change_live_is_named_and_never_with_its_value(site):
    told = await site.reload(
        ('gateway = "gw-test"', 'gateway = "gw-other"'),
        ('account_sid = "ACtest"', 'account_sid = "ACsecret"'),
        more="[journal]\nmax_size_mb = 9\n[transports.tcp]\nlisteners = []\n",
    )
    assert set(told.waits) == {
        "site.gateway",
        "carriers.twilio.account_sid",
        "journal.max_size_mb",
        "transports.tcp",
    }
    assert site.house.book.settings.site.gateway == "gw-test"


async def test_a_new_wearer_of_the_file_is_watched_with_the_bands_there(site):
    new = '[[wearers]]\nid = "zhou"\nname = "周玉兰"\ndevices = [{ id = "w9", protocol = "watch" }]\n'
    new += 'contacts = [{ id = "son", name = "周", phone = "+8613800138019" }]\n'
    told = await site.reload(more=new)
    assert told.applied == ("wearers.zhou (version 1)",)
    assert [one.id for one in site.house.admitted[-1].wearers] == ["zhang", "wang", "zhou"]
    assert {one.device for one in site.house.people.configured} == {"band-zhang", "4700186508", "w9"}
    assert ("silence/zhou", "silent") in site.house.timers._at


async def test_who_is_gone_from_the_file_is_watched_until_a_restart(site):
    text = site.path.read_text(encoding="utf-8")
    wang = text[text.index('[[wearers]]\nid = "wang"') :]
    told = await site.reload((wang, ""))
    assert told.waits == ("wearers.wang (gone)",)
    assert "wang" in site.house.people.wearers
    assert {one.device for one in site.house.people.configured} == {"band-zhang", "4700186508"}


async def test_a_band_that_is_the_same_keeps_its_keys_so_no_line_is_dropped(site):
    before = {one.device: one for one in site.house.people.configured}
    await site.reload(NEARER)
    assert {one.device: one for one in site.house.people.configured} == before
    changed = (
        'id = "4700186508", protocol = "watch"',
        'id = "4700186508", protocol = "watch", name = "王的手表"',
    )
    told = await site.reload(changed)
    assert "wearers.wang.devices" in told.applied


async def test_a_profile_ordered_while_the_file_is_read_is_not_lost(site, monkeypatch):
    from gateway.profiles import reloading

    real, reads = reloading.prepare, []

    def slow(*arguments):
        reads.append(1)
        found = real(*arguments)
        if len(reads) == 1:
            asyncio.run_coroutine_threadsafe(between(), loop).result(10)
        return found

    async def between() -> None:
        site.order("zhang", name="张老太")

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(reloading, "prepare", slow)
    told = await site.reload(NEARER)
    assert (len(reads), told.applied) == (2, ("wearers.wang (version 2)",))
    assert site.house.people.wearers["zhang"].name == "张老太"
    assert site.house.book.version("zhang") == 2


async def test_bands_and_orders_are_heard_between_the_wearers_of_a_reload(site, monkeypatch):
    """What is ordered while the rules of everybody are exchanged is not undone by them."""
    monkeypatch.setattr("gateway.profiles.reloading.WEARERS_A_RECORD", 1)
    engine, honest, taken = site.house.engine, site.house.engine.take_rules, []

    def take_rules(wearer, *rest):
        if not taken:
            own = {"vitals": {"heart_rate_high_bpm": 77}}
            asyncio.get_running_loop().call_soon(lambda: site.order("wang", rules=own))
        taken.append(wearer)
        honest(wearer, *rest)

    monkeypatch.setattr(engine, "take_rules", take_rules)
    await site.reload(more="[rules.vitals]\nheart_rate_high_bpm = 99\n")
    assert taken == ["zhang", "wang"], "the second is the order's"
    assert site.house.book.settings.wearer_rules["wang", "vitals"].heart_rate_high_bpm == 77
    hearings = {wearer: engine._rules[wearer] for wearer in ("zhang", "wang")}
    highs = {
        wearer: next(
            rule for owner, rule in hearing.owned if owner.startswith("vitals/")
        )._quantities.heart_rate.high
        for wearer, hearing in hearings.items()
    }
    assert highs == {"zhang": 99, "wang": 77}


async def test_who_hangs_up_in_the_middle_leaves_no_half_of_a_reload(site, monkeypatch):
    monkeypatch.setattr("gateway.profiles.reloading.WEARERS_A_RECORD", 1)
    engine, honest, taken = site.house.engine, site.house.engine.take_rules, []
    site.write(more="[rules.vitals]\nheart_rate_high_bpm = 99\n")
    asking = asyncio.create_task(site.reloading.reload())

    def take_rules(wearer, *rest):
        taken.append(wearer)
        asking.cancel()
        honest(wearer, *rest)

    monkeypatch.setattr(engine, "take_rules", take_rules)
    with pytest.raises(asyncio.CancelledError):
        await asking
    async with asyncio.timeout(10):
        while site.reloading._running:
            site.house.journal.commit()
            await asyncio.sleep(0.001)
    assert taken == ["zhang", "wang"]


async def test_a_gateway_without_a_file_says_so(site):
    site.reloading._path = None
    with pytest.raises(ConfigError, match="started from a file"):
        await site.reloading.reload()


async def test_a_signal_for_a_wrong_file_is_one_log_line_a_problem(site, caplog):
    site.write(NEARER, ("+8613800138003", "110"))
    site.reloading.hang_up()
    await asyncio.gather(*site.reloading._running)
    assert "not reloaded: wearers.wang.contacts.niece.phone" in caplog.text


def test_differences_are_paths_and_nothing_for_equals():
    assert list(differences({"a": 1}, {"a": 1}, "x")) == []
    assert list(differences({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "d": 4}, "x")) == ["x.a.b", "x.c", "x.d"]
    assert list(differences(1, "1", "x")) == ["x"]


def test_a_reload_is_an_order_of_the_box_alone():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"number": 1, "command": "c", "name": "reload"}, PortalCommand)


async def test_a_file_nobody_thought_of_changes_nothing_and_is_said(site, monkeypatch):
    def broken(*_, **__):
        raise KeyError("nobody thought of it")

    before = site.house.book.settings
    monkeypatch.setattr("gateway.profiles.reloading.load", broken)
    with pytest.raises(ConfigError, match=r"can be judged \(KeyError"):
        await site.reload(NEARER)
    assert site.house.book.settings is before
    monkeypatch.undo()
    told = await site.reload(NEARER)
    assert told.applied == ("wearers.wang (version 2)",)
