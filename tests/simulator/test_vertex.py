"""Gemini and Claude as Google Cloud serves them, under `/vertex`, and the tokens it asks for."""

import base64
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from gantry.simulator import Simulator
from tests.simulator.client import Reply, ask, run

MODELS = "/vertex/v1/projects/p/locations/l/publishers"
GEMINI, CLAUDE = f"{MODELS}/google/models/gemini-2.5-flash", f"{MODELS}/anthropic/models/claude-sonnet-4-5@20250929"
CONTENT = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
MESSAGE = {
    "anthropic_version": "vertex-2023-10-16",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "Hello"}],
}
CLAIMS = {"iss": "a@example.com", "aud": "http://simulator/vertex/token", "scope": "s", "iat": 1, "exp": 3601}
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
FORM = {"content-type": "application/x-www-form-urlencoded"}


def assertion(header: dict[str, Any] | None = None, **claims: Any) -> str:
    given = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    parts = (header or {"alg": "RS256", "typ": "JWT"}, given)
    return (
        ".".join(base64.urlsafe_b64encode(msgspec.json.encode(part)).decode().rstrip("=") for part in parts) + ".c2ln"
    )


async def granted(simulator: Simulator, given: str, kind: str = GRANT) -> Reply:
    body = urlencode({"grant_type": kind, "assertion": given}).encode()
    return await ask(simulator, "/vertex/token", body, headers=FORM, key="")


def said(target: str, body: Any, *, faults: str = "") -> Reply:
    async def scene(simulator: Simulator) -> Reply:
        token = (await granted(simulator, assertion())).json["access_token"]
        return await ask(simulator, target, body, key=token, faults=faults)

    reply: Reply = run(scene)
    return reply


def test_a_token_opens_gemini() -> None:
    answer = said(f"{GEMINI}:generateContent", CONTENT).json
    assert answer["candidates"][0]["content"]["parts"][0]["text"].startswith("You said: Hello")
    assert answer["usageMetadata"]["trafficType"] == "ON_DEMAND"
    assert (
        said(f"{GEMINI}:streamGenerateContent?alt=sse", CONTENT).events[-1]["candidates"][0]["finishReason"] == "STOP"
    )
    assert said(f"{GEMINI}:countTokens", CONTENT).json["totalTokens"] == answer["usageMetadata"]["promptTokenCount"]


def test_a_token_opens_claude() -> None:
    answer = said(f"{CLAUDE}:rawPredict", MESSAGE).json
    assert answer["id"].startswith("msg_vrtx_01")
    events = said(f"{CLAUDE}:streamRawPredict", {**MESSAGE, "stream": True}).events
    assert events[-1] == {"type": "message_stop"}
    counted = {name: MESSAGE[name] for name in ("anthropic_version", "messages")} | {"model": "claude-sonnet-4-5"}
    tokens = said(f"{MODELS}/anthropic/models/count-tokens:rawPredict", counted).json["input_tokens"]
    assert tokens == answer["usage"]["input_tokens"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"model": "claude-sonnet-4-5"}, "model: Extra inputs are not permitted"),
        ({"anthropic_version": "2020-01-01"}, "anthropic_version: Input should be 'vertex-2023-10-16'"),
        ({"anthropic_version": "2026-10-21", "temperature": 1.0}, "temperature: Extra inputs are not permitted"),
    ],
)
def test_claude_is_as_strict_here(change: dict[str, Any], text: str) -> None:
    reply = said(f"{CLAUDE}:rawPredict", {**MESSAGE, **change})
    assert (reply.status, reply.json["error"]["message"].startswith(text)) == (400, True)
    assert reply.json["request_id"] == reply.headers["request-id"]


@pytest.mark.parametrize("key", ["", "ya29.someone-elses", "ya29.sim-00.00"])
def test_a_token_from_elsewhere_opens_nothing(key: str) -> None:
    reply: Reply = run(lambda simulator: ask(simulator, f"{GEMINI}:generateContent", CONTENT, key=key))
    assert (reply.status, reply.json["error"]["status"]) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("given", "kind", "error"),
    [
        (assertion(), "password", "unsupported_grant_type"),
        ("a.b", GRANT, "invalid_grant"),
        (assertion({"alg": "none"}), GRANT, "invalid_grant"),
        (assertion(exp=9999), GRANT, "invalid_grant"),
        (assertion(iss=None), GRANT, "invalid_grant"),
        (assertion(aud="https://example.com/"), GRANT, "invalid_grant"),
        (assertion(scope=None), GRANT, "invalid_scope"),
    ],
)
def test_a_token_is_not_given_for_anything(given: str, kind: str, error: str) -> None:
    reply: Reply = run(lambda simulator: granted(simulator, given, kind))
    assert (reply.status, reply.json["error"]) == (400, error)


def test_an_unknown_model_is_named_with_its_project() -> None:
    reply = said(f"{MODELS}/google/models/gemini-0:generateContent", CONTENT)
    assert "projects/p/locations/l/publishers/google/models/gemini-0" in reply.json["error"]["message"]


def test_a_model_in_the_path_asks_for_faults() -> None:
    assert said(f"{CLAUDE}--sim-status-429:rawPredict", MESSAGE).json["error"]["status"] == "RESOURCE_EXHAUSTED"
