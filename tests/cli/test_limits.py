"""`gantry limits`, `books`, `organizations`: what is added is what workers count by; why a call is refused is told."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from gantry.board.counters import Counters
from gantry.board.held import Held
from gantry.core.limit_terms import terms_of
from gantry.core.limits import Books, Limit, LimitAction, LimitScope, LimitUnit, Unpriced
from gantry.core.periods import Period
from gantry.core.vocabulary import Environment
from gantry.home import Home, load_keyring
from gantry.routing.snapshot import Snapshot, read_snapshot
from gantry.store.control import ControlStore, default_organization
from tests.cli.conftest import Run

LATER = "it is live when `gantry serve` starts"


def live(home_path: Path) -> Snapshot:
    """Return what workers would route and count by."""
    home = Home(home_path)
    return read_snapshot(home.snapshot.read_bytes(), load_keyring(home).snapshot)


def books(home_path: Path) -> Books:
    (found,) = live(home_path).body.books.values()
    return found


def limits(home_path: Path) -> list[Limit]:
    return list(books(home_path).limits)


def use_up(home_path: Path, limit: Limit, cost: int, subject: str = "", times: int = 1) -> None:
    """Count calls on a limit, as workers do."""
    with ControlStore(Home(home_path).control_db) as control, control.reading() as connection:
        terms = terms_of(default_organization(connection), limit, subject)
    counters = Counters(Home(home_path).counters)
    for _ in range(times):
        assert isinstance(counters.hold((terms,), cost, 7, time.time_ns()), Held)
    counters.close()


@pytest.mark.slow
def test_limits_of_every_kind_are_added_listed_changed_and_removed(run: Run, home_path: Path) -> None:
    run("keys", "create", "ci")
    added = run("limits", "add", "--key", "ci", "--cost", "1.00", "--per", "month", "--alert", "80").stderr
    assert "$1.00 per month for key ci; calls beyond it are refused." in added
    assert LATER in added
    run("limits", "add", "--customer", "*", "--requests", "60", "--per", "minute", "--env", "prod")
    said = run("limits", "add", "--organization", "--tokens", "1000000", "--per", "day", "--warn").stderr
    assert "1000000 tokens per day for all calls; calls beyond it pass with a warning." in said
    item = json.loads(
        run("limits", "add", "--model", "mistral/*", "--concurrency", "5", "--name", "few", "--json").stdout
    )
    assert (item["name"], item["amount"], item["unit"]) == ("few", 5, "concurrency")

    found = {limit.name: limit for limit in limits(home_path)}
    of_key = found["api_key_cost_month"]
    assert (of_key.scope, of_key.unit, of_key.period, of_key.amount, of_key.alerts) == (
        LimitScope.API_KEY,
        LimitUnit.COST,
        Period.MONTH,
        10**9,
        (80,),
    )
    each = found["customer_requests_minute"]
    assert (each.subject, each.period, each.environment) == ("*", Period.MINUTE, Environment.PROD)
    assert found["organization_tokens_day"].action is LimitAction.WARN
    assert (found["few"].subject, found["few"].amount) == ("mistral/*", 5)

    rows = run("limits", "list").stdout.splitlines()
    assert rows[0].split() == ["NAME", "WHOSE", "LIMIT", "ENV", "ACTION", "USED", "RESETS", "ID", "MANAGED", "BY"]
    assert any("key ci" in row and "$1.00/month" in row and "$0.00" in row for row in rows)
    assert any("each customer" in row and "each its own" in row for row in rows)
    items = json.loads(run("limits", "list", "--json").stdout)
    assert {one["id"] for one in items} == {limit.id for limit in found.values()}

    run("limits", "set", "few", "--amount", "7", "--warn", "--name", "some", "--alert", "50")
    run("limits", "set", "api_key_cost_month", "--amount", "2.5", "--no-alerts")
    found = {limit.name: limit for limit in limits(home_path)}
    assert (found["some"].amount, found["some"].action, found["some"].alerts) == (7, LimitAction.WARN, (50,))
    assert (found["api_key_cost_month"].amount, found["api_key_cost_month"].alerts) == (2_500_000_000, ())
    assert "Removed some." in run("limits", "remove", "some").stderr
    run("limits", "remove", of_key.id)
    assert len(limits(home_path)) == 2


@pytest.mark.slow
def test_pain_10_why_the_next_call_is_refused_is_told_with_numbers(run: Run, home_path: Path) -> None:
    run("keys", "create", "ci")
    assert "Nothing would block the next call of ci." in run("limits", "show", "--key", "ci").stdout
    run("limits", "add", "--key", "ci", "--cost", "1.00", "--per", "month")
    run("limits", "add", "--customer", "*", "--cost", "0.5", "--per", "day")
    run("limits", "add", "--model", "mistral/*", "--requests", "2")
    by_name = {limit.name: limit for limit in limits(home_path)}
    told = run("limits", "show", "--key", "ci").stdout
    assert "The next call of ci passes, as far as what is left is enough for it:\n  $1.00 by api_key_cost_month" in told

    use_up(home_path, by_name["customer_cost_day"], 500_000_000, "c1")
    assert "passes" in run("limits", "show", "--key", "ci", "--customer", "c2").stdout
    told = run("limits", "show", "--key", "ci", "--customer", "c1").stdout
    refusal = (
        "The next call of ci would be refused with 429 by customer_cost_day: $0.50 of $0.50 used; it begins anew at"
    )
    assert refusal in told
    assert told.strip().endswith("T00:00:00.000Z.")
    use_up(home_path, by_name["model_requests_lifetime"], 0, times=2)
    assert "passes" in run("limits", "show", "--key", "ci", "--model", "openai/gpt-4o").stdout
    told = run("limits", "show", "--key", "ci", "--model", "mistral/mistral-small-latest").stdout
    assert "by model_requests_lifetime: 2 requests of 2 requests used." in told
    view = json.loads(run("limits", "show", "--key", "ci", "--customer", "c1", "--json").stdout)
    assert view["blocked_by"] == "customer_cost_day"
    assert [one["current_value"] for one in view["limits"]] == [0.0, 0.5]

    shown = json.loads(run("limits", "show", "customer_cost_day", "--customer", "c1").stdout)
    assert (shown["current_value"], shown["amount"]) == (0.5, 0.5)
    refused = run("limits", "reset", "customer_cost_day", code=2).stderr
    assert "customer_cost_day counts each by itself: say whose, with --customer" in refused
    said = run("limits", "reset", "customer_cost_day", "--customer", "c1").stderr
    assert "customer_cost_day begins anew; it had counted $0.50." in said
    assert "passes" in run("limits", "show", "--key", "ci", "--customer", "c1").stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("add", "--cost", "1"), 1, "say exactly one of key, customer, model and organization"),
        (("add", "--organization"), 1, "say exactly one of cost, requests, tokens and concurrency"),
        (("add", "--organization", "--cost", "-1"), 1, "amount: it must be at least 0, and at most a billion dollars"),
        (("add", "--organization", "--cost", "nan"), 1, "cost: nan USD is no amount to be held to"),
        (("add", "--organization", "--budget", "1"), 2, "No such option"),
        (("add", "--organization", "--cost", "1", "--per", "fortnight"), 2, "--per"),
        (("add", "--organization", "--concurrency", "5", "--per", "day"), 1, "concurrency has no period"),
        (("add", "--organization", "--requests", "0"), 1, "it must be at least 1"),
        (("add", "--key", "nobody", "--cost", "1"), 1, "no API key has the id, prefix or name 'nobody'"),
        (("add", "--organization", "--cost", "1", "--alert", "0"), 1, "alerts: they are"),
        (("add", "--organization", "--cost", "1", "--org", "nobody"), 1, "no organization has the id or name"),
        (("set", "nobody", "--amount", "1"), 1, "no limit has the id or name 'nobody'"),
        (("set", "nobody"), 2, "give --amount, --warn, --block, --name, --alert or --no-alerts"),
        (("remove", "nobody"), 1, "no limit has the id or name 'nobody'"),
        (("reset", "nobody"), 1, "no limit has the id or name 'nobody'"),
        (("show",), 2, "name a LIMIT, or a key by --key"),
        (("show", "nobody"), 1, "no limit has the id or name 'nobody'"),
        (("show", "--key", "nobody"), 1, "no API key has the id, prefix or name 'nobody'"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, arguments: tuple[str, ...], code: int, says: str) -> None:
    assert says in run("limits", *arguments, code=code).stderr


@pytest.mark.slow
def test_a_whole_number_is_wanted_where_things_are_counted(run: Run, home_path: Path) -> None:
    run("limits", "add", "--organization", "--requests", "5")
    assert (
        "requests are counted in whole numbers"
        in run("limits", "set", "organization_requests_lifetime", "--amount", "1.5", code=1).stderr
    )
    assert limits(home_path)[0].amount == 5
    run("limits", "add", "--organization", "--concurrency", "5")
    refused = run("limits", "reset", "organization_concurrency", code=1).stderr
    assert "calls under way are not counted up" in refused


@pytest.mark.slow
def test_what_is_declared_in_gantry_toml_is_changed_there(run: Run, home_path: Path) -> None:
    run("limits", "add", "--organization", "--cost", "1", "--name", "all")
    with ControlStore(Home(home_path).control_db) as control, control.changing() as change:
        change.connection.exec_driver_sql("UPDATE limits SET managed_by = 'gantry.toml'")
    for arguments in (("set", "all", "--amount", "2"), ("remove", "all")):
        assert "declared in gantry.toml; change it there" in run("limits", *arguments, code=1).stderr
    assert "gantry.toml" in run("limits", "list").stdout


@pytest.mark.slow
def test_books_are_set_and_shown(run: Run, home_path: Path) -> None:
    def shown(*arguments: str) -> dict[str, Any]:
        view: dict[str, Any] = json.loads(run("books", "show", *arguments).stdout)
        return view

    assert shown() == {
        "unpriced": "allow",
        "stop_streams": False,
        "markup": 0.0,
        "minimum_balance": 0.0,
        "low_balance": None,
        "managed_by": None,
    }
    run("books", "set", "--unpriced", "block", "--stop-streams", "--markup", "0.2", "--low-balance", "5")
    assert books(home_path) == Books(unpriced=Unpriced.BLOCK, stop_streams=True)
    run("books", "set", "--finish-streams", "--no-low-balance", "--minimum-balance", "-10")
    assert shown() == {
        "unpriced": "block",
        "stop_streams": False,
        "markup": 0.2,
        "minimum_balance": -10.0,
        "low_balance": None,
        "managed_by": None,
    }
    for arguments, code, says in (
        ((), 2, "say what is to change"),
        (("--markup", "nan"), 1, "markup: it is a share on top, from 0 to 100"),
        (("--markup", "101"), 1, "markup: it is a share on top"),
        (("--minimum-balance", "inf"), 1, "minimum_balance: inf USD is no amount"),
    ):
        assert says in run("books", "set", *arguments, code=code).stderr


@pytest.mark.slow
def test_a_second_organization_has_keys_limits_and_books_of_its_own(run: Run, home_path: Path) -> None:
    first = run("keys", "create", "dev").stdout.split()[-1]
    organization = run("organizations", "add", "Acme").stdout.split()[-1]
    key = run("keys", "create", "theirs", "--organization", "Acme").stdout.split()[-1]
    assert key != first
    assert "theirs" not in run("keys", "list").stdout
    assert "theirs" in run("keys", "list", "--org", organization).stdout
    run("limits", "add", "--org", "Acme", "--key", "theirs", "--cost", "1")
    run("books", "set", "--org", "Acme", "--markup", "1")
    found = live(home_path).body.books
    assert list(found) == [organization]
    assert len(found[organization].limits) == 1
    assert run("limits", "list").stdout.count("\n") == 1
    rows = run("organizations", "list").stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["NAME", "default", "Acme"]
    assert [one["name"] for one in json.loads(run("organizations", "list", "--json").stdout)] == ["default", "Acme"]
    assert "there is an organization named 'Acme' already" in run("organizations", "add", "Acme", code=1).stderr


@pytest.mark.slow
def test_a_platform_credential_is_added_listed_and_published_for_everybody(run: Run, home_path: Path) -> None:
    organization = run("organizations", "add", "Acme").stdout.split()[-1]
    said = run("providers", "add", "mistral", "--api-key", "k", "--platform").stderr
    assert "Added mistral/platform, for https://api.mistral.ai, of every organization, for credits." in said
    (credential,) = live(home_path).credentials_of(organization)
    assert (credential.name, credential.organization_id) == ("platform", None)
    run("providers", "add", "mistral", "--api-key", "k")
    rows = run("providers", "list").stdout.splitlines()
    assert ["everybody" in row for row in rows] == [False, True, False]
    assert [one["platform"] for one in json.loads(run("providers", "list", "--json").stdout)] == [True, False]
    refused = run("providers", "home", "mistral/platform", code=1).stderr
    assert "mistral/platform serves every organization, and is nobody's home" in refused
    own = run("providers", "add", "acme", "--api-key", "k", "--base-url", "https://acme.test", "--platform", code=2)
    assert "acme is a provider of your own, which other organizations do not know" in own.stderr
