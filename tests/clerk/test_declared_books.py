"""Declared limits and settings of the books: applied where they differ, counting on, and gone with their table."""

from typing import Any

import pytest
from msgspec.structs import replace

from gantry.clerk.declared_books import apply_declared_books, apply_declared_limits
from gantry.core.book_settings import DEFAULT_BOOKS, BookSettings
from gantry.core.limit_words import LimitWords
from gantry.core.limits import Limit, LimitAction, LimitScope, LimitUnit, Unpriced
from gantry.core.periods import Period
from gantry.home import Keyring
from gantry.settings import DeclaredBooks
from gantry.store.books import book_settings, books_managed_by, put_book_settings
from gantry.store.control import ControlStore, default_organization, put_setting
from gantry.store.credentials import ManagedBy
from gantry.store.keys import KeyPolicy, add_key
from gantry.store.limits import StoredLimit, add_limit, limits_of
from tests.store.conftest import address, control, postgres_server

__all__ = ["address", "control", "postgres_server"]

FAIR = LimitWords(name="fair", customer="*", cost=1.0, per=Period.DAY)


@pytest.fixture
def key_id(control: ControlStore) -> str:
    with control.changing() as change:
        organization = default_organization(change.connection)
        return add_key(change, organization, "ci", KeyPolicy(), Keyring(b"m" * 32).pepper)[0].id


def apply(control: ControlStore, *declared: LimitWords) -> tuple[list[StoredLimit], list[str]]:
    problems = apply_declared_limits(control, declared)
    with control.reading() as connection:
        return limits_of(connection), problems


def test_what_is_declared_holds_and_again_it_changes_nothing(control: ControlStore, key_id: str) -> None:
    declared = (FAIR, LimitWords(key="ci", tokens=10, warn=True))
    stored, problems = apply(control, *declared)
    assert problems == []
    assert {one.managed_by for one in stored} == {ManagedBy.FILE}
    assert sorted((replace(one.limit, id="") for one in stored), key=lambda limit: limit.unit) == [
        Limit("", LimitScope.CUSTOMER, "*", LimitUnit.COST, Period.DAY, 10**9, name="fair"),
        Limit(
            "",
            LimitScope.API_KEY,
            key_id,
            LimitUnit.TOKENS,
            Period.LIFETIME,
            10,
            LimitAction.WARN,
            "api_key_tokens_lifetime",
        ),
    ]
    version = control.version()
    assert apply(control, *declared)[0] == stored
    assert control.version() == version


@pytest.mark.parametrize(
    ("words", "stays"),
    [
        ({"cost": 2.0}, True),
        ({"warn": True}, True),
        ({"alerts": (50,)}, True),
        ({"per": Period.WEEK}, False),
        ({"customer": "c"}, False),
        ({"cost": None, "tokens": 5}, False),
        ({"name": "other"}, False),
    ],
)
def test_a_limit_that_counts_the_same_goes_on_counting(control: ControlStore, words: Any, stays: bool) -> None:
    ((before,), _) = apply(control, FAIR)
    (after,), problems = apply(control, replace(FAIR, **words))
    assert problems == []
    assert (after.limit.id == before.limit.id) is stays


def test_what_is_no_longer_declared_goes_and_what_people_added_stays(control: ControlStore) -> None:
    with control.changing() as change:
        by_hand = add_limit(
            change,
            default_organization(change.connection),
            Limit("", LimitScope.ORGANIZATION, "", LimitUnit.COST, Period.DAY, 1),
        )
    assert len(apply(control, FAIR)[0]) == 2
    assert apply(control) == ([by_hand], [])


def test_a_limit_that_cannot_be_used_is_reported_and_left_out(control: ControlStore) -> None:
    stored, problems = apply(
        control,
        LimitWords(key="nobody", cost=1.0),
        LimitWords(customer="*", concurrency=3, per=Period.DAY),
        FAIR,
        replace(FAIR, cost=2.0),
        LimitWords(organization=True),
    )
    assert [one.limit.name for one in stored] == ["fair"]
    assert problems == [
        "gantry.toml: limits[0]: key: no API key has the id, prefix or name 'nobody'; see `gantry keys list`",
        "gantry.toml: limits[1]: period: calls under way are counted at every moment: concurrency has no period",
        "gantry.toml: limits[3]: it counts what limits[2] counts, under the same name; give it another name",
        "gantry.toml: limits[4]: limits: say exactly one of cost, requests, tokens and concurrency",
    ]


def test_settings_of_the_books_are_declared_and_go_with_their_table(control: ControlStore) -> None:
    def now() -> tuple[BookSettings, ManagedBy | None]:
        with control.reading() as connection:
            organization = default_organization(connection)
            return book_settings(connection, organization), books_managed_by(connection, organization)

    by_hand = BookSettings(stop_streams=True)
    with control.changing() as change:
        put_book_settings(change, default_organization(change.connection), by_hand)
    assert apply_declared_books(control, None) == []
    assert now() == (by_hand, None)
    declared = DeclaredBooks(unpriced=Unpriced.BLOCK, markup=0.2, minimum_balance=-5.0, low_balance=10.0)
    assert apply_declared_books(control, declared) == []
    meant = BookSettings(
        unpriced=Unpriced.BLOCK, markup_ppm=200_000, minimum_balance=-5_000_000_000, low_balance=10_000_000_000
    )
    assert now() == (meant, ManagedBy.FILE)
    version = control.version()
    assert apply_declared_books(control, declared) == []
    assert control.version() == version
    (problem,) = apply_declared_books(control, DeclaredBooks(low_balance=1e300))
    assert problem == "gantry.toml: books.low_balance: 1e+300 USD is no amount to be held to"
    assert now() == (meant, ManagedBy.FILE)
    assert apply_declared_books(control, None) == []
    assert now() == (DEFAULT_BOOKS, None)


def test_settings_that_nobody_can_read_are_written_anew(control: ControlStore) -> None:
    with control.changing() as change:
        put_setting(change, default_organization(change.connection), "books", "?")
    assert apply_declared_books(control, DeclaredBooks(stop_streams=True)) == []
    with control.reading() as connection:
        assert book_settings(connection, default_organization(connection)).stop_streams
