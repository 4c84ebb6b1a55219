"""Requests that no provider's code expects: answered as a provider does, and never by a connection that closes."""

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from gantry.simulator.exchange import Request
from gantry.simulator.world import World

SIGNED = b"AWS4-HMAC-SHA256 Credential=AKIASIMULATOR/20260101/us-east-1/bedrock/aws4_request, " + (
    b"SignedHeaders=host;x-amz-date, Signature=\xe9"
)


def assertion(**claims: Any) -> bytes:
    parts = ({"alg": "RS256"}, {"iss": "a", "aud": "https://x/token", "scope": "s", **claims})
    words = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return urlencode(
        {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": ".".join((*words, "x"))}
    ).encode()


def structured(schema: Any) -> bytes:
    shape = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    turns = [{"role": "user", "content": "x"}]
    return json.dumps({"model": "mistral-small-latest", "messages": turns, "response_format": shape}).encode()


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        ("/vertex/token", {b"content-type": b"application/x-www-form-urlencoded"}, assertion(iat="1", exp="2")),
        ("/bedrock/model/m/converse", {b"authorization": SIGNED, b"x-amz-date": b"20260101T000000Z"}, b"{}"),
        ("/v1/chat/completions", {b"authorization": b"Bearer k"}, structured({"type": "array", "minItems": "x"})),
        ("/v1/chat/completions", {b"authorization": b"Bearer k"}, structured({"enum": 5})),
    ],
)
def test_a_fault_of_the_simulator_is_a_providers_500(
    path: str, headers: dict[bytes, bytes], body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    sent = {b"host": b"simulator", b"content-type": b"application/json", **headers}
    performance = World().perform(Request(b"POST", path.encode(), tuple(sent.items()), body))
    assert (performance.answer.status, performance.repeatable) == (500, False)
    assert json.loads(performance.answer.body)
    assert "a simulated provider failed at" in caplog.text
