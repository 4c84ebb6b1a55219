"""Respan's own client, as it is on PyPI, at a gateway of ours: each method of what it manages, both flavours.

What the client returns has passed its types, so that it returns is most of what is tested here.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sdk.environments import Client, NoClient
from tests.sdk.logs import await_stored
from tests.sdk.respan_client import ClientError, RespanClient, respan_client
from tests.sdk.roads import GANTRY, listening, run

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

NOW = datetime.now(UTC)
SINCE, UNTIL = ((NOW + timedelta(hours=hours)).isoformat() for hours in (-2, 2))
RANGE = {"start_time": SINCE, "end_time": UNTIL}
SCOPES = ("inference", "own_logs", "read", "ingest", "manage")
RESOURCES = ("spans", "users", "models", "temporary_api_keys", "credit_transactions", "dashboard")
NOT_OFFERED = {"models": {"api_models_status_retrieve", "api_models_status_create"}}
PINS = (Client.RESPAN, Client.RESPAN_OLDER)
FLAVOURS = ("sync", "async")


class Caller:
    """One flavour of one release of the client, at a gateway of its own."""

    def __init__(self, client: RespanClient, home: tuple[str, str], release: Client) -> None:
        self.client = client
        self.home = home
        self.is_newest = release is Client.RESPAN
        self._posted: dict[str, str] = {}

    def a_stored_log(self, flavour: str) -> str:
        """Return the id of a log that the client has posted, and the clerk has stored."""
        if flavour not in self._posted:
            self._posted[flavour] = self(flavour, "spans", "create_span", **a_log(flavour))["unique_id"]
            await_stored(self.home)
        return self._posted[flavour]

    def __call__(self, flavour: str, resource: str, method: str, **arguments: Any) -> Any:
        return self.client.call(flavour, resource, method, **arguments)


@pytest.fixture(scope="module", params=PINS)
def caller(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    folder = tmp_path_factory.mktemp("respan")
    home = ("--home", str(folder / "home"))
    command = (*GANTRY, "serve", *home, "--port", "0", "--workers", "1")
    with listening(command, "gantry listening on ", folder / "stderr.log") as url:
        words = [word for scope in SCOPES for word in ("--scope", scope)]
        key = run((*GANTRY, "keys", "create", "respan", *home, *words)).split()[-1]
        run((*GANTRY, "credits", "add", "grant", "5", *home))
        try:
            with respan_client(request.param, url, key) as client:
                yield Caller(client, home, request.param)
        except NoClient as error:
            pytest.skip(str(error))


@pytest.fixture(params=FLAVOURS)
def flavour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def a_log(flavour: str) -> dict[str, Any]:
    return {
        "model": "gpt-4o",
        "prompt_messages": [{"role": "user", "content": "Hello"}],
        "completion_message": {"role": "assistant", "content": "Hi"},
        "prompt_tokens": 5,
        "completion_tokens": 3,
        "latency": 1.5,
        "log_type": "chat",
        "customer_identifier": f"{flavour}@example.com",
        "thread_identifier": f"thread of {flavour}",
        "trace_unique_id": f"trace of {flavour}",
        "metadata": {"flavour": flavour},
        "start_time": SINCE,
    }


def where(field: str, value: object) -> dict[str, Any]:
    return {field: {"operator": "", "value": [value]}}


@pytest.fixture
def log_id(caller: Caller, flavour: str) -> str:
    return caller.a_stored_log(flavour)


def test_a_log_is_posted_found_read_and_changed(caller: Caller, flavour: str, log_id: str) -> None:
    own = {"model": {"operator": "in", "value": ["gpt-4o"]}, **where("metadata__flavour", flavour)}
    found = caller(
        flavour,
        "spans",
        "list_spans",
        **RANGE,
        sort_by="-cost",
        environment="prod",
        include_fields="customer_identifier,model,cost,latency",
        page_size=1,
        filters=own,
    )
    ids = [log["unique_id"] for log in found]
    assert log_id in ids
    assert len(ids) == len(set(ids)), "the client follows pages of one log until one is empty"
    assert {log["customer_identifier"] for log in found} == {f"{flavour}@example.com"}

    shown = caller(flavour, "spans", "retrieve_span", unique_id=log_id)
    assert (shown["id"], shown["model"], shown["latency"]) == (log_id, "gpt-4o", 1.5)
    assert "Hi" in shown["output"]

    if not caller.is_newest:  # newer releases change no logs
        caller(flavour, "spans", "update_span", unique_id=log_id, note="seen", positive_feedback=True, is_pinned=True)
        changed = caller(flavour, "spans", "list_spans", **RANGE, filters=where("note", "seen") | own)
        assert [log["unique_id"] for log in changed] == [log_id]


@pytest.mark.usefixtures("log_id")
def test_logs_are_summed_up(caller: Caller, flavour: str) -> None:
    own = where("customer_identifier", f"{flavour}@example.com")
    found = caller(flavour, "spans", "get_spans_summary", **RANGE, environment="prod", filters=own)
    assert found["total_tokens"] == 8 * found["number_of_requests"] > 0
    assert found["avg_latency"] == 1.5
    none = caller(flavour, "spans", "get_spans_summary", **RANGE, environment="test")
    assert (none["number_of_requests"], none["avg_latency"], none["avg_ttft"]) == (0, 0, 0)


@pytest.mark.usefixtures("log_id")
@pytest.mark.parametrize(
    ("group_by", "field", "value"),
    [
        ("model", "model", "gpt-4o"),
        ("customer_identifier", "customer_identifier", "{}@example.com"),
        ("thread", "thread_identifier", "thread of {}"),
        ("trace", "trace_unique_id", "trace of {}"),
    ],
)
def test_logs_are_grouped(caller: Caller, flavour: str, group_by: str, field: str, value: str) -> None:
    if not caller.is_newest:
        pytest.skip("older releases do not group")
    asked = {**RANGE, "group_by": group_by, "sort_by": "-total_cost", "page": 1, "page_size": 10}
    listed = caller(flavour, "spans", "request_logs_groups_list", **asked)
    of_all = {group[field]: group for group in listed["results"]}
    assert of_all[value.format(flavour)]["total_tokens"] >= 8
    own = where("metadata__flavour", flavour)
    (group,) = caller(flavour, "spans", "request_logs_groups_filter", **asked, filters=own)["results"]
    assert group[field] == value.format(flavour)
    assert group["total_tokens"] == 8 * group["number_of_requests"] == 8 * group["span_count"]


def test_logs_are_posted_in_bulk_each_by_itself(caller: Caller, flavour: str) -> None:
    if not caller.is_newest:
        pytest.skip("older releases have no bulk")
    logs = [a_log(flavour), "no log", a_log(flavour)]
    came = caller(flavour, "spans", "bulk_create_spans", logs=logs)
    assert (came["success_count"], came["error_count"]) == (2, 1)
    assert came["errors"][0]["index"] == 1


@pytest.mark.usefixtures("log_id")
def test_customers(caller: Caller, flavour: str) -> None:
    name = f"{flavour}@example.com"
    await_stored(caller.home)  # a log of a test before this one would make the deleted customer anew
    listed = caller(
        flavour, "users", "list_customers", environment="prod", page_size=1, filters=where("customer_identifier", name)
    )
    assert [customer["customer_identifier"] for customer in listed] == [name]
    terms = {"period_budget": 5.0, "budget_duration": "monthly", "total_budget": 9.0, "markup_percentage": 10.0}
    changed = caller(flavour, "users", "update_user", customer_identifier=name, name="Ada", email="a@b.c", **terms)
    shown = caller(flavour, "users", "retrieve_user", customer_identifier=name, environment="prod")
    assert (changed["name"], shown["email"], shown["period_budget"]) == ("Ada", "a@b.c", 5.0)
    caller(flavour, "users", "delete_user", customer_identifier=name, environment="prod")
    with pytest.raises(ClientError, match="NotFoundError"):
        caller(flavour, "users", "retrieve_user", customer_identifier=name, environment="prod")


def test_models_and_providers(caller: Caller, flavour: str) -> None:
    provider, model = f"own-{flavour}", f"model-{flavour}"
    address = {"base_url": "https://example.com/v1"}

    def call(method: str, **arguments: Any) -> Any:
        return caller(flavour, "models", method, **arguments)

    assert call("list_models")["models"] == call("list_models", unnest=True)
    call("create_custom_provider", provider_id=provider, provider_name="Mine", extra_kwargs=address)
    listed = call("list_custom_providers")
    providers = listed["results"] if caller.is_newest else listed
    assert provider in [one["provider_id"] for one in providers]
    assert call("retrieve_custom_provider", provider_id=provider)["provider_name"] == "Mine"
    call("replace_custom_provider", provider_id=provider, provider_name="Other", extra_kwargs=address)
    assert call("update_custom_provider", provider_id=provider, provider_name="Third")["provider_name"] == "Third"

    made = {"base_model_name": "gpt-4o", "custom_provider_id": provider, "input_cost": 1.0, "output_cost": 2.0}
    call("create_custom_model", model_name=model, **made, max_context_window=1000, function_call=1, image_support=0)
    assert call("retrieve_custom_model", model_name=model)["provider"]["id"] == provider
    call("replace_custom_model", model_name=model, **made)
    assert call("update_custom_model", model_name=model, input_cost=3.0)["input_cost"] == 3.0
    (found,) = call("filter_models", page_size=1000, sort_by="-input_cost", filters=where("model_name", model))
    assert (found["input_cost"], found["affiliation_category"]) == (3.0, "custom")
    counts = call("filter_models_summary", filters=where("model_name", model))["summary"]
    assert (counts["total_count"], counts["custom_count"]) == (1, 1)
    call("delete_custom_model", model_name=model)
    call("delete_custom_provider", provider_id=provider)
    with pytest.raises(ClientError, match="NotFoundError"):
        call("retrieve_custom_provider", provider_id=provider)


def test_temporary_keys(caller: Caller, flavour: str) -> None:
    def call(method: str, **arguments: Any) -> Any:
        return caller(flavour, "temporary_api_keys", method, **arguments)

    caps = {"max_usage": 10, "rate_limit": 5, "spending_limit": 1.5}
    made = call("create_api_key", name=flavour, expiry_date=UNTIL, is_test=True, **caps)
    assert made["api_key"].startswith("gk_")
    listed = call("list_api_keys")
    keys = {key["id"]: key for key in (listed["results"] if caller.is_newest else listed)}
    assert (keys[made["id"]]["max_usage"], keys[made["id"]]["is_test"]) == (10, True)
    more = {"max_usage": 20, "rate_limit": 6, "spending_limit": 2.5} if caller.is_newest else {}
    changed = call("update_api_key", id=made["id"], name="renamed", **more)
    shown = call("retrieve_api_key", id=made["id"])
    assert shown["name"] == changed["name"] == "renamed"
    assert {name: shown[name] for name in more} == more
    call("delete_api_key", id=made["id"])
    assert call("retrieve_api_key", id=made["id"])["revoked"] is True


def test_credits(caller: Caller, flavour: str) -> None:
    entries = caller(flavour, "credit_transactions", "list_credit_transactions", page_size=1)
    granted = next(entry for entry in entries if entry["transaction_type"] == "grant")
    shown = caller(flavour, "credit_transactions", "retrieve_credit_transaction", id=granted["id"])
    assert (shown["amount"], shown["credit_amount"], shown["debit_amount"]) == (5.0, 5.0, 0.0)


@pytest.mark.usefixtures("log_id")
def test_every_dashboard_by_a_day_and_by_a_range(caller: Caller, flavour: str) -> None:
    by_day = {"summary_type": "daily", "date": NOW.isoformat()}
    by_range = {**RANGE, "time_tick": "hour", "timezone_offset": 0}

    def call(method: str, **arguments: Any) -> Any:
        return caller(flavour, "dashboard", method, **arguments)

    for method in sorted(caller.client.methods("dashboard")):
        if method in ("get_total_users", "get_platform_stats"):
            call(method)
        elif "storage" in method:
            call(method, **by_day)
        elif "top" in method:
            call(method, **RANGE)
        else:
            call(method, **by_day)
            call(method, **by_range)

    rows = call("list_llm_metrics", **by_range)
    rows = rows["data"] if caller.is_newest else rows
    total = call("get_llm_metrics_summary", **by_range)
    assert sum(row["number_of_requests"] for row in rows) == total["number_of_requests"] > 0
    assert total["total_tokens"] > 0
    if caller.is_newest:
        asked = {"breakdown_by": "model", "metrics_to_aggregate": ["total_tokens", "total_cost"]}
        series = call("list_metrics_breakdown", **by_range, **asked)
        assert sum(row["gpt-4o"] for row in series["total_tokens"]) == total["total_tokens"]
    else:
        (top,) = call("list_top_models", **RANGE)["top_models"]
        assert (top["model"], top["total_tokens"]) == ("gpt-4o", total["total_tokens"])


def test_no_method_of_these_resources_was_left_out(caller: Caller) -> None:
    """Runs last: what the tests above called is all that there is."""
    for resource in RESOURCES:
        left = caller.client.methods(resource) - caller.client.called.get(resource, set())
        assert left <= NOT_OFFERED.get(resource, set()), json.dumps({resource: sorted(left)})
