"""The parameters of a custom provider: each is acted on, told of, or refused."""

import json
from typing import Any

import pytest

from gantry.core.custom_provider import CustomProvider
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.adapt import adapt
from gantry.dialects.rules import NO_RULES
from gantry.providers.custom_parameters import (
    PARAMETERS,
    ParameterRefused,
    chat_rules,
    check_parameters,
    explain_not_yet,
)
from gantry.providers.provider_choice import spec_of

SAMPLES: dict[str, Any] = {
    "temperature": 0.5,
    "top_p": 1,
    "top_k": 40,
    "min_p": 0.1,
    "max_tokens": 10,
    "max_completion_tokens": 10,
    "presence_penalty": -2,
    "frequency_penalty": 2,
    "repetition_penalty": 1.1,
    "seed": 2**63 - 1,
    "stop": ["a", "b"],
    "reasoning_effort": "low",
    "timeout": 30,
}


def asked(parameters: dict[str, Any], body: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return what a provider with these parameters is asked, and which parameters were changed for it."""
    provider = CustomProvider(
        organization_id="o", id="acme", name="Acme", base_url="https://acme.test", parameters=parameters
    )
    rules = spec_of(provider).rules_for("m")
    encoded = json.dumps(body).encode()
    adapted = adapt(Operation.CHAT, Dialect.OPENAI_CHAT, Dialect.OPENAI_CHAT, encoded, rules)
    return json.loads(adapted.body), [change.parameter for change in adapted.changes]


@pytest.mark.parametrize("name", PARAMETERS)
def test_each_is_acted_on_or_told_of(name: str) -> None:
    kept = check_parameters({name: SAMPLES[name]})
    assert kept == {name: SAMPLES[name]}
    body, _ = asked(kept, {"model": "m"})
    assert (body.get(name) == SAMPLES[name]) is not bool(explain_not_yet(kept))


def test_a_caller_who_says_otherwise_is_heard() -> None:
    assert asked({"temperature": 0.2, "seed": 1}, {"temperature": 0.9}) == ({"temperature": 0.9, "seed": 1}, ["seed"])


@pytest.mark.parametrize(
    ("own", "other"), [("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")]
)
def test_a_bound_in_the_other_spelling_is_the_same_bound(own: str, other: str) -> None:
    assert asked({own: 10}, {other: 5})[0] == {own: 5}
    assert asked({own: 10}, {own: 5})[0] == {own: 5}
    assert asked({own: 10}, {})[0] == {own: 10}


def test_without_a_knob_a_chat_is_relayed_as_it_is() -> None:
    assert chat_rules({}) == chat_rules({"timeout": 3}) == NO_RULES


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"nonsense": 1}, "nonsense"),
        ({"temperature": True}, "temperature"),
        ({"seed": 2**63}, "seed"),
        ({"stop": [1]}, "stop"),
        ({"top_p": 1.01}, "top_p"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "max_tokens"),
    ],
)
def test_what_is_no_parameter_is_refused_by_name(given: dict[str, Any], name: str) -> None:
    with pytest.raises(ParameterRefused, match=name) as refused:
        check_parameters(given)
    assert refused.value.name == name
