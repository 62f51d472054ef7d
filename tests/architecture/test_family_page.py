"""What a committee approves is what is sent."""

from __future__ import annotations

import runpy

import pytest

from portal.api import telephone
from sos.texts import ONE_PART_CHARS, PURPOSES


@pytest.fixture
def family(root):
    return runpy.run_path(str(root / "docs/family_page.py"))


def test_the_page_is_what_is_sent_and_said(root, family):
    page = (root / "docs/what-the-family-hears.md").read_text(encoding="utf-8")
    assert page == family["page"](), "run `make docs`"


def test_every_purpose_and_every_answer_to_a_key_is_explained(family):
    assert set(family["WHEN"]) == set(PURPOSES)
    assert set(family["ANSWERS"]) | {"language"} == set(telephone.Phrases.__dataclass_fields__)


def test_every_first_text_in_chinese_fits_one_message_without_its_link(family):
    for subject in family["SUBJECTS"].values():
        assert len(family["text_of"]("alarm", subject, "zh")) <= ONE_PART_CHARS
