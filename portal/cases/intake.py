"""What comes in with a case's form: the photos that were taken in, and the place it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from flask import current_app, request

from portal import media
from portal.care.places import gazetteer
from portal.cases.queries import Place
from portal.db import db
from portal.fields import Field, Filled
from portal.i18n import gettext
from portal.media import Media, PictureRefused
from portal.security import viewer
from portal.words import now


@dataclass(slots=True, kw_only=True)
class Photos:
    """The photos of a form: `kept` are in the store, `errors` say what was not taken, by file."""

    kept: list[Media] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def take_photos(fields: Sequence[Field], form: Filled) -> Photos:
    """Take the sent photos in, beside those kept from an earlier try; writes what is wrong into the form.

    A photo that was taken stays taken when something else in the form is wrong: it is offered again as
    `kept_photo`, to its sender only. Does not commit.
    """
    question = next((field for field in fields if field.kind == "photos"), None)
    found = Photos()
    if question is None:
        return found
    owner = viewer().user
    media.drop_forgotten(db.session, now=now())
    found.kept = media.pending(db.session, request.form.getlist("kept_photo"), owner_id=owner)
    for upload in request.files.getlist(question.name):
        if not upload.filename:
            continue
        if len(found.kept) >= question.max_count:
            found.errors.append(gettext("照片最多 %(count)s 张，多出的没有收。", count=question.max_count))
            break
        try:
            data = upload.stream.read(media.MAX_FILE_BYTES + 1)
            found.kept.append(media.keep(db.session, data, owner_id=owner, now=now()))
        except PictureRefused as refused:
            found.errors.append(_why(upload.filename, refused))
    if question.required and not found.kept and not found.errors:
        found.errors.append(gettext("请附上照片。"))
    if found.errors:
        form.errors[question.name] = " ".join(found.errors)
    return found


def attach(photos: Sequence[Media], *, kind: str, subject: int, purpose: str) -> None:
    """Give photos to what they belong to; from then on who may see that sees them."""
    for photo in photos:
        photo.subject_kind, photo.subject_id, photo.purpose = kind, subject, purpose


def place_of(form: Filled) -> Place:
    """Give where a form says it is: building, words, and the spot on the map."""
    parts = [str(form.values.get(name, "")) for name in ("building", "room", "place")]
    spot = str(form.values.get("spot", ""))
    words = " ".join(part for part in parts if part)
    if not spot:
        return Place(words=words)
    lat, lon = (float(part) for part in spot.split(","))
    if not words:
        near = gazetteer(current_app.config["PORTAL"].map_dir).where(lat, lon)
        words = near.name if near is not None else ""
    return Place(words=words, lat=lat, lon=lon)


def _why(filename: str, refused: PictureRefused) -> str:
    name = filename[-40:]
    return {
        "not_a_picture": gettext(
            "“%(name)s”不是能识别的照片，没有收；请选 JPG、PNG 或 HEIC 照片。",
            name=name,
        ),
        "too_big": gettext("“%(name)s”超过 20 MB,没有收；请换一张小一点的。", name=name),
        "too_many_pixels": gettext("“%(name)s”尺寸太大，没有收；请换一张小一点的。", name=name),
    }[refused.reason]
