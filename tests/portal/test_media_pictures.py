"""What happens to a picture: drawn anew, upright, small, without a trace of where it was taken."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from portal import media
from portal.media import LONG_SIDE_PX, SMALL_SIDE_PX, MediaStore, PictureRefused, draw_anew

GPS = {1: "N", 2: (31.0, 9.0, 19.0), 3: "E", 4: (121.0, 6.0, 18.0)}


def photo(
    width: int = 640, height: int = 480, *, kind: str = "JPEG", orientation: int = 1, mode: str = "RGB"
):
    """A picture red on its left half, with GPS and a camera's name in its EXIF."""
    image = Image.new(mode, (width, height), "blue" if mode == "RGB" else 0)
    image.paste("red" if mode == "RGB" else 255, (0, 0, width // 2, height))
    exif = Image.Exif()
    exif[0x0110] = "SECRET-CAMERA"
    exif[0x0112] = orientation
    exif.get_ifd(0x8825).update(GPS)
    out = io.BytesIO()
    image.save(out, kind, exif=exif)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_a_photo_loses_its_exif_and_its_gps(kind):
    data = photo(kind=kind)
    assert b"SECRET-CAMERA" in data or kind in {"PNG", "HEIF"}
    picture = draw_anew(data)
    for drawn in (picture.full, picture.small):
        assert b"SECRET-CAMERA" not in drawn
        assert b"Exif" not in drawn
        assert dict(opened(drawn).getexif()) == {}
        assert opened(drawn).format == "JPEG"


def test_a_photo_held_sideways_stands_upright():
    """Orientation 6: the camera was turned a quarter clockwise, so left of the sensor is up."""
    picture = draw_anew(photo(640, 480, orientation=6))
    image = opened(picture.full)
    assert (image.width, image.height) == (480, 640)
    assert image.getpixel((240, 40))[0] > 200
    assert image.getpixel((240, 600))[2] > 200


def test_a_large_photo_is_made_smaller_and_a_small_one_is_left():
    large = draw_anew(photo(4000, 3000))
    assert (large.width_px, large.height_px) == (LONG_SIDE_PX, 1200)
    assert max(opened(large.small).size) == SMALL_SIDE_PX
    assert (draw_anew(photo(200, 100)).width_px, draw_anew(photo(200, 100)).height_px) == (200, 100)


def test_transparency_becomes_white():
    out = io.BytesIO()
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(out, "PNG")
    assert opened(draw_anew(out.getvalue()).full).getpixel((10, 10)) == (255, 255, 255)


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"<svg onload=alert(1)>", b"%PDF-1.7", b"\xff\xd8\xff\xe0" + b"\0" * 99]
)
def test_what_is_no_photo_is_refused(data):
    with pytest.raises(PictureRefused) as refused:
        draw_anew(data)
    assert refused.value.reason == "not_a_picture"


def test_a_photo_cut_short_is_refused(monkeypatch):
    """Even in a process that printed a paper: WeasyPrint lets Pillow draw half pictures from then on."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(PictureRefused) as refused:
        draw_anew(photo()[:2000])
    assert refused.value.reason == "not_a_picture"


def test_a_decompression_bomb_is_refused_before_it_is_unpacked():
    """20,000 x 20,000 grey pixels are 50 KB of PNG and 400 MB of memory."""
    out = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(out, "PNG")
    with pytest.raises(PictureRefused) as refused:
        draw_anew(out.getvalue())
    assert refused.value.reason == "too_many_pixels"


def test_a_file_that_is_too_large_is_refused():
    with pytest.raises(PictureRefused) as refused:
        draw_anew(b"\xff" * (media.MAX_FILE_BYTES + 1))
    assert refused.value.reason == "too_big"


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow warns of broken EXIF and reads on
@given(st.binary(max_size=200), st.integers(0, 600))
@settings(max_examples=40, deadline=None)
def test_any_bytes_give_a_picture_or_a_refusal(noise, at):
    data = photo(64, 48)
    broken = data[:at] + noise + data[at:]
    try:
        picture = draw_anew(broken)
    except PictureRefused:
        return
    assert opened(picture.full).format == "JPEG"


def test_the_store_gives_back_what_it_was_given_and_forgets_what_it_is_told(tmp_path):
    store = MediaStore(str(tmp_path / "media"))
    picture = draw_anew(photo())
    store.save("ab12", picture)
    assert store.load("ab12", small=False) == picture.full
    assert store.load("ab12", small=True) == picture.small
    store.remove("ab12")
    store.remove("ab12")
    with pytest.raises(FileNotFoundError):
        store.load("ab12", small=False)


def test_a_phones_double_picture_is_read_as_the_picture_it_shows():
    """Many phones write MPO: a JPEG with a second picture behind it."""
    out = io.BytesIO()
    image = Image.new("RGB", (320, 240), "red")
    image.save(out, "MPO", save_all=True, append_images=[Image.new("RGB", (320, 240), "blue")])
    drawn = opened(draw_anew(out.getvalue()).full)
    assert drawn.size == (320, 240)
    assert drawn.getpixel((10, 10))[0] > 200
