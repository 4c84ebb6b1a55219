"""The attempts of a log by API: each with why it was made, how long it took, and what it cost where that differs."""

from fastapi.testclient import TestClient

from gantry.core.vocabulary import DEFAULT_SCOPES, Outcome, Scope
from gantry.store.logs import LogStore
from tests.console.conftest import Keys, bearer, log_id_at, make_log, store_logs

HEDGED = (
    '[{"provider_id":"mistral","credential_id":"c1","credential_name":"first","upstream_model":"small","tier":"relay",'
    '"outcome":"cancelled","error":"another attempt was faster","connect":20000000,"duration":900000000,'
    '"upstream_host":"a.test","began":1000000,"step":"first","reason":"weight","share":0.75,"condition":"well",'
    '"cost":500000,"cost_estimated":true},'
    '{"provider_id":"anthropic","credential_id":"c2","credential_name":"second","upstream_model":"claude","tier":'
    '"translate","status":200,"outcome":"success","first_byte":250000000,"duration":1500000000,"upstream_host":"b.test",'
    '"began":500000000,"step":"hedge","reason":"only","share":1.0,"condition":"cooling","cost":1250000}]'
)


def test_each_attempt_says_all_that_is_known_of_it(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add(DEFAULT_SCOPES | Scope.READ)
    parts = '{"input_tokens":500000,"output_tokens":750000,"hedge":500000}'
    store_logs(logs, make_log(key, 1, attempts=HEDGED, cost=1_750_000, cost_by_unit=parts))
    item = client.get(f"/api/request-logs/{log_id_at(1)}/", headers=bearer(secret)).json()
    lost, won = item["attempts"]
    assert lost == {
        "provider_id": "mistral",
        "credential_id": "c1",
        "credential_name": "first",
        "upstream_model": "small",
        "upstream_host": "a.test",
        "tier": "relay",
        "step": "first",
        "reason": "weight",
        "share": 0.75,
        "condition": "well",
        "status": None,
        "outcome": "cancelled",
        "error": "another attempt was faster",
        "began": 0.001,
        "connect": 0.02,
        "first_byte": None,
        "duration": 0.9,
        "unsent": False,
        "cost": 0.0005,
        "cost_estimated": True,
    }
    assert (won["step"], won["condition"], won["status"], won["first_byte"]) == ("hedge", "cooling", 200, 0.25)
    assert (won["cost"], won["cost_estimated"]) == (0.00125, False)
    assert (item["cost"], item["hedge_cost"], item["cost_by_unit"]["hedge"]) == (0.00175, 0.0005, 0.0005)


def test_who_was_not_hedged_has_no_cost_of_it_and_who_asked_nobody_no_attempts(
    client: TestClient, keys: Keys, logs: LogStore
) -> None:
    key, secret = keys.add(DEFAULT_SCOPES | Scope.READ)
    plain = '[{"provider_id":"mistral","credential_id":"c1","credential_name":"first","tier":"relay"}]'
    store_logs(
        logs,
        make_log(key, 1, attempts=plain, cost=5, cost_by_unit='{"input_tokens":5}'),
        make_log(key, 2, outcome=Outcome.REFUSED, status_code=403),
    )
    one, two = (client.get(f"/api/request-logs/{log_id_at(n)}/", headers=bearer(secret)).json() for n in (1, 2))
    assert (one["hedge_cost"], two["hedge_cost"], two["attempts"]) == (None, None, None)
    (attempt,) = one["attempts"]
    told = {name for name, value in attempt.items() if value not in (None, False, "")}
    assert told == {"provider_id", "credential_id", "credential_name", "tier"}


def test_attempts_that_failed_are_in_no_count(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add(DEFAULT_SCOPES | Scope.READ)
    store_logs(logs, make_log(key, 1, attempts=HEDGED), make_log(key, 2, attempts=HEDGED))
    headers = bearer(secret)
    listed = client.get("/api/request-logs/list/", headers=headers).json()
    assert (listed["count"], len(listed["results"])) == (2, 2)
    summary = client.get("/api/request-logs/summary/", headers=headers).json()
    assert (summary["number_of_requests"], summary["number_of_errors"]) == (2, 0), summary
