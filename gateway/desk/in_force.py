"""The configuration with the profiles the gateway uses: what was ordered over the file counts."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.config import Settings
    from gateway.profiles.book import ProfileBook


def book_of(settings: Settings) -> ProfileBook:
    """What a gateway started now would have in force; the file alone where no gateway has run yet."""
    from gateway.clock import SystemClock
    from gateway.journal.reader import JournalReader
    from gateway.paths import journal_path
    from gateway.profiles.book import ProfileBook, at_start

    try:
        reader = JournalReader(journal_path(settings))
    except FileNotFoundError:
        return ProfileBook(settings)
    try:
        return at_start(settings, reader, SystemClock().now())
    except sqlite3.OperationalError:  # a journal of an older gateway, which knows no profiles yet
        return ProfileBook(settings)
    finally:
        reader.close()


def settings_in_force(settings: Settings) -> Settings:
    """The settings with every wearer's profile in force."""
    return book_of(settings).settings
