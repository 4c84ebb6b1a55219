"""What most answers are is read by a shorter way, which says the same as the long one."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gantry.dialects.chat_fold import ChatFold
from gantry.dialects.usage import read_usage_and_terms
from gantry.dialects.whole_chat import read_whole

COUNTS: st.SearchStrategy[Any] = st.sampled_from(
    (0, 1, 7, 7.0, 7.5, 10**15, 10**15 + 1, 10**30, -1, True, "7", None, {})
)
INPUT = st.none() | st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("cached_tokens", "audio_tokens", "text_tokens"), COUNTS)
)
OUTPUT = st.none() | st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("reasoning_tokens", "audio_tokens", "accepted_prediction_tokens"), COUNTS)
)
USAGES = st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": COUNTS,
        "completion_tokens": COUNTS,
        "total_tokens": COUNTS,
        "prompt_tokens_details": INPUT,
        "completion_tokens_details": OUTPUT,
        "num_cached_tokens": COUNTS,
        "service_tier": st.sampled_from(("flex", None, 5)),
        "speed": st.sampled_from(("fast", "standard")),
    },
)
TEXTS = st.none() | st.text(max_size=8)
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "role": TEXTS,
        "content": TEXTS | st.just([{"type": "text", "text": "a"}]),
        "tool_calls": st.sampled_from((None, [], [{"id": "1", "function": {"name": "f", "arguments": "{}"}}])),
        "function_call": st.sampled_from((None, {"name": "f", "arguments": "{}"})),
        "reasoning_content": TEXTS,
        "reasoning": TEXTS,
        "refusal": TEXTS,
        "prefix": st.booleans(),
    },
)
CHOICES = st.fixed_dictionaries(
    {},
    optional={
        "index": st.integers(0, 1),
        "message": st.none() | MESSAGES,
        "delta": st.none() | MESSAGES,
        "text": TEXTS,
        "finish_reason": st.sampled_from(("stop", "", None)),
    },
)
PARTS: dict[str, st.SearchStrategy[Any]] = {
    "id": TEXTS,
    "model": TEXTS,
    "choices": st.none() | st.lists(CHOICES, max_size=2),
    "usage": st.none() | USAGES,
    "usage_info": st.none() | USAGES,
    "x_groq": st.none() | st.fixed_dictionaries({"usage": USAGES}),
    "service_tier": st.sampled_from(("flex", "", None)),
    "error": st.none() | st.just({"message": "no"}),
    "detail": st.none() | st.just("no"),
    "message": TEXTS,
}


@given(USAGES)
def test_a_plain_usage_is_what_a_walk_over_its_members_finds(usage: dict[str, Any]) -> None:
    walked = msgspec.json.encode({**usage, "nobody_knows": "it"})
    told, terms, problems = read_usage_and_terms(msgspec.json.encode(usage))
    assert (told, terms, list(problems)) == (*(found := read_usage_and_terms(walked))[:2], list(found[2]))


@given(st.fixed_dictionaries({}, optional=PARTS) | st.fixed_dictionaries({"choices": st.lists(CHOICES, min_size=1)}))
def test_a_plain_answer_is_what_its_fold_comes_to(answer: dict[str, Any]) -> None:
    body = msgspec.json.encode(answer)
    fold = ChatFold(streamed=False)
    assert fold.add(body)
    assert read_whole(body) == fold.answer(True)


@given(MESSAGES, USAGES)
def test_so_is_one_of_one_message_with_its_usage(message: dict[str, Any], usage: dict[str, Any]) -> None:
    body = msgspec.json.encode(
        {"id": "1", "model": "m", "choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
    )
    fold = ChatFold(streamed=False)
    assert fold.add(body)
    assert read_whole(body) == fold.answer(True)


def test_what_is_no_object_is_no_answer() -> None:
    assert read_whole(b"[]") is None
