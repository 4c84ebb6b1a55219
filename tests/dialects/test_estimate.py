"""Estimates of tokens: never of nothing, near to what providers counted."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.answer import read_answer
from gantry.dialects.estimate import TokenCount, complete_usage, count_tokens


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("four", 1), ("eight ch", 2), ("é", 1), ("日本語です", 4)]
)
def test_counts(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens


@given(one=st.text(), other=st.text())
def test_more_text_is_never_less(one: str, other: str) -> None:
    assert max(count_tokens(one), count_tokens(other)) <= count_tokens(one + other) <= len(one) + len(other)


def test_an_estimate_says_so() -> None:
    assert complete_usage(NO_USAGE, 1, 2) == Usage(input_tokens=1, output_tokens=2, total_tokens=3, estimated=True)
    assert complete_usage(NO_USAGE, None, 1) == Usage(output_tokens=1, estimated=True)


def test_what_was_told_stays_unless_it_is_of_the_beginning_only() -> None:
    began = Usage(input_tokens=9, cached_input_tokens=3, output_tokens=1)
    completed = Usage(input_tokens=9, cached_input_tokens=3, output_tokens=40, total_tokens=49, estimated=True)
    assert complete_usage(began, 7, 40) == completed
    so_far = Usage(input_tokens=9, output_tokens=30)
    assert complete_usage(so_far, 7, 40) == Usage(input_tokens=9, output_tokens=30, total_tokens=39, estimated=True)


@given(pieces=st.lists(st.text()))
def test_a_text_in_pieces_is_as_many_tokens_as_the_text(pieces: list[str]) -> None:
    count = TokenCount()
    for piece in pieces:
        count.add(piece)
    assert count.tokens == count_tokens("".join(pieces))


def test_the_estimate_is_near_on_recorded_answers(shared: Path) -> None:
    ratios = []
    for path in (shared / "recordings").glob("*/*_chat/*.json"):
        recording = json.loads(path.read_bytes())
        if recording["dialect"] not in ("mistral_chat", "openai_chat") or recording["response"].get("body") is None:
            continue
        body = json.dumps(recording["response"]["body"]).encode()
        answer = read_answer(Operation.CHAT, Dialect.OPENAI_CHAT, "application/json", body)
        hidden = answer.usage.reasoning_tokens and not answer.reasoning
        if (
            answer.usage.output_tokens
            and answer.usage.output_tokens >= 20
            and not hidden
            and (answer.text or answer.tool_calls)
        ):
            said = "".join(filter(None, (answer.text, answer.reasoning, answer.tool_calls)))
            ratios.append(count_tokens(said) / answer.usage.output_tokens)
    ratios.sort()
    assert 0.85 < ratios[len(ratios) // 2] < 1.2
    assert sum(2 / 3 < ratio < 3 / 2 for ratio in ratios) > 0.75 * len(ratios)
