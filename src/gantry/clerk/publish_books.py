"""The books in a snapshot: each organization's limits, settings and credits, as its workers are to count by them.

Law: as the publisher's: what cannot be read is reported and left out, and refuses nothing but itself.

Credits are counted where there may be something to pay: with a platform credential somewhere, or an entry of one's own.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from gantry.core.book_settings import DEFAULT_BOOKS, BookSettings
from gantry.core.limits import NO_BOOKS, Books, CreditTerms
from gantry.store import Connection
from gantry.store.books import BooksUnreadable, book_settings
from gantry.store.keys import ApiKey
from gantry.store.limits import StoredLimit, budgeted_keys, has_budget, read_limits
from gantry.store.organizations import organizations_of


class OpenBooks(Struct, frozen=True):
    """What was read of the books from one view of the store."""

    limits: tuple[StoredLimit, ...]
    settings: Mapping[str, BookSettings]  # of every organization
    problems: tuple[str, ...]

    def of(self, granted: Mapping[str, int], *, has_platform: bool) -> Iterator[tuple[str, Books]]:
        """Yield the books of each organization that has decided anything."""
        for organization_id, decided in self.settings.items():
            is_paid = has_platform or organization_id in granted
            books = Books(
                limits=tuple(one.limit for one in self.limits if one.organization_id == organization_id),
                credits=_credits(decided, granted.get(organization_id, 0)) if is_paid else None,
                unpriced=decided.unpriced,
                stop_streams=decided.stop_streams,
            )
            if books != NO_BOOKS:
                yield organization_id, books


class Budgets:
    """Which keys have a budget of their own."""

    def __init__(self, books: OpenBooks) -> None:
        self._by_organization = budgeted_keys(books.limits)

    def has(self, key: ApiKey) -> bool:
        budgeted = self._by_organization.get(key.organization_id)
        return budgeted is not None and has_budget(budgeted, (key.id, *key.bound_by), key.policy.environment)


def open_books(connection: Connection) -> OpenBooks:
    limits: list[StoredLimit] = []
    problems: list[str] = []
    for one in read_limits(connection):
        if isinstance(one, StoredLimit):
            limits.append(one)
        else:
            problems.append(f"the limit {one.name} ({one.id}) of {one.organization_id} is left out: {one.reason}")
    settings: dict[str, BookSettings] = {}
    for organization in organizations_of(connection):
        settings[organization.id] = DEFAULT_BOOKS
        try:
            settings[organization.id] = book_settings(connection, organization.id)
        except BooksUnreadable as error:
            problems.append(f"the settings of the books of {organization.id} are left out: {error}")
    return OpenBooks(tuple(limits), settings, tuple(problems))


def _credits(decided: BookSettings, granted: int) -> CreditTerms:
    return CreditTerms(granted, decided.minimum_balance, decided.markup_ppm, decided.low_balance)
