"""`gantry usage` and `gantry customers`: the figures of the logs, whatever they are told apart by."""

import json
import time
from pathlib import Path

import pytest

from gantry.board.counters import Counters
from gantry.core.limit_terms import customer_key
from gantry.core.usage import Usage
from gantry.core.vocabulary import Environment
from gantry.home import Home
from gantry.store.control import ControlStore, default_organization
from gantry.store.keys import find_key
from gantry.store.logs import LogStore, RecordBatch
from tests.cli.conftest import Run
from tests.store.logs_of_tests import make_log

DAY = 86_400_000_000_000
DOLLAR = 1_000_000_000


@pytest.fixture
def organization(run: Run, home_path: Path) -> str:
    """Four calls of a key, two days ago and today, for two customers."""
    run("keys", "create", "app")
    home, now = Home(home_path), time.time_ns()
    with ControlStore(home.control_db) as control, control.reading() as connection:
        organization = default_organization(connection)
        key = find_key(connection, organization, "app")
    logs = LogStore(home.logs_db)
    stored = [
        make_log(
            str(number),
            organization_id=organization,
            key_id=key.id,
            model=model,
            provider_id="mistral",
            customer_identifier=customer,
            started_at=now - days * DAY,
            cost=cost,
            status_code=status,
            usage=Usage(input_tokens=10, output_tokens=5),
        )
        for number, (model, customer, days, cost, status) in enumerate(
            (
                ("a", "ada", 0, DOLLAR, 200),
                ("a", "ada", 2, DOLLAR, 200),
                ("b", "bob", 0, None, 500),
                ("b", None, 9, 7, 200),
            )
        )
    ]
    logs.record(RecordBatch(logs=stored))
    logs.close()
    return str(organization)


def test_usage_by_everything_has_one_total(run: Run, organization: str) -> None:
    totals = []
    for by in ("day", "model", "key", "customer", "provider", "deployment"):
        shown = json.loads(run("usage", "--by", by, "--days", "5", "--json").stdout)
        totals.append(shown["total"])
        assert sum(row["number_of_requests"] for row in shown["rows"]) == 3
        assert sum(row["total_cost"] for row in shown["rows"]) == 2
    assert all(total == totals[0] for total in totals)
    assert (totals[0]["number_of_requests"], totals[0]["error_count"], totals[0]["total_tokens"]) == (3, 1, 45)
    lines = [line.split() for line in run("usage", "--by", "model", "--days", "5").stdout.splitlines()]
    assert [line[0] for line in lines] == ["MODEL", "a", "b", "total"]
    assert lines[1][1:] == ["2", "0", "20", "10", "30", "2.0000", "0"]
    assert len(run("usage", "--days", "5").stdout.splitlines()) == 7
    assert "app (" in run("usage", "--by", "key").stdout
    assert json.loads(run("usage", "--env", "test", "--json").stdout)["total"]["number_of_requests"] == 0


def test_customers_are_listed_shown_and_set(run: Run, organization: str, home_path: Path) -> None:
    lines = [line.split() for line in run("customers", "list").stdout.splitlines()]
    assert [line[0] for line in lines] == ["CUSTOMER", "ada", "bob"]
    assert [
        one["customer_identifier"]
        for one in json.loads(run("customers", "list", "--sort", "first_seen", "--json").stdout)
    ] == ["ada", "bob"]
    counters = Counters(Home(home_path).counters)
    options = "--budget 5 --period weekly --total 50 --rate 10 --markup 20"
    shown = json.loads(run("customers", "set", "ada", *options.split()).stdout)
    assert (shown["period_budget"], shown["budget_duration"], shown["total_budget"]) == (5, "weekly", 50)
    assert (shown["rate_limit"], shown["markup_percentage"], shown["managed"]) == (10, 20, True)
    on_board = counters.customer(customer_key(organization, Environment.PROD, "ada"))
    assert on_board is not None
    assert (on_board.period_budget, on_board.rate_limit, on_board.managed) == (5 * DOLLAR, 10, True)
    run("customers", "set", "ada", "--budget", "none", "--rate", "0")
    shown = json.loads(run("customers", "show", "ada").stdout)
    assert (shown["period_budget"], shown["rate_limit"], shown["total_budget"]) == (None, None, 50)
    assert "no customer is known as 'eve'" in run("customers", "show", "eve", code=1).stderr
    assert "say what is to be set" in run("customers", "set", "ada", code=2).stderr
    assert "is no amount" in run("customers", "set", "ada", "--budget", "much", code=2).stderr
    assert "choose one of" in run("customers", "list", "--sort", "height", code=2).stderr
