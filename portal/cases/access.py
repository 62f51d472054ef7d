"""Who may see and work on a case. Pure.

A report is private: its reporter and the staff of its community see it, everybody else only once it was
made public, and then without the reporter's name, phone and answers beyond the report itself.
"""

from __future__ import annotations

from collections.abc import Collection

from portal.cases.models import Case
from portal.policy import WATCHERS, Viewer


def is_staff_of(case: Case, viewer: Viewer) -> bool:
    """Whether somebody works on the cases of this case's community."""
    return viewer.signed_in and bool(viewer.roles & WATCHERS) and viewer.community == case.community


def is_reporter_of(case: Case, viewer: Viewer) -> bool:
    """Whether it is somebody's own case."""
    return viewer.signed_in and case.reporter_id == viewer.user


def sees_all(case: Case, viewer: Viewer, *, looked_up: Collection[str] = ()) -> bool:
    """Whether somebody sees the whole case: the reporter, the staff, or who showed the look-up code."""
    return is_reporter_of(case, viewer) or is_staff_of(case, viewer) or case.number in looked_up


def sees(case: Case, viewer: Viewer, *, looked_up: Collection[str] = ()) -> bool:
    """Whether somebody sees the case at all."""
    if sees_all(case, viewer, looked_up=looked_up):
        return True
    return case.public and viewer.signed_in and viewer.community == case.community
