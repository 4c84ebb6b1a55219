"""What a deleted row leaves behind in SQLite's files, made unreadable, a step at a time.

Law: every writer blanks what it deletes, and the pages it gives back (`secure_delete`; it costs the clerk nothing that
can be measured). What is left are four things: the index of words keeps those of deleted logs until its segments are
merged; pages that an older version gave back keep their content until they are used again; gaps within pages keep what
was moved; and the write-ahead log keeps pages as they were. Each step here is a short transaction. PostgreSQL does its
own with VACUUM.
"""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import text

from gantry.store.full_text import TABLE
from gantry.store.logs import LogStore
from gantry.store.page_gaps import FIRST_PAGE

_PAGES_MERGED: Final = 500
_PAGES_BLANKED: Final = 250
_PAUSES_FOR_OTHERS: Final = 50  # while somebody reads: to wait for it holds up all who write, each time
_BLANKS: Final = "erased_pages"


def scrub(store: LogStore) -> Iterator[None]:
    """Do all of it but for the log, which `LogStore.cut_log` cuts; pausing after each transaction."""
    yield from _merge_words(store)
    yield from _blank_free_pages(store)
    yield from _blank_gaps(store)


def _merge_words(store: LogStore) -> Iterator[None]:
    pages = -_PAGES_MERGED  # below 0: all segments, whatever their levels
    while True:
        with store.writing() as connection:
            driver: Any = connection.connection.dbapi_connection
            before = driver.total_changes
            connection.execute(text(f"INSERT INTO {TABLE}({TABLE}, rank) VALUES('merge', {pages})"))
            if driver.total_changes - before < 2:  # so the engine says that there is nothing left
                return
        pages = _PAGES_MERGED
        yield


def _blank_free_pages(store: LogStore) -> Iterator[None]:
    """Take free pages for a table of zeros until there are none, and give them back."""
    with store.writing() as connection:
        connection.execute(text(f"CREATE TABLE IF NOT EXISTS {_BLANKS} (zeros BLOB)"))
        size = int(connection.scalar(text("PRAGMA page_size")) or 0)
    while True:
        with store.writing() as connection:
            free = int(connection.scalar(text("PRAGMA freelist_count")) or 0)
            if free:
                zeros = min(free, _PAGES_BLANKED) * size
                connection.execute(text(f"INSERT INTO {_BLANKS} VALUES (zeroblob(:zeros))"), {"zeros": zeros})  # noqa: S608
        yield
        if free <= _PAGES_BLANKED:
            break
    with store.writing() as connection:
        connection.execute(text(f"DROP TABLE {_BLANKS}"))


def _blank_gaps(store: LogStore) -> Iterator[None]:
    page: int | None = FIRST_PAGE
    while page is not None:
        following = store.blank_gaps(page)
        for _ in range(_PAUSES_FOR_OTHERS if following == page else 1):
            yield
        page = following
