"""A house moves over from LiteLLM, whole: its configuration, keys and logs, beside a gateway that serves."""

import csv
import json
from pathlib import Path

import pytest

from tests.e2e.node import await_true, running_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

CONFIG = """
model_list:
  - model_name: house-large
    litellm_params:
      model: mistral/mistral-large-latest
      api_key: the-key
      api_base: {url}
      input_cost_per_token: 0.00001
      output_cost_per_token: 0.00002
  - model_name: house-small
    litellm_params: {{model: mistral/mistral-small-latest, api_key: the-key, api_base: "{url}"}}
  - model_name: flaky
    litellm_params: {{model: "openai/nothing", api_base: "http://127.0.0.1:9/v1", api_key: none}}
router_settings:
  fallbacks: [{{flaky: [house-small]}}]
"""
KEYS = """\
token,key_name,key_alias,models,max_budget,budget_duration
aa,sk-...1111,ci,"{house-large,flaky,house-small}",10,30d
bb,sk-...2222,poor,{},0.001,30d
"""
SPEND = {
    "request_id": "chatcmpl-old",
    "call_type": "acompletion",
    "spend": 0.25,
    "startTime": "2026-10-01T10:00:00Z",
    "endTime": "2026-10-01T10:00:01Z",
    "model": "mistral/mistral-large-latest",
    "custom_llm_provider": "mistral",
    "metadata": {"user_api_key_alias": "ci"},
}


def test_a_house_moves_over_from_litellm(tmp_path: Path) -> None:
    config, keys, new, spend = (tmp_path / name for name in ("config.yaml", "keys.csv", "new.csv", "spend.json"))
    with running_node(tmp_path) as node:
        config.write_text(CONFIG.format(url=node.simulator.url))
        keys.write_text(KEYS)
        spend.write_text(json.dumps([SPEND]))

        said = node.gantry(
            "import", "litellm", str(config), "--keys", str(keys), "--apply", "--new-keys", str(new)
        ).stderr
        assert "Live: 2 of 2 workers" in said
        made = {one["name"]: one["key"] for one in csv.DictReader(new.read_text().splitlines())}

        def call(model: str, key: str = made["ci"]) -> tuple[int, str]:
            body = json.dumps({"model": model, "messages": [{"role": "user", "content": "ping"}]}).encode()
            status, answer = node.ask("/api/chat/completions", body=body, key=key)
            return status, answer.decode()

        status, answer = call("house-large")
        assert status == 200, answer
        assert json.loads(answer)["model"] == "mistral-large-latest"
        status, answer = call("flaky")
        assert status == 200, answer
        assert json.loads(answer)["model"] == "mistral-small-latest", "its fallback"
        status, answer = call("openai/gpt-4o")
        assert status == 403, "the key's list of models came along"
        status, answer = call("house-large", made["poor"])
        assert status == 429, "and so did the budget of the other"
        assert "$0.001 a month" in answer
        node.await_stored()

        node.gantry("import", "logs", "litellm", str(spend))
        await_true(lambda: '"log_method":"logging_api"' in node.gantry("logs", "list", "--json").stdout, "the old log")
        assert "0 are taken in, 1 were stored already" in node.gantry("import", "logs", "litellm", str(spend)).stderr
        logs = [json.loads(line) for line in node.gantry("logs", "list", "--json").stdout.splitlines()]
        (old,) = (log for log in logs if log["log_method"] == "logging_api")
        assert old["cost"] == 0.25
        (priced,) = (log for log in logs if log["outcome"] == "success" and log["model"] == "mistral-large-latest")
        assert priced["key_id"] == old["key_id"], "old and new calls of ci are one key's"
        assert priced["cost"] == pytest.approx(
            (priced["usage"]["input_tokens"] * 10 + priced["usage"]["output_tokens"] * 20) / 10**6
        ), "by the price of the configuration"
