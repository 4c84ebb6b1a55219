"""The attempts of a log, field by field, and what a hedge cost, to the nano-dollar."""

import json
from typing import Any

import pytest
from msgspec.structs import astuple, replace

from gantry.clerk.attempts import find_serving
from gantry.clerk.meter import meter_call
from gantry.core.custom_model import CustomModel
from gantry.core.logged_attempt import LoggedAttempt, read_attempts
from gantry.core.request_log import RequestLog
from gantry.core.usage import Usage
from gantry.journal.frames import AttemptRecord
from gantry.prices.load import load_rates
from gantry.prices.rates import Rates
from gantry.store.log_query import LogQuery
from gantry.store.logs import LogStore, RecordBatch
from tests.clerk.test_meter import CLOSED, OPENED, REQUEST, START, body

SERVED = AttemptRecord(
    "mistral", "c2", "second", "mistral-large-latest", "relay", 200, "success", None, 11, 22, 33, "api.mistral.ai", 44,
    "hedge", "weight", 0.25, "well",
)  # fmt: skip
FIRST = replace(SERVED, credential_id="c1", credential_name="first", step="first", share=0.75, began=5)
LOST = replace(FIRST, status=None, outcome="cancelled", error="another attempt was faster", connect=None)
ANSWER_COST = 1_250_000  # 1000 tokens in at $0.5 and 500 out at $1.5 a million
HEDGE_COST = 500_000  # 1000 tokens in


@pytest.fixture(scope="module")
def rates() -> Rates:
    return load_rates()


def metered(rates: Rates, *attempts: AttemptRecord, custom: CustomModel | None = None, **changes: Any) -> RequestLog:
    return meter_call(OPENED, REQUEST, body(), replace(CLOSED, attempts=list(attempts), **changes), rates, custom)


def parts(log: RequestLog) -> dict[str, int]:
    found: dict[str, int] = json.loads(log.cost_by_unit or "{}")
    return found


def test_every_field_of_an_attempt_is_kept(rates: Rates) -> None:
    failed = AttemptRecord(
        "mistral", "c1", "first", "mistral-large-latest", "relay", 503, "upstream_error", "busy", 1, 2, 3, "host", 4,
        "rotation", "latency", 0.5, "due", True,
    )  # fmt: skip
    kept = read_attempts(metered(rates, failed, SERVED).attempts)
    assert [astuple(one)[: len(AttemptRecord.__struct_fields__)] for one in kept] == [astuple(failed), astuple(SERVED)]
    assert LoggedAttempt.__struct_fields__[: len(AttemptRecord.__struct_fields__)] == AttemptRecord.__struct_fields__
    assert all(one.cost is None and not one.cost_estimated for one in kept)


def test_a_first_try_without_a_choice_is_as_small_as_it_was(rates: Rates) -> None:
    plain = replace(SERVED, step="", reason="", share=None, condition="", began=4711)
    assert metered(rates, plain).attempts == (
        '[{"provider_id":"mistral","credential_id":"c2","credential_name":"second","upstream_model":'
        '"mistral-large-latest","tier":"relay","status":200,"outcome":"success","connect":11,"first_byte":22,'
        '"duration":33,"upstream_host":"api.mistral.ai"}]'
    )


def test_attempts_of_another_version_are_read_as_far_as_they_go() -> None:
    assert read_attempts('[{"provider_id":"p","credential_id":"c","credential_name":"n","later":1}]') == [
        LoggedAttempt("p", "c", "n")
    ]
    for text in (None, "", "[", '[{"provider_id":1}]', "{}"):
        assert read_attempts(text) == []


@pytest.mark.parametrize("attempts", [(LOST, SERVED), (SERVED, LOST)])
def test_a_hedge_costs_the_answer_and_what_was_sent_in_vain(rates: Rates, attempts: tuple[AttemptRecord, ...]) -> None:
    log = metered(rates, *attempts)
    assert log.cost == ANSWER_COST + HEDGE_COST
    assert parts(log) == {"input_tokens": 500_000, "output_tokens": 750_000, "hedge": HEDGE_COST}
    assert log.cost == sum(parts(log).values())
    told = {one.credential_name: (one.cost, one.cost_estimated) for one in read_attempts(log.attempts)}
    assert told == {"first": (HEDGE_COST, True), "second": (ANSWER_COST, False)}
    assert (log.credential_id, log.deployment_name) == ("c2", "second"), "the log is of who answered"
    assert log.usage == Usage(input_tokens=1000, output_tokens=500, total_tokens=1500), "units are the answer's alone"
    assert log.warnings is None


def test_a_hedge_is_priced_where_it_went(rates: Rates) -> None:
    """By another provider's price; and by a host's, where that has one of its own."""
    claude = replace(LOST, provider_id="anthropic", upstream_model="claude-sonnet-4-5", upstream_host="")
    assert parts(metered(rates, claude, SERVED))["hedge"] == 3_000_000
    cached = body(usage={"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500,
                         "prompt_tokens_details": {"cached_tokens": 900}})  # fmt: skip
    log = meter_call(OPENED, REQUEST, cached, replace(CLOSED, attempts=[LOST, SERVED]), rates)
    assert log.usage.cached_input_tokens == 900
    assert parts(log)["hedge"] == HEDGE_COST, "that its cache was met nobody knows"


def test_a_custom_price_is_for_the_model_that_it_names(rates: Rates) -> None:
    custom = CustomModel(
        organization_id="org",
        name="fast",
        base="mistral-large-latest",
        provider_id="mistral",
        input_price=7_000_000_000,
        output_price=9_000_000_000,
    )
    same = metered(rates, LOST, SERVED, custom=custom)
    assert parts(same)["hedge"] == 7_000_000
    small = replace(LOST, upstream_model="mistral-small-latest")
    assert parts(metered(rates, small, SERVED, custom=custom))["hedge"] == parts(metered(rates, small, SERVED))["hedge"]


def test_what_never_went_out_costs_nothing(rates: Rates) -> None:
    log = metered(rates, replace(LOST, unsent=True), SERVED)
    assert (log.cost, parts(log)) == (ANSWER_COST, {"input_tokens": 500_000, "output_tokens": 750_000})
    assert [one.unsent for one in read_attempts(log.attempts)] == [True, False]
    assert log.warnings is None


def test_an_attempt_without_a_price_is_not_free_but_said(rates: Rates) -> None:
    log = metered(rates, replace(LOST, provider_id="acme", upstream_model="unheard-of"), SERVED)
    assert (log.cost, log.price_missing) == (ANSWER_COST, False)
    assert read_attempts(log.attempts)[0].cost is None
    assert json.loads(log.warnings or "[]") == [
        "what acme/unheard-of (first) cost, where another attempt was faster, is not known and not in the cost"
    ]


def test_an_answer_without_a_price_stays_without(rates: Rates) -> None:
    log = metered(rates, LOST, replace(SERVED, provider_id="acme", upstream_model="unheard-of"))
    assert (log.cost, log.cost_by_unit, log.price_missing) == (None, None, True)
    assert [(one.cost, one.cost_estimated) for one in read_attempts(log.attempts)] == [
        (HEDGE_COST, True),
        (None, False),
    ]


@pytest.mark.parametrize("outcome", ["upstream_error", "upstream_unreachable", "timeout", "client_gone"])
def test_an_attempt_that_failed_is_not_billed(rates: Rates, outcome: str) -> None:
    log = metered(rates, replace(LOST, outcome=outcome), SERVED)
    assert log.cost == ANSWER_COST
    assert log.cost_by_unit == '{"input_tokens":500000,"output_tokens":750000}'


def test_a_log_is_of_the_last_that_was_not_cut_off_for_another() -> None:
    assert find_serving([]) is None
    assert find_serving([LOST, SERVED]) is SERVED
    assert find_serving([SERVED, LOST]) is SERVED
    assert find_serving([LOST]) is LOST


def test_failed_attempts_are_no_requests(rates: Rates, tmp_path: Any) -> None:
    """In no count and no sum: not by hour, not by day, not by row."""
    failed = replace(LOST, outcome="upstream_error", status=503)
    store = LogStore(tmp_path / "logs.db")
    log = metered(rates, failed, failed, LOST, SERVED)
    store.record(RecordBatch(logs=[log]))
    day = 86_400_000_000_000
    for since, until in ((None, None), (START - START % day, START - START % day + day), (START, START + 1)):
        summary = store.summary(LogQuery(organization_id="org", since=since, until=until))
        told = summary.requests, summary.errors, summary.cost, summary.input_tokens, summary.output_tokens
        assert told == (1, 0, ANSWER_COST + HEDGE_COST, 1000, 500)
    page = store.page(LogQuery(organization_id="org"))
    assert (page.count, len(page.logs)) == (1, 1)
    store.close()
