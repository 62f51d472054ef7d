"""What an incident is about; pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who it is about and what happened, in primitives the texts turn into words.

    `name` is the wearer as people say it; `kind`, `code`, `value`, `limit`, `unit` and `place`
    are those of the alarm (`gateway.model.Alarm` and `Why`);
    `where` says the position in words ("3栋东门附近");
    `link` is a short https address of the portal's page of this incident, empty where there is none.
    `where_en` is `where` in English; `beidou_number` is the wearer's in BeiDou short messages,
    `heart_rate_bpm` and `battery_pct` the newest known when it happened.
    """

    name: str
    kind: str
    severity: str = "critical"
    code: str = ""
    value: float | None = None
    limit: float | None = None
    unit: str | None = None
    place: str | None = None
    where: str = ""
    where_en: str = ""
    link: str = ""
    beidou_number: int | None = None
    heart_rate_bpm: float | None = None
    battery_pct: float | None = None
