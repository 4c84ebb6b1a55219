"""Azure OpenAI's shapes, under `/azure`."""

from typing import Any

import pytest

from gantry.simulator import Simulator
from tests.simulator.client import QUESTION, Reply, ask, chat, run

OLDER, VERSION = "/azure/openai/deployments", "?api-version=2024-12-01-preview"
KEY = {"api-key": "simulated"}


def said(path: str, body: Any = None, *, headers: dict[str, str] | None = None, faults: str = "") -> Reply:
    async def scene(simulator: Simulator) -> Reply:
        return await ask(simulator, path, body, headers=KEY if headers is None else headers, faults=faults, key="")

    reply: Reply = run(scene)
    return reply


@pytest.mark.parametrize("path", [f"{OLDER}/mine/chat/completions{VERSION}", "/azure/openai/v1/chat/completions"])
def test_each_choice_and_the_prompt_were_filtered(path: str) -> None:
    body = {"model": "gpt-4o", "messages": QUESTION}
    whole, events = said(path, body).json, said(path, {**body, "stream": True}).events
    assert whole["choices"][0]["content_filter_results"]["hate"] == {"filtered": False, "severity": "safe"}
    assert (events[0]["choices"], events[0]["id"]) == ([], "")
    assert events[0]["prompt_filter_results"] == whole["prompt_filter_results"]
    text = "".join(event["choices"][0]["delta"].get("content") or "" for event in events[1:])
    assert text == whole["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("deployment", "model"), [("mine", "gpt-4o"), ("gpt-5-mini", "gpt-5-mini"), ("gpt-4o--sim-finish-length", None)]
)
def test_a_deployment_decides_the_model(deployment: str, model: str | None) -> None:
    whole = said(f"{OLDER}/{deployment}/chat/completions{VERSION}", {"model": "other", "messages": QUESTION}).json
    assert whole["model"] == (model or deployment)
    assert whole["choices"][0]["finish_reason"] == ("length" if model is None else "stop")


def test_embeddings_and_responses_are_served() -> None:
    path = f"{OLDER}/mine/embeddings{VERSION}"
    assert len(said(path, {"input": "a", "dimensions": 8}).json["data"][0]["embedding"]) == 8
    assert said("/azure/openai/v1/responses", {"model": "gpt-4o", "input": "a"}).json["status"] == "completed"


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        (f"{OLDER}/mine/chat/completions{VERSION}", {}, 401, "401"),
        (f"{OLDER}/mine/chat/completions{VERSION}", {"api-key": "bad"}, 401, "401"),
        (f"{OLDER}/mine/chat/completions{VERSION}", {"authorization": "Bearer token"}, 200, None),
        (f"{OLDER}/mine/chat/completions", KEY, 404, "404"),
        (f"{OLDER}/no-such/chat/completions{VERSION}", KEY, 404, "DeploymentNotFound"),
        (f"{OLDER}/mine/nothing{VERSION}", KEY, 404, "404"),
        (f"{OLDER}/gpt-4o--sim-status-429/chat/completions{VERSION}", KEY, 429, "429"),
    ],
)
def test_errors_have_their_own_envelope(path: str, headers: dict[str, str], status: int, code: str | None) -> None:
    reply = said(path, chat("gpt-4o"), headers=headers)
    assert (reply.status, reply.json.get("error", {}).get("code")) == (status, code)


def test_a_prompt_can_be_filtered_out() -> None:
    reply = said(f"{OLDER}/mine/chat/completions{VERSION}", chat("gpt-4o"), faults="refusal")
    error = reply.json["error"]
    assert (reply.status, error["code"], error["innererror"]["code"]) == (
        400,
        "content_filter",
        "ResponsibleAIPolicyViolation",
    )
