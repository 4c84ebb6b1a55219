"""Organizations and what they decided about money, in the store, on every engine."""

import pytest

from gantry.core.book_settings import DEFAULT_BOOKS, BookSettings
from gantry.core.limits import Unpriced
from gantry.store.books import BooksUnreadable, book_settings, books_managed_by, put_book_settings
from gantry.store.control import ControlStore, default_organization, put_setting
from gantry.store.credentials import ManagedBy
from gantry.store.organizations import (
    OrganizationNotFound,
    OrganizationRefused,
    add_organization,
    find_organization,
    organizations_of,
)


def test_organizations_are_added_listed_and_found(control: ControlStore) -> None:
    with control.changing() as change:
        acme = add_organization(change, "Acme Inc.")
    with control.reading() as connection:
        first, second = organizations_of(connection)
        assert (first.id, second) == (default_organization(connection), acme)
        assert find_organization(connection, acme.id) == find_organization(connection, "Acme Inc.") == acme
        assert find_organization(connection, "default") == first
        with pytest.raises(OrganizationNotFound, match="no organization has the id or name 'Nobody'"):
            find_organization(connection, "Nobody")


@pytest.mark.parametrize("name", ["", " ", " padded", "two\nlines", "x" * 101, "default"])
def test_a_name_that_cannot_be_is_refused(control: ControlStore, name: str) -> None:
    with control.changing() as change, pytest.raises(OrganizationRefused):
        add_organization(change, name)
    with control.reading() as connection:
        assert len(organizations_of(connection)) == 1


def test_settings_of_the_books_come_back(control: ControlStore) -> None:
    decided = BookSettings(
        unpriced=Unpriced.BLOCK, stop_streams=True, markup_ppm=200_000, minimum_balance=-5, low_balance=10**9
    )
    with control.changing() as change:
        organization = default_organization(change.connection)
        assert book_settings(change.connection, organization) is DEFAULT_BOOKS
        put_book_settings(change, organization, decided, managed_by=ManagedBy.FILE)
    with control.reading() as connection:
        assert book_settings(connection, organization) == decided
        assert books_managed_by(connection, organization) is ManagedBy.FILE
    with control.changing() as change:
        put_book_settings(change, organization, DEFAULT_BOOKS)
    with control.reading() as connection:
        assert book_settings(connection, organization) == DEFAULT_BOOKS
        assert books_managed_by(connection, organization) is None


def test_settings_of_a_newer_version_are_told_apart(control: ControlStore) -> None:
    with control.changing() as change:
        organization = default_organization(change.connection)
        put_setting(change, organization, "books", {"markup_ppm": -1})
        with pytest.raises(BooksUnreadable, match="markup_ppm"):
            book_settings(change.connection, organization)
