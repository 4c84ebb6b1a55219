"""OpenTelemetry's own SDK exports to `gantry serve` as it is, its own classes write what our readers read, and the
official parsers read `/metrics`.
"""

import base64
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from gantry.dialects.otlp.json_message import read_json
from gantry.dialects.otlp.protobuf_message import read_protobuf
from tests.clerk.receivers import WebhookReceiver
from tests.e2e.node import await_true
from tests.sdk.conftest import Gateway
from tests.sdk.environments import Client, NoClient, interpreter
from tests.sdk.logs import find, read_logs
from tests.sdk.roads import GANTRY, HERE, listening, quiet_environment, run

pytestmark = [pytest.mark.slow, pytest.mark.sdk, pytest.mark.timeout(240)]

DRIVER: Path = HERE / "drivers" / "opentelemetry_python.py"


def drive(*case: str, **environment: str) -> Any:
    try:
        program = str(interpreter(Client.OPENTELEMETRY))
    except NoClient as error:
        pytest.skip(str(error))
    return json.loads(run((program, str(DRIVER), *case), quiet_environment(**environment)))


def test_our_readers_read_what_the_official_classes_write() -> None:
    written = drive("encode")
    assert len(written) == 60
    spans = 0
    for request in written:
        batches = read_protobuf(base64.b64decode(request["protobuf"]))
        assert read_json(request["json"].encode()) == batches
        spans += sum(len(batch.spans) for batch in batches)
    assert spans > 60


def test_the_sdk_exports_to_the_gateway_as_it_is(gateway: Gateway) -> None:
    key = gateway.new_key("traced", ("ingest", "own_logs"))
    exported = drive("export", BASE_URL=f"{gateway.url}/api", KEY=key)
    assert exported["flushed"]
    await_true(lambda: len(read_logs(gateway.url, key)) >= len(exported["spans"]), "the log of each span")
    logs = read_logs(gateway.url, key)
    assert {log["span_name"]: log["span_unique_id"] for log in logs} == exported["spans"]
    assert {log["trace_unique_id"] for log in logs} == {exported["trace"]}
    agent, chat, tool = (find(logs, {"log_type": log_type}) for log_type in ("agent", "chat", "tool"))
    assert (agent["span_parent_id"], chat["span_parent_id"]) == (None, agent["span_unique_id"])
    assert (chat["model"], chat["provider_id"], chat["thread_identifier"]) == ("gpt-4o-mini", "openai", "talk")
    assert (chat["prompt_tokens"], chat["completion_tokens"], chat["prompt_cache_hit_tokens"]) == (1000, 500, 200)
    # 800 new tokens, 200 of the cache and 500 out, at 0.15, 0.075 and 0.60 dollars for a million.
    assert chat["cost"] == pytest.approx((800 * 0.15 + 200 * 0.075 + 500 * 0.60) / 1e6)
    assert chat["prompt_messages"] == [{"role": "user", "content": "ping"}]
    assert chat["completion_message"] == {"role": "assistant", "content": "pong"}
    assert chat["metadata"]["service.name"] == "travel"
    assert (tool["status"], tool["error_message"]) == ("error", "no such city")


def test_a_stranger_s_export_fails(gateway: Gateway) -> None:
    answer = requests.post(f"{gateway.url}/api/v2/traces", headers={"content-type": "application/json"}, timeout=30)
    assert answer.status_code == 401


def test_the_official_parsers_read_the_metrics(gateway: Gateway, tmp_path: Path) -> None:
    call: dict[str, Any] = {"model": "mistral/mistral-small-latest", "messages": [{"role": "user", "content": "ping"}]}
    key = {"Authorization": f"Bearer {gateway.key}"}
    answer = requests.post(f"{gateway.url}/api/chat/completions", json=call, headers=key, timeout=30)
    assert answer.status_code == 200

    def scrape(accept: str, headers: Mapping[str, str]) -> dict[str, Any]:
        text = requests.get(f"{gateway.url}/metrics", headers={"Accept": accept, **headers}, timeout=30).text
        (tmp_path / "scrape").write_text(text)
        families: dict[str, Any] = drive("metrics", str(tmp_path / "scrape"))
        return families

    def is_told() -> bool:
        return "gantry_model_calls_total" in requests.get(f"{gateway.url}/metrics", headers=key, timeout=30).text

    await_true(is_told, "the figures of the call")
    plain, openmetrics = (
        scrape(accept, key) for accept in ("text/plain", "application/openmetrics-text;version=1.0.0")
    )
    assert plain.keys() == openmetrics.keys()  # the parsers call counters alike
    assert {family["type"] for family in openmetrics.values()} == {"counter", "gauge", "histogram"}
    of_models = {name for name in plain if name.startswith("gantry_model_")}
    assert len(of_models) == 5
    assert of_models.isdisjoint(scrape("text/plain", {}))
    (calls,) = (
        value
        for name, labels, value in openmetrics["gantry_model_calls"]["samples"]
        if labels == {"provider": "mistral", "model": "mistral-small-latest", "outcome": "success"}
    )
    assert calls >= 1


def test_logs_are_exported_to_a_receiver_that_was_gone_for_a_while(
    simulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = WebhookReceiver(lambda _: 503)
    monkeypatch.setenv("GANTRY_OTLP_HEADERS", "x-team=a%20b")
    home = ("--home", str(tmp_path / "home"))
    serve = (*GANTRY, "serve", *home, "--port", "0", "--workers", "1", "--otlp-endpoint", receiver.url("/v1/traces"))
    call: dict[str, Any] = {
        "model": "mistral/mistral-small-latest",
        "messages": [{"role": "user", "content": "canary"}],
    }
    try:
        with listening(serve, "gantry listening on ", tmp_path / "first.log") as url:
            run((*GANTRY, "providers", "add", "mistral", *home, "--api-key", "k", "--base-url", simulator))
            key = run((*GANTRY, "keys", "create", "exported", *home)).split()[-1]
            bearer = {"Authorization": f"Bearer {key}"}
            answer = requests.post(f"{url}/api/chat/completions", json=call, headers=bearer, timeout=30)
            refused = receiver.next()
        receiver.answer = lambda _: 200
        receiver.all.clear()
        with listening(serve, "gantry listening on ", tmp_path / "second.log"):
            await_true(lambda: receiver.all, "what was not taken before")
        taken = receiver.all[0]
    finally:
        receiver.close()
    assert (refused.headers["x-team"], taken.headers["content-type"]) == ("a b", "application/x-protobuf")
    body = gzip.decompress(taken.body)
    (tmp_path / "requests").write_text(base64.b64encode(body).decode())
    (request,) = drive("decode", str(tmp_path / "requests"))
    (group,) = request["resourceSpans"]
    call_span, attempt = group["scopeSpans"][0]["spans"]
    told = {pair["key"]: next(iter(pair["value"].values())) for pair in call_span["attributes"]}
    assert (call_span["name"], call_span["traceId"]) == ("chat mistral-small-latest", answer.headers["x-respan-log-id"])
    assert told["gen_ai.provider.name"] == "mistral_ai"
    assert told["gantry.key.name"] == "exported"
    assert told["gantry.cost_usd"] > 0
    assert int(told["gen_ai.usage.input_tokens"]) > 0
    assert attempt["parentSpanId"] == call_span["spanId"]
    assert b"canary" not in body
