"""What a test call says and its text reads, Chinese and English: nothing that could be taken for an alarm."""

from __future__ import annotations

MAX_NAME_CHARS = 24
"""A modem that speaks takes 120 characters of a script; whatever the name, the key must be said."""


def spoken(about: str, lang: str = "zh") -> str:
    """The call: what it is, about whom, and what to press; said twice.

    这里是守望的测试电话，为张桂兰而打，没有人求救。听到请按1。
    """
    about = about[:MAX_NAME_CHARS]
    if lang == "en":
        once = f"This is a test call of Shouwang for {about}. No emergency. Press 1 if you hear it."
        return f"{once} Again: {once}"
    once = f"这里是守望的测试电话，为{about}而打，没有人求救。听到请按1。"
    return f"{once}重复一遍。{once}"


def written(about: str, lang: str = "zh") -> str:
    """The text that goes along; one short message."""
    about = about[:MAX_NAME_CHARS]
    if lang == "en":
        return f"[Shouwang] TEST, no emergency: this number is to be told of alarms of {about}."
    return f"【守望测试】这是测试短信，没有人求救。{about}求救时，会通知到这个号码。"
