"""A provider's rules applied to a request: only what they name is touched."""

import pytest

from gantry.core.errors import InvalidRequest
from gantry.dialects.rules import NO_RULES, RequestRules, apply_rules

RULES = RequestRules(
    rename={"max_completion_tokens": "max_tokens", "seed": "random_seed"},
    drop=("user", "logit_bias"),
    clamp={"temperature": (0.01, 1.0), "n": (1, 1), "max_tokens": (None, 100)},
    default={"safe": True, "max_tokens": 7},
)
CASES: list[tuple[bytes, bytes, list[str]]] = [
    (
        b'{"a": 1.00, "safe":false,"max_tokens":1}',
        b'{"a": 1.00, "safe":false,"max_tokens":1}',
        [],
    ),
    (
        b'{"user":"u","a":{"user":1},"safe":0,"max_tokens":1}',
        b'{"a":{"user":1},"safe":0,"max_tokens":1}',
        ["user: dropped"],
    ),
    (b'{"user":null,"safe":0,"max_tokens":1}', b'{"safe":0,"max_tokens":1}', []),
    (
        b'{"safe":0,"max_completion_tokens":50}',
        b'{"safe":0,"max_tokens":50}',
        ["max_completion_tokens: renamed to max_tokens"],
    ),
    (
        b'{"safe":0,"max_tokens":1,"max_completion_tokens":500}',
        b'{"safe":0,"max_tokens":100}',
        ["max_completion_tokens: renamed to max_tokens", "max_completion_tokens: clamped to 100"],
    ),
    (
        b'{"safe":0,"max_tokens":1,"temperature":1.5,"n":0}',
        b'{"safe":0,"max_tokens":1,"temperature":1,"n":1}',
        ["temperature: clamped to 1", "n: clamped to 1"],
    ),
    (
        b'{"safe":0,"max_tokens":1,"temperature":0}',
        b'{"safe":0,"max_tokens":1,"temperature":0.01}',
        ["temperature: clamped to 0.01"],
    ),
    (b'{"safe":0,"max_tokens":1,"temperature":null}', b'{"safe":0,"max_tokens":1,"temperature":null}', []),
    (b'{"safe":0,"max_tokens":1,"temperature":"hot"}', b'{"safe":0,"max_tokens":1,"temperature":"hot"}', []),
    (
        b"{}",
        b'{"safe":true,"max_tokens":7}',
        ["safe: defaulted to true", "max_tokens: defaulted to 7"],
    ),
    (b'{"max_tokens":null,"safe":1}', b'{"max_tokens":7,"safe":1}', ["max_tokens: defaulted to 7"]),
]


@pytest.mark.parametrize(("body", "expected", "changes"), CASES)
def test_rules(body: bytes, expected: bytes, changes: list[str]) -> None:
    ruled, told = apply_rules(body, RULES)
    assert (ruled, [str(change) for change in told]) == (expected, changes)


def test_without_rules_a_body_is_not_even_read() -> None:
    body = b"<no JSON>"
    assert apply_rules(body, NO_RULES) == (body, [])
    with pytest.raises(InvalidRequest):
        apply_rules(body, RULES)
