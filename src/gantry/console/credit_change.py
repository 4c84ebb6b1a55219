"""An entry of the ledger made by people, for the API and the CLI: once for a reference, and live where it counts.

Law: whoever enters the same twice, because an answer was lost, enters it once. The ledger may lie in another database
than the configuration, so the version is raised after the entry stands, and again when it stood already: what a crash
between the two left behind is made good by trying again.
"""

from typing import Any

from msgspec import Struct

from gantry.console.parameters import Moment
from gantry.core.credits import Entry, EntryKind, EntryRefused, NewEntry
from gantry.core.errors import InvalidRequest
from gantry.core.log_item import embed, iso_of
from gantry.core.money import usd_from_nano
from gantry.store.control import ControlStore
from gantry.store.credits import add_entry, charged_to, find_by_reference, granted_to
from gantry.store.logs import LogStore

_WORDS = {"kind": "transaction_type"}  # what the ledger calls otherwise than the API


class CreditTransaction(Struct, frozen=True):
    """An entry of the ledger. The amount is USD, negative where credits go."""

    id: str
    organization_subscription: None
    unique_organization_id: str
    amount: float
    transaction_type: EntryKind
    credit_amount: float
    debit_amount: float
    billable_type: str
    source_id: str
    created_at: Moment
    expires_at: Moment | None
    description: str
    stripe_payment_intent_id: None
    metadata: dict[str, Any]
    reference: str | None
    author: str
    log_id: str | None


class CreditBalance(Struct, frozen=True):
    """In USD: what is there, what was granted, what calls were charged, and what must stay."""

    balance: float
    granted: float
    charged: float
    minimum_balance: float


class Balance(Struct, frozen=True):
    """What an organization has, in nano-dollars: what it was granted, less what its calls were charged."""

    granted: int
    charged: int

    @property
    def balance(self) -> int:
        return self.granted - self.charged


def enter(store: LogStore, entry: NewEntry) -> tuple[Entry, bool]:
    """Make an entry; return it, and whether it is new. Raises InvalidRequest."""
    try:
        with store.writing() as connection:
            known = entry.reference and find_by_reference(connection, entry.organization_id, entry.reference)
            made = add_entry(connection, entry)
    except EntryRefused as error:
        param = _WORDS.get(error.field, error.field)
        reason = str(error).removeprefix(f"{error.field}: ")
        raise InvalidRequest(f"{param}: {reason}.", param=param) from None
    return made, not known


def make_known(control: ControlStore) -> int:
    """Raise the version, so that what was entered is published; return it."""
    with control.changing() as change:
        return change.version


def read_balance(store: LogStore, organization_id: str) -> Balance:
    with store.reading() as connection:
        return Balance(granted_to(connection, organization_id), charged_to(connection, organization_id))


def entry_item(entry: Entry) -> dict[str, Any]:
    """Return an entry in Respan's shape, with what only our ledger has after it."""
    return {
        "id": entry.id,
        "organization_subscription": None,
        "unique_organization_id": entry.organization_id,
        "amount": usd_from_nano(entry.amount),
        "transaction_type": entry.kind,
        "credit_amount": usd_from_nano(max(entry.amount, 0)),
        "debit_amount": usd_from_nano(max(-entry.amount, 0)),
        "billable_type": "credit" if entry.log_id is None else "request_log",
        "source_id": entry.log_id or entry.reference or entry.id,
        "created_at": iso_of(entry.created_at),
        "expires_at": None if entry.expires_at is None else iso_of(entry.expires_at),
        "description": entry.description,
        "stripe_payment_intent_id": None,
        "metadata": embed(entry.metadata) or {},
        "reference": entry.reference,
        "author": entry.author,
        "log_id": entry.log_id,
    }


def balance_item(balance: Balance, minimum_balance: int) -> CreditBalance:
    return CreditBalance(
        balance=usd_from_nano(balance.balance),
        granted=usd_from_nano(balance.granted),
        charged=usd_from_nano(balance.charged),
        minimum_balance=usd_from_nano(minimum_balance),
    )
