"""How sure one fix makes us of being past a line; pure, standard library only.

A fix names the radius that holds the wearer with 68 %.
Its error is taken as a circular normal one, so across a border, which is nearly straight at that scale,
the error is a normal one with the deviation sigma of either axis.
Of a circular normal the share within r is 1 - exp(-r^2 / (2 sigma^2)) (a Rayleigh distribution),
hence sigma = radius_68 / sqrt(-2 ln 0.32) = radius_68 / 1.5096.
The wearer is past a line with the probability Phi((distance past it) / sigma);
95 % or more is sure, 5 % or less is surely not, all between is unsure.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import erf, log, sqrt

SHARE = 0.68
RADIUS_PER_SIGMA = sqrt(-2 * log(1 - SHARE))
SURE = 0.95
SURE_SIGMAS = 1.6448536269514722
"""The 95 % point of the standard normal distribution: Phi(1.6449) = 0.95."""


@dataclass(frozen=True, slots=True)
class Certainty:
    """The metres by which a fix must be past a line, or short of it, to be sure."""

    reach_m: float

    def past(self, at_m: float, line_m: float) -> bool:
        """Whether a wearer measured at `at_m` is past `line_m` with 95 % or more."""
        return at_m - line_m > self.reach_m

    def before(self, at_m: float, line_m: float) -> bool:
        """Whether a wearer measured at `at_m` is past `line_m` with 5 % or less."""
        return line_m - at_m >= self.reach_m


@lru_cache(maxsize=1024)
def certainty(accuracy_m: float) -> Certainty:
    """Give the certainty of a fix whose 68 % radius is `accuracy_m`, 0 for a fix without any error."""
    return Certainty(SURE_SIGMAS * accuracy_m / RADIUS_PER_SIGMA)


def probability_past(at_m: float, line_m: float, accuracy_m: float) -> float:
    """Give the probability, 0 to 1, that a wearer measured at `at_m` is past `line_m`."""
    if accuracy_m <= 0:
        return float(at_m > line_m)
    return (1 + erf((at_m - line_m) * RADIUS_PER_SIGMA / accuracy_m / sqrt(2))) / 2
