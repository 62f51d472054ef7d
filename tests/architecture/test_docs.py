"""The docs are true: what they name exists, and what exists is named."""

from __future__ import annotations

import re
import runpy
import subprocess

import pytest

from gateway import plugins

PATH_IN_TICKS = re.compile(
    r"`((?:gateway|sos|portal|geofence|firmware_sim|data|tests|deploy|bench|docs)/[\w./-]+\.\w+)`"
)
PAGES = (
    "docs/tour.md",
    "docs/sos.md",
    "docs/rules.md",
    "docs/fences.md",
    "docs/portal.md",
    "docs/profiles.md",
    "docs/carriers.md",
    "docs/devices.md",
    "docs/downlink.md",
    "docs/fence-editor.md",
    "docs/orders-from-the-portal.md",
    "docs/accounts.md",
    "docs/consent.md",
    "docs/offline.md",
    "docs/access.md",
    "docs/vitals.md",
    "docs/whereabouts.md",
    "docs/protocols/capture.md",
    "docs/protocols/quarantine.md",
    "README.md",
)


def pages(root):
    return {name: (root / name).read_text(encoding="utf-8") for name in PAGES}


@pytest.mark.parametrize("page", PAGES)
def test_every_file_a_page_names_exists(root, page):
    named = set(PATH_IN_TICKS.findall((root / page).read_text(encoding="utf-8")))
    built = {
        name for name in named if "static/vendor" in name or name.startswith("data/var") or "/x." in name
    }
    missing = {name for name in named - built if not (root / name).exists()}
    assert missing == set()


def test_the_configuration_page_is_what_the_types_say(root):
    generated = runpy.run_path(str(root / "docs/generate.py"))["configuration"]()
    assert (root / "docs/configuration.md").read_text(encoding="utf-8") == generated, "run `make docs`"


def test_the_page_of_captured_frames_is_what_the_codecs_say(root):
    generated = runpy.run_path(str(root / "docs/generate.py"))["vectors"]()
    assert (root / "docs/protocols/vectors.md").read_text(encoding="utf-8") == generated, "run `make docs`"


def test_every_plug_in_has_its_page(root):
    """A codec and a transport have a protocol page, rules and carriers a section."""
    protocols = {path.stem for path in (root / "docs/protocols").glob("*.md")}
    for name in (*plugins.names("codec"), *plugins.names("transport")):
        assert name.partition("_")[0] in protocols, name
    rules = (root / "docs/rules.md").read_text(encoding="utf-8")
    assert [name for name in plugins.names("rule") if name not in rules] == []
    carriers = (root / "docs/carriers.md").read_text(encoding="utf-8")
    assert [name for name in plugins.names("carrier") if name not in carriers] == []


def test_every_dependency_has_its_reason(root):
    declared = re.findall(r'^  "([a-z0-9-]+)[\[<>=]', (root / "pyproject.toml").read_text(), re.MULTILINE)
    reasons = (root / "docs/dependencies.md").read_text(encoding="utf-8")
    assert [name for name in declared if name != "setuptools" and name not in reasons] == []


def test_every_decision_record_is_listed_and_says_what_would_show_it_wrong(root):
    index = (root / "docs/adr/README.md").read_text(encoding="utf-8")
    records = sorted((root / "docs/adr").glob("0*.md"))
    assert len(records) >= 7
    for record in records:
        assert record.name in index
        text = record.read_text(encoding="utf-8")
        for section in (
            "## Context",
            "## Choice",
            "## What we gave up",
            "## How we would notice it is wrong",
        ):
            assert section in text, record.name


def test_nothing_in_the_repository_names_a_registry_or_a_secret(root):
    tracked = subprocess.run(
        ["git", "ls-files", "*.lock", "*.json", "*.toml", "*.txt", ".npmrc", "Makefile", "*.md"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    registry = re.compile(r"--\S*index\S*url|\"resolved\":|https?://[^\"\s]*(?:/simple/?|\.tgz|\.whl)")
    found = [
        name
        for name in tracked
        if registry.search((root / name).read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []


def test_both_readmes_have_the_same_commands(root):
    """A command in one language is a command in the other."""
    blocks = re.compile(r"```sh\n(.*?)```", re.DOTALL)
    english = blocks.findall((root / "README.md").read_text(encoding="utf-8"))
    chinese = blocks.findall((root / "README.zh-CN.md").read_text(encoding="utf-8"))
    commands = [
        [line.partition("#")[0].strip() for block in part for line in block.splitlines()]
        for part in (english, chinese)
    ]
    assert commands[0] == commands[1]
