"""The portal stands beside a telephone's other applications: what a browser wants for that is there."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from portal import draw_icons


@pytest.mark.parametrize(("language", "name"), [("zh", "守望 · 新河苑"), ("en", "Shouwang · 新河苑")])
def test_the_manifest_speaks_the_language_of_its_page_and_its_icons_are_there(client, language, name):
    answer = client.get(f"/manifest.webmanifest?lang={language}")
    assert (answer.status_code, answer.mimetype) == (200, "application/manifest+json")
    assert (answer.json["name"], answer.json["display"], answer.json["start_url"]) == (
        name,
        "standalone",
        "/",
    )
    kinds = {(icon["purpose"], icon["sizes"]) for icon in answer.json["icons"]}
    assert kinds == {(use, size) for use in ("any", "maskable") for size in ("any", "192x192", "512x512")}
    for icon in answer.json["icons"]:
        with client.get(icon["src"]) as picture:
            assert (picture.status_code, picture.mimetype) == (200, icon["type"])
            if icon["type"] == "image/png":
                drawn = Image.open(io.BytesIO(picture.data))
                assert "x".join(map(str, drawn.size)) == icon["sizes"]


def test_every_page_names_the_manifest(client):
    assert '<link rel="manifest" href="/manifest.webmanifest?lang=zh">' in client.get("/").text


@pytest.mark.slow
def test_chromium_finds_nothing_that_stands_against_installing(chromium, address):
    context = chromium.new_context(base_url=address)
    page = context.new_page()
    page.goto("/")
    asked = context.new_cdp_session(page).send("Page.getInstallabilityErrors")
    found = {error["errorId"] for error in asked["installabilityErrors"]}
    context.close()
    assert found <= {"in-incognito"}, "a context of a test is private, and that alone"


@pytest.mark.parametrize("maskable", [False, True])
def test_the_pictures_are_what_the_drawing_gives(maskable):
    name = "shouwang-maskable-192.png" if maskable else "shouwang-192.png"
    kept = Image.open(draw_icons.ICONS / name).convert("RGBA")
    assert kept.tobytes() == draw_icons.icon(192, maskable=maskable).tobytes()
