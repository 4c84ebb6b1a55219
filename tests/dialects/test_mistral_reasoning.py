"""Thinking: how much of it is asked for, and former thoughts that go back to the model."""

from typing import Any

import pytest

from tests.dialects.test_mistral_request import USER, adapted, call

EFFORTS = [
    ("mistral-small-latest", "minimal", {"reasoning_effort": "none"}),
    ("mistral-small-latest", "low", {"reasoning_effort": "none"}),
    ("mistral-medium-3-5", "medium", {"reasoning_effort": "high"}),
    ("mistral-large-4-0", "xhigh", {"reasoning_effort": "high"}),
    ("zai-glm-5-3-flash", "none", {"reasoning_effort": "low"}),
    ("magistral-medium-latest", "low", {"prompt_mode": "reasoning"}),
    ("magistral-medium-latest", "none", {}),
    ("ministral-8b-latest", "high", {}),
    ("a-model-of-tomorrow", "medium", {"reasoning_effort": "medium"}),
    ("mistral-small-latest", "colossal", {"reasoning_effort": "colossal"}),
]


@pytest.mark.parametrize(("model", "wish", "expected"), EFFORTS)
def test_effort_is_snapped_to_what_the_model_knows(model: str, wish: str, expected: dict[str, Any]) -> None:
    assert adapted(model=model, reasoning_effort=wish) == {"model": model, "messages": [USER], **expected}


def test_a_reasoning_model_gets_its_thoughts_back() -> None:
    said = {"role": "assistant", "content": "4", "reasoning_content": "hm"}
    called = {"role": "assistant", "content": None, "reasoning": "hm", "tool_calls": [call("abcDEF123")]}
    found = adapted([USER, said, USER, called, USER], model="mistral-small-latest")["messages"]
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    assert found[1] == {"role": "assistant", "content": [thinking, {"type": "text", "text": "4"}]}
    assert found[3] == {"role": "assistant", "content": [thinking], "tool_calls": [call("abcDEF123")]}
