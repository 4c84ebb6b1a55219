"""`gantry prices`: what a model costs, how a cost came about, and history priced again."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gantry.core.request_log import RequestLog
from gantry.core.usage import Usage
from gantry.home import Home
from gantry.store.control import ControlStore, default_organization
from gantry.store.logs import LogStore, RecordBatch
from tests.clerk.test_meter import START as AT
from tests.clerk.test_recompute import AS_METERED, COST, LARGE, books_of, priced
from tests.cli.conftest import Run
from tests.postgresql import held_up

pytestmark = pytest.mark.slow


@pytest.fixture
def organization(home_path: Path) -> str:
    home = Home(home_path)
    home.prepare()
    with ControlStore(home.control_db) as control, control.reading() as connection:
        return default_organization(connection)


def store(home_path: Path, *logs: RequestLog) -> None:
    opened = LogStore(Home(home_path).logs_db)
    opened.record(RecordBatch(logs=list(logs)))
    opened.close()


def prices(card: dict[str, Any], holds_for: str | None = None) -> dict[str, float]:
    return {row["unit"]: row["usd"] for row in card["prices"] if row["holds_for"] == holds_for}


def shown(run: Run, *arguments: str) -> dict[str, Any]:
    card: dict[str, Any] = json.loads(run("prices", "show", *arguments, "--json").stdout)
    return card


def test_a_price_is_shown_with_all_that_it_depends_on(run: Run) -> None:
    card = shown(run, "mistral-large-latest", "--at", "2026-11-22")
    assert (card["provider_id"], card["record"], card["price_since"]) == (
        "mistral",
        "mistral-large-2512",
        "2025-12-02T00:00:00Z",
    )
    assert prices(card) == {"input": 0.5, "cached_input": 0.05, "output": 1.5}
    assert prices(card, "service tier priority")["input"] == 0.875
    assert prices(card, "host api.eu.mistral.ai")["output"] == 1.65
    assert prices(card, "batch") == {"input": 0.25, "cached_input": 0.025, "output": 0.75}
    earlier = shown(run, "mistral/mistral-large-latest", "--at", "2025-12-01")
    assert prices(earlier) == {"input": 2.0, "cached_input": 0.2, "output": 6.0}
    tiers = shown(run, "gemini-2.5-pro")
    assert prices(tiers, "above 200000 input tokens") == {
        "input": 2.5,
        "cached_input": 0.25,
        "output": 15.0,
        "searching": 35.0,
    }
    table = run("prices", "show", "mistral-ocr-latest", "--at", "2026-11-22").stdout
    assert "annotated_pages  5     1000 pages" in table
    assert "2025-12-18         genai-prices" in table


def test_the_hours_and_the_owner_of_a_price(run: Run) -> None:
    night = run("prices", "show", "deepseek-chat").stdout
    assert "from 00:30 until 16:30 UTC" in night
    assert shown(run, "gpt-4o", "--provider", "azure")["provider_id"] == "azure"


def test_a_name_of_ones_own_is_shown_at_its_own_price(run: Run) -> None:
    run("models", "add", "team/fast", "--base", "mistral-large-latest", "--output-cost", "9")
    card = shown(run, "team/fast")
    assert (card["price_source"], prices(card)) == ("custom", {"input": 0.5, "cached_input": 0.05, "output": 9.0})
    assert prices(card, "service tier priority") == {"input": 0.875, "cached_input": 0.0875, "output": 9.0}


def test_what_has_no_price_says_so(run: Run) -> None:
    assert "no provider claims a model 'unheard-of'" in run("prices", "show", "unheard-of", code=1).stderr
    assert "No price of mistral/unheard-of is known" in run("prices", "show", "mistral/unheard-of").stdout
    assert shown(run, "mistral/unheard-of")["prices"] == []


@pytest.mark.parametrize("name", AS_METERED)
def test_the_parts_of_a_cost_sum_to_it(run: Run, home_path: Path, organization: str, name: str) -> None:
    log = replace(AS_METERED[name](), organization_id=organization)
    store(home_path, log)
    said = json.loads(run("prices", "explain", log.log_id, "--json").stdout)
    if log.cost is None:
        assert (said["cost"], said["lines"]) == (None, [])
        assert "The cost is unknown" in run("prices", "explain", log.log_id).stdout
        return
    nano = [round(Decimal(str(line["amount"])) * 10**9) for line in said["lines"]]
    assert sum(nano) == log.cost
    *rows, total = run("prices", "explain", log.log_id).stdout.splitlines()[1:]
    assert Decimal(total.split()[1]) * 10**9 == log.cost
    assert len(rows) == len(nano)


def test_each_part_is_its_units_times_their_price(run: Run, home_path: Path, organization: str) -> None:
    """A part is rounded on its own, and the rest that this leaves stands beside the parts."""
    usage = Usage(input_tokens=1001, output_tokens=3, cached_input_tokens=333)
    parts = '{"input_tokens":334000,"output_tokens":4500,"cached_input_tokens":16650}'
    log = priced("a", 355_151, organization_id=organization, usage=usage, cost_by_unit=parts)
    store(home_path, log)
    lines = {line["unit"]: line for line in json.loads(run("prices", "explain", "a", "--json").stdout)["lines"]}
    told = {unit: (line["count"], line["price"], line["per"]) for unit, line in lines.items()}
    assert told == {
        "input_tokens": (668.0, 0.5, "1M tokens"),
        "output_tokens": (3.0, 1.5, "1M tokens"),
        "cached_input_tokens": (333.0, 0.05, "1M tokens"),
        "rounding": (None, None, None),
    }
    assert lines["rounding"]["amount"] == 1e-9
    said = run("prices", "explain", "a")
    assert "priced by an old one" in said.stderr
    assert "by the rates of today it is 0.000355150" in said.stderr


def test_a_price_that_is_not_todays_is_told_as_what_was_charged(run: Run, home_path: Path, organization: str) -> None:
    parts = '{"input_tokens":2000000,"output_tokens":3000000}'
    store(home_path, priced("a", 5_000_000, organization_id=organization, cost_by_unit=parts))
    said = run("prices", "explain", "a")
    assert "input_tokens   1000   2    1M tokens  0.002000000  not today's price" in said.stdout
    assert f"by the rates of today it is {Decimal(COST) / 10**9:.9f}" in said.stderr


def test_what_was_not_priced_by_us_is_explained(run: Run, home_path: Path, organization: str) -> None:
    store(
        home_path,
        priced("a", 3, organization_id=organization, price_source="posted", price_version=None),
        priced("b", 0, organization_id=organization, model="respan/cache", cache_savings=7),
        priced("c", 5, organization_id=organization, operation="files", cost_by_unit='{"input_tokens":5}'),
        priced("d", None, organization_id=organization, usage=Usage(), price_missing=False),
    )
    said = {name: run("prices", "explain", name) for name in "abcd"}
    assert "as it was posted" in said["a"].stdout
    assert "an answer from the cache costs nothing" in said["b"].stdout
    assert "without the cache it would have cost 0.000000007" in said["b"].stderr
    assert "of a log of files and batches" in said["c"].stdout
    assert "nothing is known of what mistral/mistral-large-latest used" in said["d"].stdout
    assert all("rates of today" not in one.stderr for one in said.values())
    assert "no log has the id 'x'" in run("prices", "explain", "x", code=1).stderr


def test_history_is_priced_again(run: Run, home_path: Path, organization: str) -> None:
    logs = [
        priced("a", 1, organization_id=organization),
        priced("b", None, organization_id=organization),
        priced("c", 7, organization_id=organization, model="unheard-of"),
        priced("d", 9, organization_id=organization, price_source="posted"),
        priced("e", 1, organization_id=organization, started_at=AT - 86_400 * 10**9),
    ]
    store(home_path, *logs)
    path = Home(home_path).logs_db
    before = books_of(path)
    since = ("--from", "2026-11-22")
    dry = run("prices", "recompute", *since, "--dry-run")
    assert "3 of 4 logs would change; this was a dry run." in dry.stderr
    assert "1 with a cost or prices that were posted are left as they are." in dry.stderr
    row = next(line for line in dry.stdout.splitlines() if LARGE in line)
    assert row.split() == [
        "mistral", LARGE, "3", "2", "1", "0", "0.000000010", f"{Decimal(2 * COST + 9) / 10**9:.9f}", "0.002499999",
    ]  # fmt: skip
    assert books_of(path) == before
    said = json.loads(run("prices", "recompute", *since, "--json").stdout)
    assert (said["changed"], said["now_priced"], said["now_unknown"], said["left"]) == (3, 1, 1, {"posted": 1})
    assert said["models"][-1]["cost_after"] == 0.0
    books = books_of(path)
    assert books.balance()
    assert books.by_logs == (2 * COST + 10, 1)
    assert "0 of 4 logs changed." in run("prices", "recompute", *since).stderr
    assert "1 of 1 logs changed." in run("prices", "recompute", "--from", "2026-11-21", "--to", "2026-11-22").stderr


def test_a_custom_price_that_changed_is_applied_to_history(run: Run, home_path: Path, organization: str) -> None:
    run("models", "add", "fast", "--base", "mistral-large-latest", "--input-cost", "1", "--output-cost", "2")
    store(home_path, priced("a", 1, organization_id=organization, requested_model="fast"))
    run("prices", "recompute", "--from", "2026-11-01", "--model", "fast")
    logs = LogStore(Home(home_path).logs_db)
    found = logs.find(organization, "a")
    logs.close()
    assert found is not None
    assert (found.cost, found.price_source) == (2_000_000, "custom")


def test_where_it_ends_early_it_says_from_where_to_go_on(
    run: Run, home_path: Path, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(home_path, priced("a", 1, organization_id=organization))
    monkeypatch.setitem(LogStore.__init__.__kwdefaults__ or {}, "busy_timeout", 0.01)
    with held_up(Home(home_path).logs_db, "request_logs"):
        failed = run("prices", "recompute", "--from", "2026-11-22T10:00:00Z", code=1)
    assert "lock" in failed.stderr
    assert "0 logs are done; go on with --from 2026-11-22T10:00:00.000Z" in failed.stderr


def test_a_providers_export_stands_beside_our_books(
    run: Run, home_path: Path, organization: str, tmp_path: Path
) -> None:
    store(
        home_path,
        priced("a", 2_000_000_000, organization_id=organization, deployment_name="main"),
        priced("b", 500_000_000, organization_id=organization, model="mistral-large-2512", deployment_name="spare"),
        priced("c", None, organization_id=organization, model="unheard-of", deployment_name="main"),
        priced("d", 9, organization_id=organization, provider_id="openai"),
    )
    export = tmp_path / "export.csv"
    export.write_text(
        "date,model,api_key,input_tokens,output_tokens,cost,mood\n"
        "2026-11-22,mistral-large-2512,main,1000,500,2.00,fine\n"
        "2026-11-22,mistral-large-2512,spare,1000,400,0.40,fine\n",
        encoding="utf-8",
    )
    said = run("prices", "reconcile", str(export))
    large, other, total = said.stdout.splitlines()[1:]
    assert large.split() == [
        "2026-11-22", "mistral-large-2512", "2000", "2000", "900", "1000",
        "2.400000000", "2.500000000", "0.100000000", "+4.17", "%",
    ]  # fmt: skip
    assert other.split()[:7] == ["2026-11-22", "unheard-of", "0", "1000", "0", "500", "0.000000000"]
    assert total.split()[-3:] == ["0.100000000", "+4.17", "%"]
    assert "read as mistral: usage" in said.stderr
    assert "its columns are assumed" in said.stderr
    assert "columns that are not known, and not read: mood" in said.stderr
    assert "1 of our requests have no price" in said.stderr
    lines = json.loads(run("prices", "reconcile", str(export), "--by-key", "--json").stdout)["lines"]
    assert [(line["key"], line["theirs"]["cost"], line["ours"]["cost"]) for line in lines] == [
        ("main", 2.0, 2.0),
        ("spare", 0.4, 0.5),
        ("main", 0.0, 0.0),
    ]


def test_an_export_that_is_not_understood_is_refused(run: Run, tmp_path: Path) -> None:
    export = tmp_path / "export.csv"
    assert "cannot be read: No such file" in run("prices", "reconcile", str(export), code=1).stderr
    export.write_text("When,What,Price\n2026-11-22,codestral-2508,1\n", encoding="utf-8")
    assert (
        "no format is known with the columns When, What, Price"
        in run("prices", "reconcile", str(export), code=1).stderr
    )
    named = [word for column in ("day=When", "model=What", "cost=Price") for word in ("--column", column)]
    said = run("prices", "reconcile", str(export), "--provider", "mistral", *named)
    assert "1.000000000  0.000000000  -1.000000000  -100.00 %" in said.stdout
    assert "--column takes MEANING=NAME" in run("prices", "reconcile", str(export), "--column", "x", code=2).stderr
    export.write_text("date,model,cost\n", encoding="utf-8")
    assert "nothing below it" in run("prices", "reconcile", str(export), code=1).stderr
