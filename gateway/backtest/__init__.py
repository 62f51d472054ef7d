"""What a rule would have raised over what was heard: tried before it goes live; pure.

This is the one door to it, for the commands at the box and for the portal:

    fences_of_tables, settings_with   what somebody wants to try, with everything that is wrong with it
    try_fences, fence_map             fences over a wearer's history, and their picture
    try_rule, charts                  the limits of any other rule, and their pictures
    replay, compare                   what those are made of
"""

from gateway.backtest.chart import charts
from gateway.backtest.compared import SAME_CAUSE, Compared, compare
from gateway.backtest.fences import (
    WARM_UP,
    WEEK,
    Found,
    Seen,
    Trial,
    changed_settings,
    suspending,
    try_fences,
    without_own,
)
from gateway.backtest.ground import fence_map
from gateway.backtest.limits import (
    Episode,
    Line,
    RuleTrial,
    raised_by,
    rules_to_try,
    try_rule,
    warm_up,
)
from gateway.backtest.readings import QUANTITIES, Measured, quantity_of
from gateway.backtest.stage import Suspended, replay
from gateway.backtest.tables import fences_of_tables, settings_in_force, settings_with
from gateway.backtest.track import Position, fence_of, out_s, positions

__all__ = [
    "QUANTITIES",
    "SAME_CAUSE",
    "WARM_UP",
    "WEEK",
    "Compared",
    "Episode",
    "Found",
    "Line",
    "Measured",
    "Position",
    "RuleTrial",
    "Seen",
    "Suspended",
    "Trial",
    "changed_settings",
    "charts",
    "compare",
    "fence_map",
    "fence_of",
    "fences_of_tables",
    "out_s",
    "positions",
    "quantity_of",
    "raised_by",
    "replay",
    "rules_to_try",
    "settings_in_force",
    "settings_with",
    "suspending",
    "try_fences",
    "try_rule",
    "warm_up",
    "without_own",
]
