"""The books as `gantry doctor` looks at them: is the same money everywhere, and has the board counted it?

Law: it changes nothing. Sums that differ within the store are a fault, to the nano-dollar. A counter may be ahead of
the store while calls are under way, and behind it after `gantry limits reset`, so that it differs is only told.
"""

import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from gantry.board.all_counters import AllCounters, SharedSilent, open_counters
from gantry.clerk.publish_books import open_books
from gantry.clerk.refill import amounts_of
from gantry.cli.finding import Finding, fail, ok, warn
from gantry.console.node_status import NodeStatus
from gantry.core.limit_words import amount_in_words
from gantry.core.limits import CounterTerms, LimitScope, LimitUnit
from gantry.core.periods import window_at
from gantry.home import Home
from gantry.settings import ServeSettings, WhenSilent
from gantry.store import Connection
from gantry.store.audit import audit_books
from gantry.store.control_tables import CONTROL
from gantry.store.counter_sums import bound_keys
from gantry.store.credits import charged_to, granted_by_organization
from gantry.store.database import Address, Database, StoreUnavailable, open_database
from gantry.store.integrity import find_revision
from gantry.store.limits import StoredLimit
from gantry.store.log_tables import LOGS
from gantry.store.organizations import organizations_of

_TOLD = 3  # of many
_TELLING = (LimitScope.ORGANIZATION, LimitScope.API_KEY)  # what the store sums up as the board counts it


class Stores(Struct, frozen=True):
    """Where the two stores are; `are_shared` where both are one database that several machines may have."""

    control: str | Path
    logs: Address
    are_shared: bool


class Drift(Struct, frozen=True):
    """A counter that says otherwise than the store."""

    terms: CounterTerms
    counted: int
    stored: int

    @property
    def sentence(self) -> str:
        unit = self.terms.unit
        return (
            f"{self.terms.name}: {amount_in_words(unit, self.counted)} on the board, "
            f"{amount_in_words(unit, self.stored)} in the store"
        )


def look_at_books(stores: Stores) -> Iterator[Finding]:
    """Compare ledger, logs and sums."""
    logs, control = open_database(stores.logs), Database(stores.control)
    try:
        if find_revision(logs, LOGS) != LOGS.head or find_revision(control, CONTROL) != CONTROL.head:
            return  # which is told already
        with logs.reading() as connection:
            found = audit_books(connection, time.time_ns())
            charged = _charged(connection, control)
    except StoreUnavailable as error:
        yield fail("books", str(error), "See who holds or filled it, then ask again.")
        return
    finally:
        logs.close()
        control.close()
    if not found:
        yield ok("books", f"ledger, logs and sums agree to the nano-dollar; {_usd(charged)} charged in all")
        return
    more = f"; and {len(found) - _TOLD} more" if len(found) > _TOLD else ""
    advice = "Nothing is lost: each log keeps its cost. Keep the database as it is, and report this."
    yield fail("books", "; ".join(one.sentence for one in found[:_TOLD]) + more, advice)


def look_at_board(home: Home, settings: ServeSettings, stores: Stores, status: NodeStatus) -> Iterator[Finding]:
    """Compare the counters with what the store says they should have counted."""
    if stores.are_shared and settings.redis_url is None:
        yield ok("counters", "they are this machine's alone, and the store sums up what all machines did")
        return
    counters = open_counters(home.counters, settings.redis_url)
    if counters is None:
        if home.counters.exists():
            yield fail(
                "counters", f"{home.counters} cannot be read", "Stop the gateway and delete it: it is filled anew."
            )
        return
    logs, control = open_database(stores.logs), Database(stores.control)
    try:
        if find_revision(logs, LOGS) != LOGS.head or find_revision(control, CONTROL) != CONTROL.head:
            return
        if counters.is_new:
            yield ok("counters", "they are new; the clerk fills them from the sums of the store")
            return
        compared, drifts = _compare(counters, control, logs, time.time_ns())
    except StoreUnavailable:
        return  # which is told already
    except SharedSilent as error:
        meanwhile = "each machine counts alone" if settings.redis_down is WhenSilent.OPEN else "calls are refused"
        yield warn("counters", f"{error}; until they do, {meanwhile}", "See that the server of redis_url runs.")
        return
    finally:
        counters.close()
        logs.close()
        control.close()
    if not drifts:
        yield ok("counters", f"{compared} of the board's counters are what the store sums up to")
    elif any(worker.in_flight for worker in status.workers) or status.clerk.lag:
        yield ok("counters", f"{len(drifts)} of {compared} are ahead of or behind the store, as calls are under way")
    else:
        more = f"; and {len(drifts) - _TOLD} more" if len(drifts) > _TOLD else ""
        advice = (
            "After `gantry limits reset`, or logs that were posted late, it may. Each period begins anew with the next."
        )
        yield warn("counters", "; ".join(drift.sentence for drift in drifts[:_TOLD]) + more, advice)


def _compare(counters: AllCounters, control: Database, logs: Database, now: int) -> tuple[int, list[Drift]]:
    """Return how many counters were compared, and those that differ."""
    compared, drifts = 0, []
    with control.reading() as configured:
        opened, bound = open_books(configured), bound_keys(configured)
    telling = tuple(one for one in opened.limits if one.limit.scope in _TELLING and _is_whole(one, now))
    with logs.reading() as connection:
        granted = granted_by_organization(connection)
        for organization_id, books in replace(opened, limits=telling).of(granted, has_platform=True):
            for terms, stored in amounts_of(connection, organization_id, books, bound, now, now):
                compared += 1
                counted = counters.read(terms, now)
                if counted != stored:
                    drifts.append(Drift(terms, counted, stored))
    return compared, drifts


def _is_whole(stored: StoredLimit, now: int) -> bool:
    """Say whether a limit has counted all of its period: it was there when that began."""
    return stored.created_at <= window_at(stored.limit.period, now).start


def _charged(connection: Connection, control: Database) -> int:
    with control.reading() as configured:
        known = organizations_of(configured)
    return sum(charged_to(connection, organization.id) for organization in known)


def _usd(nano: int) -> str:
    return amount_in_words(LimitUnit.COST, nano)
