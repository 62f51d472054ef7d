"""Nothing is lost and nothing doubled, wherever the real gateway dies once; the seeds that once were wrong.

Deaths at every pair of points and thousands of schedules are `make sos-proof`, which `make test` runs too.

The last tests break the product on purpose: a proof that cannot fail proves nothing.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from bench.proof.enumeration import SHORT, WORLDS
from bench.proof.schedules import from_seed, leave, run
from bench.proof.world import Faults
from gateway.ledger import JournalLedger
from gateway.outbox import Outbox
from sos.delivery import Delivery
from sos.events import LegState


@pytest.fixture(autouse=True)
def quiet_and_tidy():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
    leave()


@pytest.mark.slow
@pytest.mark.parametrize("world", list(WORLDS))
def test_killed_at_every_point_nothing_is_lost_and_nothing_doubled(world):
    verdicts = {point: run(WORLDS[world].killed(point)).verdict for point in WORLDS[world].firsts()}
    assert {point: verdict.lost for point, verdict in verdicts.items() if verdict.lost} == {}
    assert {point: verdict.doubled for point, verdict in verdicts.items() if verdict.doubled} == {}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [184, 468, 627, 684, 692, 3432])
def test_an_unclear_leg_never_adopts_another_one(seed):
    verdict = run(from_seed(seed)).verdict
    assert (verdict.lost, verdict.doubled) == ((), ())


@pytest.mark.slow
def test_a_schedule_comes_out_the_same_every_time():
    first, second = (run(from_seed(7), with_story=True) for _ in range(2))
    assert first == second


# --------------------------------------------------------------------------- the proof can fail


def deaths(world):
    """(lost, doubled) over every single death in this world."""
    verdicts = [run(WORLDS[world].killed(point)).verdict for point in WORLDS[world].firsts()]
    return sum(len(one.lost) for one in verdicts), sum(len(one.doubled) for one in verdicts)


@pytest.mark.slow
def test_without_the_intent_commit_people_are_rung_twice(monkeypatch):
    async def intend(self, leg, message, *, carrier, at):
        return True

    monkeypatch.setattr(JournalLedger, "intend", intend)
    assert deaths("no fault")[1] > 0


@pytest.mark.slow
def test_acknowledged_before_the_commit_presses_are_lost(monkeypatch):
    honest = Outbox.commit

    def hasty(self, record, pending, committed):
        if committed is not None and record.urgent:
            committed(0)
            committed = None
        honest(self, record, pending, committed)

    monkeypatch.setattr(Outbox, "commit", hasty)
    assert deaths("no fault")[0] > 0


@pytest.mark.slow
def test_settling_shorter_than_the_list_lags_people_are_rung_twice():
    story = replace(SHORT, settle_s=2.0, faults={"twilio": Faults(fates=("answer lost",), lag_s=12.0)})
    assert not story.lag_below_settle
    assert sum(len(run(replace(story, seed=seed)).verdict.doubled) for seed in range(5)) > 0


@pytest.mark.slow
def test_running_the_unrecorded_step_again_rings_people_twice(monkeypatch):
    honest = Delivery.take_up

    async def again(self, leg):
        await (self.carry(leg) if leg.reference is None else honest(self, leg))

    monkeypatch.setattr(Delivery, "take_up", again)
    assert deaths("no fault")[1] > 0


@pytest.mark.slow
def test_abandoning_the_unrecorded_step_loses_calls(monkeypatch):
    honest = Delivery.take_up

    async def abandoned(self, leg):
        if leg.reference is None:
            await self._log.tell(leg, LegState.FAILED)
        else:
            await honest(self, leg)

    monkeypatch.setattr(Delivery, "take_up", abandoned)
    assert deaths("no fault")[0] > 0
