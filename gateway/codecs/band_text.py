"""What a band shows its wearer. Pure."""

from __future__ import annotations

from gateway.model import DownCommand

HELP_TEXT = "求助已收到，正在联系您的家人。"
CANCELLED_TEXT = "求助已取消。"
MAX_TEXT_CHARS = 120


def text_of(command: DownCommand) -> str:
    """The words of an order that shows words, at most 120 characters; empty where there are none to show."""
    own = {"help_is_coming": HELP_TEXT, "cancelled": CANCELLED_TEXT, "message": ""}
    if command.name not in own:
        return ""
    return (command.text or own[command.name])[:MAX_TEXT_CHARS]
