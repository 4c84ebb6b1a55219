"""The books declared outside the store: `[[limits]]` and `[books]` of gantry.toml.

Law: as `clerk/declared.py`'s: applied again at each start, as one change, and only where they differ; what is no longer
declared goes; one that cannot be used is reported, left out, and refuses nothing but itself. A limit whose amount,
action or alerts became others goes on counting where it was; one that counts otherwise is another limit.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from gantry.core.book_settings import DEFAULT_BOOKS, BookSettings, read_markup
from gantry.core.limit_check import LimitRefused, check_limit
from gantry.core.limit_words import LimitWords, read_amount, read_words
from gantry.core.limits import Limit, LimitUnit
from gantry.settings import DeclaredBooks
from gantry.store import Connection
from gantry.store.books import BooksUnreadable, book_settings, books_managed_by, put_book_settings
from gantry.store.control import ControlStore, default_organization
from gantry.store.credentials import ManagedBy
from gantry.store.keys import KeyNotFound, find_key
from gantry.store.limits import StoredLimit, add_limit, change_limit, limits_of, remove_limit


def apply_declared_limits(store: ControlStore, declared: Sequence[LimitWords]) -> list[str]:
    """Make the managed limits of the default organization what is declared; return what could not be used."""
    with store.reading() as connection:
        organization_id = default_organization(connection)
        managed = [one for one in limits_of(connection, organization_id) if one.managed_by is not None]
        found = list(read_declared_limits(declared, partial(find_key_id, connection, organization_id)))
    problems = [one for one in found if isinstance(one, str)]
    wanted = [one for one in found if isinstance(one, Limit)]
    kept = {_counted(one.limit): one for one in managed}
    gone = [one for one in managed if _counted(one.limit) not in set(map(_counted, wanted))]
    if not gone and all(_is_same(kept.get(_counted(limit)), limit) for limit in wanted):
        return problems
    with store.changing() as change:
        for one in gone:
            remove_limit(change, one)
        for limit in wanted:
            known = kept.get(_counted(limit))
            if known is not None:
                change_limit(change, known, replace(limit, id=known.limit.id))
                continue
            try:
                add_limit(change, organization_id, limit, managed_by=ManagedBy.FILE)
            except LimitRefused as error:  # there are too many
                problems.append(f"gantry.toml: {error}")
    return problems


def find_key_id(connection: Connection, organization_id: str, text: str) -> str:
    """Return the id of the key that is meant. Raises LimitRefused."""
    try:
        return find_key(connection, organization_id, text).id
    except KeyNotFound as error:
        raise LimitRefused("key", str(error)) from error


def read_declared_limits(declared: Sequence[LimitWords], find: Callable[[str], str]) -> Iterator[Limit | str]:
    """Yield what each entry means, or why it cannot be used. `find` returns the id of a key."""
    seen: dict[tuple[Any, ...], int] = {}
    for number, words in enumerate(declared):
        where = f"gantry.toml: limits[{number}]"
        try:
            limit = check_limit(read_words(words, find))
        except LimitRefused as error:
            yield f"{where}: {error}"
            continue
        first = seen.setdefault(_counted(limit), number)
        if first == number:
            yield limit
        else:
            yield f"{where}: it counts what limits[{first}] counts, under the same name; give it another name"


def apply_declared_books(store: ControlStore, declared: DeclaredBooks | None) -> list[str]:
    """Make what the default organization decides about money what is declared; return what could not be used."""
    with store.reading() as connection:
        organization_id = default_organization(connection)
        managed_by = books_managed_by(connection, organization_id)
        try:
            present = book_settings(connection, organization_id)
        except BooksUnreadable:
            present = None
    if declared is None and managed_by is None:
        return []
    try:
        wanted = DEFAULT_BOOKS if declared is None else read_declared_books(declared)
    except LimitRefused as error:
        return [f"gantry.toml: books.{error}"]
    manager = None if declared is None else ManagedBy.FILE
    if (present, managed_by) != (wanted, manager):
        with store.changing() as change:
            put_book_settings(change, organization_id, wanted, managed_by=manager)
    return []


def read_declared_books(declared: DeclaredBooks) -> BookSettings:
    """Return the settings that a table means. Raises LimitRefused."""
    low = declared.low_balance
    return BookSettings(
        unpriced=declared.unpriced,
        stop_streams=declared.stop_streams,
        markup_ppm=read_markup(declared.markup),
        minimum_balance=read_amount(LimitUnit.COST, declared.minimum_balance, "minimum_balance"),
        low_balance=None if low is None else read_amount(LimitUnit.COST, low, "low_balance"),
    )


def _counted(limit: Limit) -> tuple[Any, ...]:
    """Return what makes a limit the same one as before: its name and what it counts."""
    return limit.name, limit.scope, limit.subject, limit.unit, limit.period, limit.environment


def _is_same(present: StoredLimit | None, wanted: Limit) -> bool:
    return present is not None and replace(present.limit, id="") == wanted
