"""How ringing ends: somebody has it, a drill is over, or nothing is to be rung any more."""

from __future__ import annotations

from collections.abc import Iterable

from sos.draft import Draft
from sos.incident import Phase
from sos.last_resort import silence_siren
from sos.plan import Contact
from sos.telling import tell, told_so_far

DRILL = "演练"
"""Who ends a drill that ends by itself."""


def be_quiet(draft: Draft, phase: Phase, *, but_leg: str | None = None, but_timer: str | None = None) -> None:
    """Hang everything up, forget every timer, and stand in this phase."""
    draft.hang_up_calls(but=but_leg)
    silence_siren(draft)
    draft.clear_timers(but=but_timer)
    draft.change(phase=phase, calling=None, queue=())


def acknowledge(draft: Draft, *, told: Iterable[Contact], leg_id: str | None = None) -> None:
    """Enough people have it, or nobody else is left to be rung: start the clock, tell these people."""
    be_quiet(draft, Phase.ACKNOWLEDGED, but_leg=leg_id, but_timer="call_back")
    draft.set_timer("ack", draft.incident.plan.ack_timeout_s)
    tell(draft, told, "taken")


def end_drill(draft: Draft) -> None:
    """A drill that came to its end: everybody who was told is told so."""
    takers = "、".join(one.name for one in draft.incident.takers)
    be_quiet(draft, Phase.RESOLVED)
    draft.change(
        resolved_by=DRILL,
        resolved_at=draft.now,
        note=f"演练结束：{takers}已接手" if takers else "演练结束：无人接手",
    )
    tell(draft, told_so_far(draft.incident), "drill_over")
