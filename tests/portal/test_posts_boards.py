"""Boards as people use them: writing, publishing, reading, confirming, thanks, comments."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.db import db
from portal.posts import queries
from portal.posts.models import Comment, Post, PostLike, PostRead
from portal.posts.text import to_html
from portal.posts.workflow import TABLE, Action, Standing, State, standing

NEW = "/community/notices/new"


def write(staff, *, do: str = "publish", **more) -> int:
    fields = {"title": "清洗水箱", "body": "周五清洗水箱。", "comments_open": "yes", "do": do} | more
    answer = staff.post(NEW, **fields)
    assert answer.status_code == 302, answer.text
    return int(answer.headers["Location"].rsplit("/", 1)[1])


def rows(app, query):
    with app.app_context():
        return list(db.session.scalars(query))


def test_the_table_is_total():
    assert set(TABLE) == {(state, action) for state in State for action in Action}


@pytest.mark.parametrize(
    ("state", "publish_in_h", "expires_in_h", "expected"),
    [
        (State.DRAFT, -1, None, Standing.DRAFT),
        (State.WITHDRAWN, -1, None, Standing.WITHDRAWN),
        (State.PUBLISHED, None, None, Standing.LIVE),
        (State.PUBLISHED, -1, 1, Standing.LIVE),
        (State.PUBLISHED, 1, 2, Standing.SCHEDULED),
        (State.PUBLISHED, -2, -1, Standing.EXPIRED),
        (State.PUBLISHED, 0, None, Standing.LIVE),
        (State.PUBLISHED, -2, 0, Standing.EXPIRED),
    ],
)
def test_how_a_post_stands_agrees_with_what_the_store_lists(
    app, samples, state, publish_in_h, expires_in_h, expected
):
    """The rule in Python and the condition in SQL are one rule."""
    now = samples.NOW
    at = {
        name: None if hours is None else now + timedelta(hours=hours)
        for name, hours in (("publish_at", publish_in_h), ("expires_at", expires_in_h))
    }
    assert standing(state, now=now, **at) is expected
    with app.app_context():
        author = db.session.scalar(sa.select(Post.author_id).limit(1))
        words = dict.fromkeys(("title", "body", "html"), "x")
        db.session.add(
            Post(
                community="elsewhere",
                board="notices",
                author_id=author,
                state=state,
                created_at=now,
                updated_at=now,
                **words,
                **at,
            )
        )
        db.session.commit()
        found, _more = queries.listed(
            db.session, community="elsewhere", boards=["notices"], now=now, reader=None
        )
    assert bool(found) is (expected is Standing.LIVE)


def test_a_published_notice_is_read_by_everybody_and_counted_once_a_person(app, people, browser):
    number = write(people["staff"])
    assert "清洗水箱" in browser.get("/community/notices/").text
    for _ in range(2):
        assert people["resident"].get(f"/community/posts/{number}").status_code == 200
    readers = rows(app, sa.select(PostRead.user_id).where(PostRead.post_id == number))
    assert len(readers) == 1


@pytest.mark.parametrize("do", ["save", "later", "withdrawn"])
def test_what_does_not_stand_is_seen_by_nobody_but_its_writers(people, browser, do):
    staff = people["staff"]
    more = {"publish_at": "2099-01-01T08:00"} if do == "later" else {}
    number = write(staff, do="save" if do == "save" else "publish", **more)
    if do == "withdrawn":
        assert staff.post(f"/community/posts/{number}/withdraw").status_code == 302
    for reader in (people["resident"], browser):
        assert reader.get(f"/community/posts/{number}").status_code == 404
        for page in ("/", "/community/", "/community/notices/"):
            assert "清洗水箱" not in reader.get(page).text
    assert people["resident"].post(f"/community/posts/{number}/comments", body="?").status_code == 404
    assert people["resident"].post(f"/community/posts/{number}/like").status_code == 404
    assert "清洗水箱" in staff.get(f"/community/posts/{number}").text


def test_only_staff_write_where_only_staff_write(people, browser):
    assert browser.get(NEW).status_code == 302
    for role in ("resident", "guardian", "grid_worker"):
        assert people[role].get(NEW).status_code == 404
        assert people[role].post(NEW, title="x", body="x", do="publish").status_code == 404
        assert people[role].get("/community/posts/1/edit").status_code == 404
        assert people[role].post("/community/posts/1/withdraw").status_code == 404


def test_a_form_with_a_mistake_keeps_what_was_typed(people):
    answer = people["staff"].post(NEW, title="", body="很长的正文", expires_at="never", do="publish")
    assert answer.status_code == 422
    assert "很长的正文" in answer.text
    assert answer.text.count('class="error"') == 2


def test_a_notice_that_must_be_confirmed_stays_on_the_front_page_until_it_is(app, people):
    resident = people["resident"]
    number = write(people["staff"], must_confirm="yes", title="必须知道")
    strip = f'class="note note-warning" href="/community/posts/{number}"'
    assert strip in resident.get("/").text
    resident.get(f"/community/posts/{number}")
    assert strip in resident.get("/").text
    assert resident.post(f"/community/posts/{number}/confirm").status_code == 302
    assert strip not in resident.get("/").text
    query = sa.select(PostRead).where(PostRead.post_id == number, PostRead.confirmed_at.is_not(None))
    assert len(rows(app, query)) == 1


def test_thanks_are_given_once_and_can_be_taken_back(app, people):
    resident = people["resident"]
    number = write(people["staff"])
    for expected in (1, 0, 1):
        resident.post(f"/community/posts/{number}/like")
        assert len(rows(app, sa.select(PostLike.user_id).where(PostLike.post_id == number))) == expected


def test_a_comment_is_shown_as_it_was_typed_and_never_as_html(people):
    number = write(people["staff"])
    resident = people["resident"]
    resident.post(f"/community/posts/{number}/comments", body="<script>alert(1)</script>\n第二行")
    page = resident.get(f"/community/posts/{number}").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;<br>第二行" in page


def test_a_hidden_comment_is_gone_for_others_and_its_author_reads_why(app, people, browser):
    number = write(people["staff"])
    resident, staff = people["resident"], people["staff"]
    resident.post(f"/community/posts/{number}/comments", body="不文明的话")
    comment = rows(app, sa.select(Comment.id).where(Comment.post_id == number))[0]
    assert people["guardian"].post(f"/community/comments/{comment}/hide", reason="x").status_code == 404
    staff.post(f"/community/comments/{comment}/hide", reason="")
    assert "不文明的话" in browser.get(f"/community/posts/{number}").text
    staff.post(f"/community/comments/{comment}/hide", reason="用语不当")
    assert "不文明的话" not in browser.get(f"/community/posts/{number}").text
    assert "用语不当" in resident.get(f"/community/posts/{number}").text


def test_comments_can_be_closed(people):
    number = write(people["staff"], comments_open="")
    assert people["resident"].post(f"/community/posts/{number}/comments", body="x").status_code == 404


def test_residents_write_where_members_write(people, browser):
    answer = people["resident"].post(
        "/community/neighbours/new", title="谢谢 3 栋的小伙子", body="帮我提水。", do="publish"
    )
    number = int(answer.headers["Location"].rsplit("/", 1)[1])
    assert browser.get(f"/community/posts/{number}").status_code == 404
    assert people["guardian"].get(f"/community/posts/{number}").status_code == 200
    assert people["guardian"].get(f"/community/posts/{number}/edit").status_code == 404
    assert people["staff"].get(f"/community/posts/{number}/edit").status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "![x](http://elsewhere.example/pixel.png)",
        '<img src=x onerror="alert(1)">',
        "<style>*{display:none}</style>",
    ],
)
def test_markdown_cannot_carry_anything_that_acts(text):
    html = to_html(text)
    assert not re.search(r"<(script|img|style|iframe)|<[^>]*(javascript:|\son\w+=)", html)


def test_markdown_keeps_what_people_mean():
    assert to_html("# 一\n\n**二**") == "<h2>一</h2>\n<p><strong>二</strong></p>\n"


def test_lists_and_counts_are_the_same_on_both_engines(store_app, samples):
    with store_app.app_context():
        boards = ["notices", "safety", "deliberation"]
        found, more = queries.listed(
            db.session,
            community="xinhe",
            boards=boards,
            now=samples.NOW + timedelta(days=3650),
            reader=None,
            limit=2,
        )
        assert more
        assert [item.post.board for item in found] == ["notices", "safety"]  # pinned first, then the newest
        assert (found[1].counts.likes, found[1].counts.comments) == (3, 1)
