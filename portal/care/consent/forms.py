"""What is asked of who gives a consent: until when, and, in somebody's place or on paper, in what right."""

from __future__ import annotations

from portal.care.consent.words import SIGNERS, UNTIL_WORDS
from portal.fields import Choice, Field, Filled
from portal.i18n import gettext
from portal.policy import Basis

NAME_CHARACTERS, SHOWN_CHARACTERS = 40, 300


def fields_of(basis: Basis) -> list[Field]:
    """The questions; nothing is chosen beforehand."""
    until = Field(
        name="until",
        kind="choice",
        label=gettext("同意多久"),
        choices=tuple(Choice(value=value, label=str(words)) for value, words in UNTIL_WORDS.items()),
    )
    if basis is Basis.OWN:
        return [until]
    choices = tuple(Choice(value=value, label=str(words)) for value, words in SIGNERS.items())
    shown = Field(
        name="shown",
        kind="textarea",
        label=gettext("看过什么材料"),
        hint=gettext("例如：诊断证明、法院认定书、监护协议的名称和编号；给本人读过、讲清楚了什么。"),
        rows=2,
        max_length=SHOWN_CHARACTERS,
    )
    if basis is Basis.GUARDIAN:
        capacity = Field(
            name="signer", kind="choice", label=gettext("您以什么身份代为决定"), choices=choices[1:]
        )
        return [capacity, shown, until]
    signer = Field(name="signer", kind="choice", label=gettext("纸上是谁签的字"), choices=choices)
    name = Field(name="signed", kind="text", label=gettext("签字人的姓名"), max_length=NAME_CHARACTERS)
    return [signer, name, shown, until]


def given_by(basis: Basis, form: Filled, wearer: str, who: str) -> str:
    """Who gave a consent, and in what capacity."""
    if basis is Basis.OWN:
        return wearer
    capacity = str(SIGNERS[str(form.values["signer"])])
    return f"{form.values.get('signed') or who} · {capacity}"[:120]


def proof_of(form: Filled) -> str:
    """What was shown."""
    return str(form.values.get("shown", ""))
