"""What `gantry doctor` says of the books: money that agrees, a nano-dollar that does not, a board that drifted."""

import json
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from gantry.board.counters import Counters
from gantry.board.held import Held
from gantry.core.limit_terms import credit_terms, terms_of
from gantry.core.limits import CounterTerms, CreditTerms, Limit, LimitScope, LimitUnit
from gantry.core.periods import Period
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import Environment, LogMethod, Outcome
from gantry.home import Home
from gantry.store.control import ControlStore, default_organization
from gantry.store.limits import add_limit
from gantry.store.logs import LogStore, RecordBatch
from tests.cli.conftest import Run
from tests.postgresql import needs_sqlite

BOTH = ("books", "counters")
COST = 300_000_000


@pytest.fixture
def home(run: Run, home_path: Path) -> Home:
    """A home with one call, which was charged."""
    run("credits", "add", "grant", "5")
    home = Home(home_path)
    now = time.time_ns()
    log = RequestLog(
        log_id="a" * 32,
        organization_id=organization_of(home),
        key_id="k",
        environment=Environment.PROD,
        log_method=LogMethod.INFERENCE,
        outcome=Outcome.SUCCESS,
        status_code=200,
        started_at=now,
        ended_at=now,
        cost=COST,
        charged=COST,
    )
    store = LogStore(home.logs_db)
    assert store.record(RecordBatch(logs=[log])) == {log.log_id}
    store.close()
    return home


def organization_of(home: Home) -> str:
    with ControlStore(home.control_db) as control, control.reading() as connection:
        return default_organization(connection)


def count(home: Home, terms: CounterTerms, cost: int) -> None:
    """Count a call on a board that lacks nothing."""
    counters = Counters(home.counters)
    counters.mark_filled()
    assert isinstance(counters.hold((terms,), cost, 0, time.time_ns()), Held)
    counters.close()


def said(run: Run, code: int = 0) -> dict[str, tuple[str, str]]:
    """Return verdict and message of what is said of the books, by subject."""
    found = json.loads(run("doctor", "--json", code=code).stdout)
    return {one["subject"]: (one["verdict"], one["message"]) for one in found if one["subject"] in BOTH}


@needs_sqlite
def test_books_that_agree(run: Run, home: Home) -> None:
    agree = ("ok", "ledger, logs and sums agree to the nano-dollar; $0.30 charged in all")
    assert said(run) == {"books": agree}
    count(home, credit_terms(organization_of(home), CreditTerms(5 * 10**9)), COST)
    assert said(run) == {
        "books": agree,
        "counters": ("ok", "1 of the board's counters are what the store sums up to"),
    }


def test_a_nano_dollar_that_is_nowhere_else_is_a_fault(run: Run, home: Home) -> None:
    store = LogStore(home.logs_db)
    with store.writing() as connection:
        connection.execute(text("UPDATE credit_entries SET amount = amount - 1 WHERE kind = 'usage'"))
    store.close()
    verdict, message = said(run, code=1)["books"]
    assert verdict == "fail"
    assert message == (f"charged of {organization_of(home)}: $0.300000001 by the ledger, $0.300000000 by sums by day")


@needs_sqlite
def test_a_board_that_has_drifted_is_told_with_both_numbers(run: Run, home: Home) -> None:
    count(home, credit_terms(organization_of(home), CreditTerms(5 * 10**9)), COST + 5)
    assert said(run)["counters"] == ("warn", "org_credits: $0.300000005 on the board, $0.30 in the store")


@needs_sqlite
def test_a_limit_that_came_later_than_the_calls_of_its_period_is_not_compared(run: Run, home: Home) -> None:
    organization = organization_of(home)
    limit = Limit("", LimitScope.ORGANIZATION, "", LimitUnit.COST, Period.YEAR, 10**9)
    with ControlStore(home.control_db) as control, control.changing() as change:
        added = add_limit(change, organization, limit).limit
    count(home, credit_terms(organization, CreditTerms(5 * 10**9)), COST)
    assert said(run)["counters"][0] == "ok"
    with ControlStore(home.control_db, clock=lambda: 1) as control, control.changing() as change:
        change.connection.execute(text("UPDATE limits SET created_at = 1"))
    message = "organization_cost_year: $0.00 on the board, $0.30 in the store"
    assert said(run)["counters"] == ("warn", message)
    count(home, terms_of(organization, added), COST)
    assert said(run)["counters"] == ("ok", "2 of the board's counters are what the store sums up to")


@needs_sqlite
def test_a_board_that_is_new_is_filled_by_the_clerk(run: Run, home: Home) -> None:
    Counters(home.counters).close()
    assert said(run)["counters"] == ("ok", "they are new; the clerk fills them from the sums of the store")


@needs_sqlite
def test_counters_that_cannot_be_read_are_a_fault(run: Run, home: Home) -> None:
    home.counters.write_bytes(b"no counters" * 1000)
    assert said(run, code=1)["counters"] == ("fail", f"{home.counters} cannot be read")
