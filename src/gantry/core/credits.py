"""Credits: the kinds of entries of an organization's ledger, and what of a grant is left when it expires. Pure.

Law: the ledger is append-only; the balance is the sum of all entries. Days are UTC's: a grant that expires within a day
is good until its end, and what calls of a day were charged is taken before anything expires at its end. Whatever is
taken comes out of what expires first; out of what never does at last. Nothing that was entered is worked out again: a
call that is recorded after a grant has expired is paid from what is there then.
"""

from bisect import insort
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

DAY: Final = 86_400_000_000_000
MOST_NANO: Final = 10**18  # of one entry


class EntryKind(StrEnum):
    PURCHASE = "purchase"
    GRANT = "grant"
    BONUS = "bonus"
    ADJUSTMENT = "adjustment"
    REFUND = "refund"
    EXPIRY = "expiry"  # what was left of an entry when it expired
    USAGE = "usage"  # what one call was charged
    REPRICING = "repricing"  # what calls are charged more, or less, after their prices were made again


OF_CALLS: Final = frozenset((EntryKind.USAGE, EntryKind.REPRICING))
BY_PEOPLE: Final = frozenset(EntryKind) - OF_CALLS - {EntryKind.EXPIRY}
_EXPIRY: Final = "expiry:"
_ONLY_GIVE: Final = frozenset((EntryKind.PURCHASE, EntryKind.GRANT, EntryKind.BONUS))


class EntryRefused(Exception):
    """An entry that the ledger does not take; the message says why. `field` is the one at fault."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


class NewEntry(Struct, frozen=True, kw_only=True):
    """What somebody enters. Amounts are nano-dollars, negative where credits go; times ns since the epoch."""

    organization_id: str
    kind: EntryKind
    amount: int
    created_at: int
    expires_at: int | None = None
    description: str = ""
    reference: str | None = None  # whoever enters the same twice enters it once
    author: str = ""
    metadata: str | None = None  # a JSON object


class Entry(NewEntry, frozen=True, kw_only=True):
    id: str
    log_id: str | None = None


class Expired(Struct, frozen=True):
    """What was left of an entry at the end of the day on which it expired."""

    entry: Entry
    amount: int
    at: int


def check_entry(entry: NewEntry) -> NewEntry:
    """Return an entry that people may make. Raises EntryRefused."""
    if entry.kind not in BY_PEOPLE:
        known = ", ".join(sorted(BY_PEOPLE))
        raise EntryRefused("kind", f"{entry.kind.value} is entered by Gantry alone; people enter {known}")
    if entry.amount == 0 or abs(entry.amount) > MOST_NANO:
        raise EntryRefused("amount", f"must not be 0, and at most ${MOST_NANO // 10**9:,}")
    if entry.amount < 0 and entry.kind in _ONLY_GIVE:
        raise EntryRefused("amount", f"a {entry.kind.value} is positive; take credits away by an adjustment")
    if entry.expires_at is not None:
        if entry.amount < 0:
            raise EntryRefused("expires_at", "only credits that are given can expire")
        if entry.expires_at <= entry.created_at:
            raise EntryRefused("expires_at", "is past")
    if entry.reference is not None and entry.reference.startswith(_EXPIRY):
        raise EntryRefused("reference", f"what begins with {_EXPIRY!r} is Gantry's own")
    return entry


class _Lot(Struct, order=True):
    """What is left of an entry that gave credits, sorted by when it goes."""

    gone: int  # a day; 2**63 where that is never
    made: int
    id: str
    left: int


def find_expired(entries: Iterable[Entry], charged_by_day: Mapping[int, int], now: int) -> list[Expired]:
    """Return what expired before the day of `now` and is not entered yet, by an organization's entries but usage."""
    known = sorted(entries, key=lambda entry: (entry.created_at, entry.id))
    by_id = {entry.id: entry for entry in known}
    entered = {entry.reference: entry for entry in known if entry.kind is EntryKind.EXPIRY}
    by_day: dict[int, list[Entry]] = {}
    for entry in known:
        if entry.kind is not EntryKind.EXPIRY:
            by_day.setdefault(entry.created_at // DAY, []).append(entry)
    ends = {entry.expires_at // DAY for entry in known if entry.expires_at is not None}
    lots: list[_Lot] = []
    debt = 0
    found = []
    for day in sorted({*by_day, *charged_by_day, *ends}):
        if day >= now // DAY:
            break
        for entry in by_day.get(day, ()):
            if entry.amount > 0:
                gone = 2**63 if entry.expires_at is None else entry.expires_at // DAY
                insort(lots, _Lot(gone, entry.created_at, entry.id, entry.amount))
            else:
                debt -= entry.amount
        debt = _take(lots, debt + charged_by_day.get(day, 0))
        while lots and lots[0].gone <= day:
            lot = lots.pop(0)
            if expiry_reference(lot.id) not in entered and lot.left > 0:
                found.append(Expired(by_id[lot.id], lot.left, (day + 1) * DAY))
    return found


def expiry_reference(entry_id: str) -> str:
    """Return the reference of the entry that takes out what is left of another."""
    return _EXPIRY + entry_id


def _take(lots: list[_Lot], amount: int) -> int:
    """Take an amount out of what goes first; return what could not be taken. What is given back fills a debt only."""
    for lot in lots:
        taken = max(min(lot.left, amount), 0)
        lot.left -= taken
        amount -= taken
    return amount
