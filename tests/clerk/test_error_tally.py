"""Which deployments have failed lately, by the attempts in the logs."""

from typing import Any

import msgspec
from msgspec.structs import replace

from gantry.clerk.error_tally import ErrorTally
from gantry.core.alert import DEFAULT_RULES, EVENTS, Alert, AlertRules, Event
from gantry.core.logged_attempt import LoggedAttempt
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import LogMethod, Outcome
from tests.store.logs_of_tests import make_log

MINUTE = 60_000_000_000
START = 1_795_000_000_000_000_000 // (60 * MINUTE) * (60 * MINUTE)
GOOD = ("default", Outcome.SUCCESS, 200)
BAD = ("default", Outcome.UPSTREAM_ERROR, 503)
Tried = tuple[str, Outcome, int | None]


def log_of(*tried: Tried, at: float = 0, **fields: Any) -> RequestLog:
    """Return a log of attempts: each a credential, an outcome and a status."""
    attempts = [
        LoggedAttempt("mistral", f"id-{name}", name, "small", status=status, outcome=outcome.value)
        for name, outcome, status in tried
    ]
    text = msgspec.json.encode(attempts).decode()
    served = {"provider_id": "mistral", "deployment_name": tried[-1][0], "model": "small"} if tried else {}
    return make_log("x", attempts=text, ended_at=START + int(at * MINUTE), **{**served, **fields})


def count(tally: ErrorTally, logs: list[RequestLog], rules: AlertRules = DEFAULT_RULES) -> list[Alert]:
    return [alert for log in logs for alert in tally.count(log, rules)]


def test_half_of_the_last_calls_failing_is_told() -> None:
    tally = ErrorTally()
    told = count(tally, [log_of(GOOD), log_of(BAD)] * 9)
    assert told == []
    first, *_ = count(tally, [log_of(GOOD), log_of(BAD)] * 3)
    assert (first.event, first.organization_id) == (Event.PROVIDER_ERRORS, "0" * 32)
    assert first.subject == f"mistral/default/small:{START // (60 * MINUTE)}"
    assert first.data == {
        "provider_id": "mistral",
        "deployment_name": "default",
        "model": "small",
        "requests": 20,
        "errors": 10,
        "error_rate": 0.5,
        "minutes": 5,
    }
    assert first.data.keys() == EVENTS[first.event].data.keys()


def test_what_an_attempt_says_is_not_taken_for_one_that_was_answered() -> None:
    tally = ErrorTally()
    said = '[{"outcome":"success"}] "outcome":"success"'
    attempt = LoggedAttempt("mistral", "id", "default", "small", status=503, outcome="upstream_error", error=said)
    failed = replace(log_of(BAD), attempts=msgspec.json.encode([attempt]).decode())
    told = count(tally, [failed] * 20)
    assert {alert.data["errors"] for alert in told} == {20}


def test_what_failed_before_another_one_answered_counts() -> None:
    told = count(ErrorTally(), [log_of(BAD, ("second", Outcome.SUCCESS, 200))] * 20)
    assert {alert.data["deployment_name"] for alert in told} == {"default"}


def test_the_callers_faults_and_those_who_were_slower_count_for_nothing() -> None:
    innocent: list[Tried] = [
        ("default", Outcome.UPSTREAM_ERROR, 400),
        ("default", Outcome.UPSTREAM_ERROR, 404),
        ("default", Outcome.CLIENT_GONE, None),
        ("default", Outcome.CANCELLED, None),
    ]
    assert count(ErrorTally(), [log_of(one) for one in innocent] * 50) == []
    guilty: list[Tried] = [
        ("default", Outcome.UPSTREAM_ERROR, 429),
        ("default", Outcome.UPSTREAM_ERROR, 401),
        ("default", Outcome.UPSTREAM_UNREACHABLE, None),
        ("default", Outcome.UPSTREAM_BROKE, 200),
        ("default", Outcome.TIMEOUT, None),
    ]
    assert count(ErrorTally(), [log_of(one) for one in guilty] * 4)
    posted = [log_of(BAD, log_method=LogMethod.LOGGING_API)] * 50
    assert count(ErrorTally(), posted) == []


def test_what_is_long_ago_is_forgotten() -> None:
    tally = ErrorTally()
    assert count(tally, [log_of(BAD, at=0)] * 19) == []
    assert count(tally, [log_of(GOOD, at=5), log_of(BAD, at=5)] * 5) == []
    assert count(tally, [log_of(BAD, at=6)] * 10)


def test_rules_say_how_many_of_how_many() -> None:
    rules = replace(DEFAULT_RULES, error_percent=90, error_requests=4, error_minutes=1)
    assert count(ErrorTally(), [log_of(GOOD), *[log_of(BAD)] * 8], rules) == []
    assert count(ErrorTally(), [log_of(BAD)] * 4, rules)


def test_each_deployment_and_organization_is_counted_by_itself_and_no_more_than_fit() -> None:
    tally = ErrorTally()
    for number in range(5000):
        assert count(tally, [log_of((str(number), Outcome.TIMEOUT, None), organization_id=str(number % 7))] * 3) == []
    assert len(tally._minutes) == 2000
