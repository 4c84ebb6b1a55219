"""What of a grant is left when it expires: by hand, and whatever the order, nothing is taken twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from gantry.core.credits import (
    DAY,
    Entry,
    EntryKind,
    EntryRefused,
    NewEntry,
    check_entry,
    expiry_reference,
    find_expired,
)


def entry(id: str, amount: int, day: int, gone: int | None = None, kind: EntryKind = EntryKind.GRANT) -> Entry:  # noqa: A002
    return Entry(
        organization_id="o",
        id=id,
        kind=kind,
        amount=amount,
        created_at=day * DAY + 5,
        expires_at=None if gone is None else gone * DAY + 7,
    )


def left(entries: list[Entry], charged: dict[int, int], today: int) -> list[tuple[str, int]]:
    return [(one.entry.id, one.amount) for one in find_expired(entries, charged, today * DAY)]


def test_usage_takes_what_expires_first() -> None:
    entries = [entry("bought", 100, 0, kind=EntryKind.PURCHASE), entry("soon", 10, 0, 5), entry("sooner", 10, 0, 3)]
    assert left(entries, {1: 7}, 4) == [("sooner", 3)]
    assert left(entries, {1: 7, 4: 4}, 6) == [("sooner", 3), ("soon", 6)]
    assert left(entries, {1: 30}, 6) == []


def test_a_grant_is_good_until_the_end_of_its_day() -> None:
    entries = [entry("g", 10, 0, 3)]
    assert left(entries, {}, 3) == []
    assert left(entries, {3: 9}, 4) == [("g", 1)]
    assert [one.at for one in find_expired(entries, {3: 9}, 4 * DAY)] == [4 * DAY]


def test_what_was_used_before_a_grant_is_not_taken_out_of_it() -> None:
    entries = [entry("bought", 100, 0, kind=EntryKind.PURCHASE), entry("g", 5, 10, 12)]
    assert left(entries, {1: 10}, 20) == [("g", 5)]


def test_a_debt_is_paid_by_what_comes_next() -> None:
    entries = [entry("g", 10, 2, 4)]
    assert left(entries, {1: 7}, 5) == [("g", 3)]
    assert left(entries, {1: 70}, 5) == []


def test_an_adjustment_takes_like_usage() -> None:
    entries = [entry("g", 10, 0, 4), entry("a", -4, 1, kind=EntryKind.ADJUSTMENT)]
    assert left(entries, {}, 5) == [("g", 6)]


def test_what_is_entered_is_not_found_again() -> None:
    given_, out = entry("g", 10, 0, 4), entry("x", -10, 5, kind=EntryKind.EXPIRY)
    done = Entry(**asdict(out) | {"reference": expiry_reference("g")})
    assert left([given_, done], {9: 3}, 20) == []


@given(
    st.lists(st.tuples(st.integers(-50, 100).filter(bool), st.integers(0, 9), st.none() | st.integers(0, 9))),
    st.dictionaries(st.integers(0, 9), st.integers(0, 60)),
    st.integers(0, 12),
)
def test_no_more_expires_than_is_there(
    given_: list[tuple[int, int, int | None]], charged: dict[int, int], today: int
) -> None:
    entries = [
        entry(str(number), amount, day, day + 1 + gone if gone is not None and amount > 0 else None)
        for number, (amount, day, gone) in enumerate(given_)
    ]
    found = find_expired(entries, charged, today * DAY)
    assert len({one.entry.id for one in found}) == len(found)
    assert all(0 < one.amount <= one.entry.amount for one in found)
    expiring = sum(one.entry.amount for one in found)
    total = sum(one.amount for one in entries) - sum(charged.values())
    late = sum(amount for day, amount in charged.items() if day >= today)
    assert sum(one.amount for one in found) <= max(expiring, total + late)


@pytest.mark.parametrize(
    ("kind", "amount", "expires_at", "reference", "field"),
    [
        (EntryKind.USAGE, 5, None, None, "kind"),
        (EntryKind.EXPIRY, -5, None, None, "kind"),
        (EntryKind.GRANT, 0, None, None, "amount"),
        (EntryKind.GRANT, -1, None, None, "amount"),
        (EntryKind.PURCHASE, 10**19, None, None, "amount"),
        (EntryKind.GRANT, 1, 5, None, "expires_at"),
        (EntryKind.ADJUSTMENT, -1, 50, None, "expires_at"),
        (EntryKind.GRANT, 1, None, "expiry:ct_1", "reference"),
    ],
)
def test_what_the_ledger_does_not_take(
    kind: EntryKind, amount: int, expires_at: int | None, reference: str | None, field: str
) -> None:
    asked = NewEntry(
        organization_id="o", kind=kind, amount=amount, created_at=10, expires_at=expires_at, reference=reference
    )
    with pytest.raises(EntryRefused) as refused:
        check_entry(asked)
    assert refused.value.field == field
