"""The questions of the boards."""

from __future__ import annotations

from portal.fields import Field
from portal.i18n import gettext

TITLE_LENGTH = 60
BODY_LENGTH = 8000
COMMENT_LENGTH = 500


def post_form() -> tuple[Field, ...]:
    """Ask for a post."""
    return (
        Field(name="title", kind="text", label=gettext("标题"), max_length=TITLE_LENGTH),
        Field(
            name="body",
            kind="textarea",
            label=gettext("正文"),
            hint=gettext("空一行分段；行首写“- ”成为列表，“## ”成为小标题。"),
            max_length=BODY_LENGTH,
            rows=12,
        ),
        Field(
            name="title_en",
            kind="text",
            label=gettext("英文标题"),
            hint=gettext("有英文时，使用英文的居民看到英文。"),
            required=False,
            max_length=TITLE_LENGTH * 2,
        ),
        Field(
            name="body_en",
            kind="textarea",
            label=gettext("英文正文"),
            required=False,
            max_length=BODY_LENGTH,
            rows=6,
        ),
        Field(
            name="publish_at",
            kind="moment",
            label=gettext("定时发布"),
            hint=gettext("不填则立即发布。"),
            required=False,
        ),
        Field(
            name="expires_at",
            kind="moment",
            label=gettext("到期下架"),
            hint=gettext("到这个时间后不再列出。"),
            required=False,
        ),
        Field(name="pinned", kind="agree", label=gettext("置顶"), required=False),
        Field(
            name="must_confirm",
            kind="agree",
            label=gettext("要求居民确认已读"),
            hint=gettext("重要通知使用；首页会一直提示，直到本人确认。"),
            required=False,
        ),
        Field(name="comments_open", kind="agree", label=gettext("允许留言"), required=False),
    )


def comment_form() -> tuple[Field, ...]:
    """Ask for a comment."""
    return (
        Field(name="body", kind="textarea", label=gettext("写一句留言"), max_length=COMMENT_LENGTH, rows=3),
    )


def hide_form() -> tuple[Field, ...]:
    """Ask why a comment is hidden; its author reads the answer."""
    return (Field(name="reason", kind="text", label=gettext("隐藏的原因"), max_length=100),)
