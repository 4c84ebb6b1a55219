"""Limits in the store: what was added comes back on every engine, what is counted stays, a broken row breaks alone."""

from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import update

from gantry.core.limit_check import LimitRefused, default_name
from gantry.core.limits import Limit, LimitAction, LimitScope, LimitUnit
from gantry.core.periods import Period
from gantry.core.vocabulary import Environment
from gantry.home import Keyring
from gantry.store import limits as limits_module
from gantry.store.control import ControlStore, default_organization
from gantry.store.control_tables import limits
from gantry.store.credentials import ManagedBy
from gantry.store.keys import KeyPolicy, add_key, keys_changed_after
from gantry.store.limits import (
    BrokenLimit,
    LimitNotFound,
    StoredLimit,
    add_limit,
    change_limit,
    find_limit,
    limits_of,
    read_limits,
    remove_limit,
)

A_DOLLAR = Limit("", LimitScope.API_KEY, "k1", LimitUnit.COST, Period.MONTH, 10**9)
FULL = Limit(
    "",
    LimitScope.CUSTOMER,
    "*",
    LimitUnit.TOKENS,
    Period.DAY,
    5,
    LimitAction.WARN,
    "fair share",
    Environment.TEST,
    (100, 50, 50),
)


@pytest.fixture
def organization(control: ControlStore) -> str:
    with control.reading() as connection:
        return default_organization(connection)


def add(control: ControlStore, organization: str, limit: Limit, managed_by: ManagedBy | None = None) -> StoredLimit:
    with control.changing() as change:
        return add_limit(change, organization, limit, managed_by=managed_by)


def test_a_limit_comes_back_with_an_id_a_name_and_its_alerts_in_order(control: ControlStore, organization: str) -> None:
    first, second = add(control, organization, A_DOLLAR), add(control, organization, FULL, ManagedBy.FILE)
    assert first.limit == replace(A_DOLLAR, id=first.limit.id, name="api_key_cost_month")
    assert len(first.limit.id) == 32
    assert second.limit == replace(FULL, id=second.limit.id, alerts=(50, 100))
    assert (second.managed_by, second.created_at > 0, second.created_at) == (ManagedBy.FILE, True, second.updated_at)
    with control.reading() as connection:
        assert limits_of(connection) == limits_of(connection, organization) == [first, second]
        assert limits_of(connection, "another") == []
        assert find_limit(connection, organization, first.limit.id) == first
        assert find_limit(connection, organization, "fair share") == second
        for text in ("nobody", "a\0b", ""):
            with pytest.raises(LimitNotFound, match="no limit has the id or name"):
                find_limit(connection, organization, text)


def test_a_name_of_two_is_told_by_their_ids(control: ControlStore, organization: str) -> None:
    ids = [add(control, organization, A_DOLLAR).limit.id for _ in range(2)]
    with (
        control.reading() as connection,
        pytest.raises(LimitNotFound, match=f"2 limits are named .*: {', '.join(ids)}"),
    ):
        find_limit(connection, organization, "api_key_cost_month")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("scope", LimitScope.MODEL),
        ("subject", "k2"),
        ("unit", LimitUnit.TOKENS),
        ("period", Period.DAY),
        ("environment", Environment.PROD),
    ],
)
def test_what_is_counted_never_changes(control: ControlStore, organization: str, member: str, value: Any) -> None:
    known = add(control, organization, A_DOLLAR)
    with control.changing() as change:
        with pytest.raises(LimitRefused, match="make another limit instead") as refused:
            change_limit(change, known, replace(known.limit, **{member: value}))
        assert refused.value.param == member
        changed = replace(known.limit, amount=5, action=LimitAction.WARN, name="less", alerts=(90,))
        stored = change_limit(change, known, changed)
    assert stored.limit == changed
    with control.reading() as connection:
        assert limits_of(connection) == [stored]


def test_a_limit_is_removed(control: ControlStore, organization: str) -> None:
    kept, gone = add(control, organization, A_DOLLAR), add(control, organization, A_DOLLAR)
    with control.changing() as change:
        remove_limit(change, gone)
    with control.reading() as connection:
        assert limits_of(connection) == [kept]


def test_there_are_so_many_limits_at_most(
    control: ControlStore, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits_module, "MOST_LIMITS", 1)
    add(control, organization, A_DOLLAR)
    with pytest.raises(LimitRefused, match="there are 1 already"):
        add(control, organization, A_DOLLAR)


@pytest.mark.parametrize("column", [{"unit": "bananas"}, {"alerts": "{"}, {"amount": -1}, {"period": "fortnight"}])
def test_a_row_that_cannot_be_read_breaks_no_other(
    control: ControlStore, organization: str, column: dict[str, Any]
) -> None:
    broken, good = add(control, organization, A_DOLLAR), add(control, organization, FULL)
    with control.changing() as change:
        change.connection.execute(update(limits).where(limits.c.id == broken.limit.id).values(column))
    with control.reading() as connection:
        assert limits_of(connection) == [good]
        first, second = read_limits(connection, organization)
        assert isinstance(first, BrokenLimit)
        assert (first.id, first.name, second) == (broken.limit.id, "api_key_cost_month", good)
        assert find_limit(connection, organization, first.id) == first
    with control.changing() as change:
        remove_limit(change, first)
    with control.reading() as connection:
        assert read_limits(connection) == [good]


def test_a_budget_changes_the_keys_it_names_and_no_others(control: ControlStore, organization: str) -> None:
    with control.changing() as change:
        keys = [add_key(change, organization, name, KeyPolicy(), Keyring(b"m" * 32).pepper)[0] for name in "ab"]

    def changed_by(limit: Limit) -> set[str]:
        before = control.version()
        stored = add(control, organization, limit)
        with control.reading() as connection:
            by_adding = {key.name for _, key in keys_changed_after(connection, before)}
        before = control.version()
        with control.changing() as change:
            remove_limit(change, stored)
        with control.reading() as connection:
            assert {key.name for _, key in keys_changed_after(connection, before)} == by_adding
        return by_adding

    assert changed_by(replace(A_DOLLAR, subject=keys[1].id)) == {"b"}
    assert changed_by(replace(A_DOLLAR, subject="*")) == {"a", "b"}
    assert changed_by(replace(A_DOLLAR, subject=keys[1].id, unit=LimitUnit.REQUESTS)) == set()
    assert changed_by(replace(A_DOLLAR, scope=LimitScope.CUSTOMER)) == set()


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"scope": LimitScope.ORGANIZATION}, "subject"),
        ({"subject": ""}, "subject"),
        ({"subject": "two\nlines"}, "subject"),
        ({"subject": "x" * 255}, "subject"),
        ({"unit": LimitUnit.CONCURRENCY}, "period"),
        ({"amount": -1}, "amount"),
        ({"amount": 0, "period": Period.MINUTE}, "amount"),
        ({"amount": 0, "unit": LimitUnit.REQUESTS}, "amount"),
        ({"amount": 10**18 + 1}, "amount"),
        ({"alerts": (0,)}, "alerts"),
        ({"alerts": (1001,)}, "alerts"),
        ({"alerts": tuple(range(1, 12))}, "alerts"),
        ({"name": " padded"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "org_credits"}, "name"),
    ],
)
def test_a_limit_that_cannot_be_is_refused(
    control: ControlStore, organization: str, changes: dict[str, Any], param: str
) -> None:
    with pytest.raises(LimitRefused) as refused:
        add(control, organization, replace(A_DOLLAR, **changes))
    assert refused.value.param == param
    assert str(refused.value).startswith(f"{param}: ")
    with control.reading() as connection:
        assert limits_of(connection) == []


def test_what_may_cost_nothing_and_what_has_no_period(control: ControlStore, organization: str) -> None:
    assert add(control, organization, replace(A_DOLLAR, amount=0)).limit.amount == 0
    five_at_once = Limit("", LimitScope.ORGANIZATION, "", LimitUnit.CONCURRENCY, Period.LIFETIME, 5)
    assert add(control, organization, five_at_once).limit.name == default_name(five_at_once)
    assert default_name(five_at_once) == "organization_concurrency"
