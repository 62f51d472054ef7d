"""Pictures people send: made harmless, kept through fsspec, and given out only to who may see them.

What comes in is decoded and drawn again, so nothing of the file survives but the picture:
no EXIF, no GPS, no script in a comment. It stands upright and is at most 1600 px on its longer side.
Files are named by us; a path or a type from outside is never used.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal

import fsspec
import pillow_heif
import sqlalchemy as sa
from flask import Blueprint, Response, abort, current_app, request
from PIL import Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.db import Model, db
from portal.fields import Filled
from portal.i18n import gettext
from portal.policy import ANYONE, Viewer, declare
from portal.security import viewer
from portal.words import now

pillow_heif.register_heif_opener()

LONG_SIDE_PX: Final = 1600
SMALL_SIDE_PX: Final = 320
MAX_FILE_BYTES: Final = 20 * 1024 * 1024
MAX_PIXELS: Final = 50_000_000
MAX_JPEG_PIXELS: Final = 220_000_000
"""A JPEG is decoded at a fraction of its size, so the largest phone cameras (200 MP) are welcome."""
QUALITY: Final = 82
FORMATS: Final = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF")
PENDING: Final = "pending"
PENDING_LIFE: Final = dt.timedelta(days=1)
NAME_BYTES: Final = 16

Image.MAX_IMAGE_PIXELS = MAX_JPEG_PIXELS
Why = Literal["not_a_picture", "too_big", "too_many_pixels"]

blueprint = Blueprint("media", __name__)


class PictureRefused(Exception):
    """A file was not taken; `reason` says why. The sender can send another."""

    def __init__(self, reason: Why) -> None:
        super().__init__(reason)
        self.reason: Why = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture drawn anew as JPEG: `full` within 1600 px, `small` within 320 px."""

    full: bytes
    small: bytes
    width_px: int
    height_px: int


class Media(Model):
    """One kept picture; `subject_kind` and `subject_id` say what it belongs to and so who may see it."""

    __tablename__ = "media"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id", ondelete="SET NULL"))
    subject_kind: Mapped[str] = mapped_column(sa.String(16))
    subject_id: Mapped[int | None]
    purpose: Mapped[str] = mapped_column(sa.String(16), default="")
    width_px: Mapped[int]
    height_px: Mapped[int]
    size_bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[dt.datetime]

    __table_args__ = (sa.Index("ix_media_subject", "subject_kind", "subject_id"),)


# --------------------------------------------------------------------------- pure: bytes to a picture


def draw_anew(data: bytes) -> Picture:
    """Give the picture in `data` drawn anew; raises `PictureRefused` for what is no picture or too large."""
    if len(data) > MAX_FILE_BYTES:
        raise PictureRefused("too_big")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            pixels = image.width * image.height
            lazy = image.format in {"JPEG", "MPO"}
            if pixels > (MAX_JPEG_PIXELS if lazy else MAX_PIXELS):
                raise PictureRefused("too_many_pixels")
            ImageFile.LOAD_TRUNCATED_IMAGES = (
                False  # the printing of papers (WeasyPrint) turns it on for everybody
            )
            if lazy:
                image.draft("RGB", (LONG_SIDE_PX, LONG_SIDE_PX))
            upright = _plain(ImageOps.exif_transpose(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureRefused("too_many_pixels") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise PictureRefused("not_a_picture") from error
    upright.thumbnail((LONG_SIDE_PX, LONG_SIDE_PX), Image.Resampling.LANCZOS)
    small = upright.copy()
    small.thumbnail((SMALL_SIDE_PX, SMALL_SIDE_PX), Image.Resampling.LANCZOS)
    return Picture(full=_jpeg(upright), small=_jpeg(small), width_px=upright.width, height_px=upright.height)


def _plain(image: Image.Image) -> Image.Image:
    """Give the picture in sRGB on white, with nothing attached to it."""
    profile = image.info.get("icc_profile")
    if profile and image.mode == "RGB":
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"))
            image = converted or image
        except (ImageCms.PyCMSError, OSError):
            pass  # a broken profile: the colours are shown as they are
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, "white")
        image = Image.alpha_composite(ground, layer)
    plain = Image.new("RGB", image.size)
    plain.paste(image.convert("RGB"))
    return plain


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return out.getvalue()


# --------------------------------------------------------------------------- the store


class MediaStore:
    """Where pictures lie: a folder or a bucket, by fsspec URL.

    `save` and `remove` may be repeated; `load` raises `FileNotFoundError`.
    """

    def __init__(self, url: str) -> None:
        self._files, self._root = fsspec.core.url_to_fs(url)

    def save(self, name: str, picture: Picture) -> None:
        """Write both sizes under a name of ours."""
        self._files.makedirs(self._folder(name), exist_ok=True)
        for small, data in ((False, picture.full), (True, picture.small)):
            self._files.pipe_file(self._path(name, small=small), data)

    def load(self, name: str, *, small: bool) -> bytes:
        """Read one size."""
        data: bytes = self._files.cat_file(self._path(name, small=small))
        return data

    def remove(self, name: str) -> None:
        """Delete both sizes; harmless when they are gone."""
        for small in (False, True):
            path = self._path(name, small=small)
            if self._files.exists(path):
                self._files.rm_file(path)

    def _folder(self, name: str) -> str:
        return f"{self._root}/{name[:2]}"

    def _path(self, name: str, *, small: bool) -> str:
        return f"{self._folder(name)}/{name}{'.small' if small else ''}.jpg"


def store() -> MediaStore:
    """Give the application's store, opened once."""
    known: Any = current_app.extensions.get("media_store")
    if known is None:
        known = current_app.extensions["media_store"] = MediaStore(current_app.config["PORTAL"].media_url)
    found: MediaStore = known
    return found


def keep(session: Session, data: bytes, *, owner_id: int | None, now: dt.datetime) -> Media:
    """Draw a picture anew and keep it, belonging to nothing yet; raises `PictureRefused`."""
    picture = draw_anew(data)
    name = secrets.token_hex(NAME_BYTES)
    store().save(name, picture)
    kept = Media(
        id=name,
        owner_id=owner_id,
        subject_kind=PENDING,
        subject_id=None,
        purpose="",
        width_px=picture.width_px,
        height_px=picture.height_px,
        size_bytes=len(picture.full),
        sha256=hashlib.sha256(picture.full).hexdigest(),
        created_at=now,
    )
    session.add(kept)
    return kept


def sent(form: Filled, name: str, label: str) -> Media | None:
    """Keep the one picture a form brought, if it did; writes what is wrong with it into the form."""
    upload = request.files.get(name)
    if upload is None or not upload.filename:
        return None
    try:
        data = upload.stream.read(MAX_FILE_BYTES + 1)
        return keep(db.session, data, owner_id=viewer().user, now=now())
    except PictureRefused:
        form.errors[name] = gettext("这张照片没有收：请选 JPG、PNG 或 HEIC 照片，不超过 20 MB。")
        form.labels[name] = label
        return None


def pending(session: Session, names: list[str], *, owner_id: int | None) -> list[Media]:
    """Give those of the named pictures that this person sent and that belong to nothing yet."""
    if not names or owner_id is None:
        return []
    rows = session.scalars(
        sa.select(Media)
        .where(Media.id.in_(names), Media.owner_id == owner_id, Media.subject_kind == PENDING)
        .order_by(Media.created_at)
    )
    return list(rows)


def of_subjects(session: Session, kind: str, ids: list[int]) -> dict[int, list[Media]]:
    """Give the pictures of many subjects at once, by subject, oldest first."""
    found: dict[int, list[Media]] = {}
    if not ids:
        return found
    query = sa.select(Media).where(Media.subject_kind == kind, Media.subject_id.in_(ids))
    for media in session.scalars(query.order_by(Media.created_at, Media.id)):
        found.setdefault(media.subject_id or 0, []).append(media)
    return found


def drop_forgotten(session: Session, *, now: dt.datetime) -> int:
    """Delete pictures that were sent a day ago and never belonged to anything; gives how many."""
    query = sa.select(Media).where(Media.subject_kind == PENDING, Media.created_at < now - PENDING_LIFE)
    forgotten = list(session.scalars(query))
    for media in forgotten:
        store().remove(media.id)
        session.delete(media)
    return len(forgotten)


# --------------------------------------------------------------------------- who may see

Asked = Callable[[Viewer, int], bool]
_MAY_SEE: dict[str, Asked] = {}


def guard(kind: str, may_see: Asked) -> None:
    """Say who may see the pictures of a kind of subject: `may_see(viewer, subject_id)`."""
    _MAY_SEE[kind] = may_see


def visible(media: Media, looking: Viewer) -> bool:
    """Whether somebody may see a picture; one that belongs to nothing is seen by its sender alone."""
    if media.subject_kind == PENDING:
        return looking.signed_in and looking.user == media.owner_id
    asked = _MAY_SEE.get(media.subject_kind)
    return asked is not None and media.subject_id is not None and asked(looking, media.subject_id)


@blueprint.get("/media/<name>/full.jpg", defaults={"small": False})
@blueprint.get("/media/<name>/small.jpg", defaults={"small": True}, endpoint="small")
@declare(ANYONE)
def picture(name: str, small: bool) -> Response:  # noqa: FBT001  # Flask passes route values by name
    """Give a picture to who may see it; to everybody else it does not exist."""
    media = db.session.get(Media, name)
    if media is None or not visible(media, viewer()):
        abort(HTTPStatus.NOT_FOUND)
    try:
        data = store().load(media.id, small=small)
    except FileNotFoundError:
        abort(HTTPStatus.NOT_FOUND)
    answer = Response(data, mimetype="image/jpeg")
    answer.headers["Cache-Control"] = "private, max-age=3600"
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer
