"""No credential passes, and nothing else is touched."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.errors import InvalidRequest
from gantry.dialects.secrets_out import strip_secrets

CANARY = "canary-7f3a"

BODIES: dict[str, dict[str, Any]] = {
    "top level": {"customer_credentials": {"mistral": {"api_key": CANARY}}},
    "per model": {"credential_override": {"mistral/x": {"api_key": CANARY}}},
    "the old name": {"customer_api_keys": {"gpt-4o": CANARY}},
    "alone": {"api_key": CANARY},
    "nested parameters": {
        "respan_params": {"customer_credentials": [{"credentials": {"a": {"k": CANARY}}, "weight": 1}]}
    },
    "the raw request": {"full_request": {"customer_credentials": {"a": {"aws_secret": CANARY}}, "messages": []}},
    "a load balance group": {"load_balance_group": {"models": [{"model": "m", "credentials": {"key": CANARY}}]}},
    "headers": {"full_request": {"headers": {"Authorization": f"Bearer {CANARY}", "x-api-key": CANARY}}},
    "other cases": {"API_KEY": CANARY, "Api-Key": CANARY},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_credentials_are_gone(body: dict[str, Any]) -> None:
    stripped = strip_secrets(json.dumps({"model": "m", **body}).encode())
    assert CANARY.encode() not in stripped
    assert json.loads(stripped)["model"] == "m"


def test_an_escaped_name_hides_nothing() -> None:
    assert CANARY.encode() not in strip_secrets(b'{"\\u0061pi_key":"%s"}' % CANARY.encode())


def test_too_deep_to_look_into_is_dropped() -> None:
    body = b'{"a":' * 80 + b'{"api_key":"%s"}' % CANARY.encode() + b"}" * 80
    assert CANARY.encode() not in strip_secrets(body)


KEPT = {
    "untouched bytes": b'{ "b" : 1.00,"a":12345678901234567890123 }',
    "the word in a message": b'{"messages":[{"role":"user","content":"my api_key and credentials"}]}',
    "a tool that takes one": b'{"tools":[{"parameters":{"properties":{"api_key":{"type":"string"}}}}]}',
}


@pytest.mark.parametrize("body", KEPT.values(), ids=KEPT)
def test_what_is_no_credential_is_kept(body: bytes) -> None:
    assert json.loads(strip_secrets(body)) == json.loads(body)
    if b"key" not in body:
        assert strip_secrets(body) == body


def test_numbers_beside_a_credential_keep_their_digits() -> None:
    stripped = strip_secrets(b'{"api_key":"x","a":1.00,"b":12345678901234567890123}')
    assert stripped == b'{"a":1.00,"b":12345678901234567890123}'


def test_a_suspicious_body_that_is_not_json_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="JSON object"):
        strip_secrets(b'{"api_key": ')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8) | st.sampled_from(["api_key", "credentials"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(value=st.dictionaries(st.text(max_size=8) | st.sampled_from(["api_key", "customer_credentials"]), JSON))
def test_stripping_twice_is_stripping_once(value: dict[str, Any]) -> None:
    once = strip_secrets(json.dumps(value).encode())
    assert strip_secrets(once) == once
    assert "customer_credentials" not in json.loads(once)
