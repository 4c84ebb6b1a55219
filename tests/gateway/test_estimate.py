"""What a request may take, by its envelope alone; and what an answer that broke off has come to."""

import json
from typing import Any

import pytest

from gantry.core.vocabulary import Operation
from gantry.gateway.estimate import MOST_TOKENS, UNKNOWN, measure, received_tokens, text_tokens
from gantry.wire.envelope import peek

LONGEST = 4096


def output(operation: Operation = Operation.CHAT, **members: Any) -> int | None:
    usage = measure(operation, peek(json.dumps(members).encode()), LONGEST).usage
    return None if usage is None else usage.output_tokens


@pytest.mark.parametrize(
    ("members", "tokens"),
    [
        ({}, LONGEST),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 7}, 7),
        ({"max_tokens": 1, "max_completion_tokens": 900}, 900),  # whichever the provider reads
        ({"max_tokens": 7, "n": 3}, 21),
        ({"contents": [], "generationConfig": {"maxOutputTokens": 7, "candidateCount": 2}}, 14),
        ({"contents": [], "generation_config": {"max_output_tokens": 7}}, 7),
        ({"max_tokens": None}, LONGEST),
        ({"max_tokens": "many"}, LONGEST),
        ({"max_tokens": "900"}, 900),  # lenient providers read it so
        ({"max_tokens": 900.0}, 900),
        ({"max_tokens": 1e300, "n": "2"}, MOST_TOKENS),
        ({"max_tokens": "9" * 9000}, LONGEST),
        ({"max_tokens": 7, "n": 3.0}, 21),
        ({"max_tokens": 7.5}, LONGEST),
        ({"max_tokens": True}, LONGEST),
        ({"max_tokens": -5}, LONGEST),
        ({"max_tokens": 10**30}, MOST_TOKENS),
        ({"max_tokens": 10**15}, MOST_TOKENS),
        ({"max_tokens": 0}, 0),
        ({"max_tokens": 7, "n": -1}, 7),
        ({"generationConfig": 5}, LONGEST),
    ],
)
def test_an_answer_is_as_long_as_the_caller_lets_it_be(members: dict[str, Any], tokens: int) -> None:
    assert output(**members) == tokens


@pytest.mark.parametrize(
    ("operation", "members", "tokens"),
    [
        (Operation.CHAT, {"messages": [], "max_output_tokens": 1}, LONGEST),
        (Operation.CHAT, {"messages": [], "contents": [], "generationConfig": {"maxOutputTokens": 1}}, LONGEST),
        (Operation.CHAT, {"messages": [], "completion_args": {"max_tokens": 1}}, LONGEST),
        (Operation.CHAT, {"contents": [], "max_tokens": 1}, LONGEST),
        (Operation.RESPONSES, {"max_output_tokens": 7}, 7),
        (Operation.RESPONSES, {"max_tokens": 1}, LONGEST),
        (Operation.CONVERSATIONS, {"completion_args": {"max_tokens": 7}}, 7),
        (Operation.CONVERSATIONS, {"max_tokens": 1}, LONGEST),
        (Operation.FIM, {"max_tokens": 7}, 7),
        (Operation.COMPLETIONS, {"prompt": "a", "max_tokens": 7}, 7),
        (Operation.COMPLETIONS, {"prompt": ["a", "b"], "n": 2, "max_tokens": 7}, 28),
        (Operation.COMPLETIONS, {"prompt": [1, 2, 3], "max_tokens": 7}, 7),
        (Operation.COMPLETIONS, {"prompt": [[1, 2], [3]], "max_tokens": 7}, 14),
        (Operation.COMPLETIONS, {"prompt": [], "max_tokens": 7}, 7),
        (Operation.COMPLETIONS, {"prompt": "a", "n": 1, "best_of": 3, "max_tokens": 7}, 21),
        (Operation.COMPLETIONS, {"prompt": ['he said "so", and', "\\"], "max_tokens": 7}, 14),
        (Operation.CHAT, {"prompt": ["a", "b"], "best_of": 3, "max_tokens": 7}, 7),
        (Operation.AGENT_CHAT, {"messages": [], "max_tokens": 7}, 7),
    ],
)
def test_a_bound_that_no_provider_of_the_format_reads_is_none(
    operation: Operation, members: dict[str, Any], tokens: int
) -> None:
    assert output(operation, **members) == tokens


@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_language_without_spaces_is_no_file(*, ascii_only: bool) -> None:
    said = json.dumps({"input": "\u4f60\u597d\uff0c\u4e16\u754c" * 10_000}, ensure_ascii=ascii_only).encode()
    assert text_tokens(said) == -(-len(said) // 4)


def test_text_counts_by_its_length_and_a_file_as_an_image_does() -> None:
    said = b'{"model":"m","messages":[{"role":"user","content":"' + b"some words " * 400 + b'"}]}'
    assert text_tokens(said) == -(-len(said) // 4)
    seen = b'{"image":"data:image/png;base64,' + b"iVBORw0KGgo" * 100_000 + b'"}'
    assert 2000 < text_tokens(seen) < 2100
    long = b'{"input":"' + b"some words " * 4000 + b'"}'
    assert text_tokens(long) == -(-len(long) // 4)  # text, however long


@pytest.mark.parametrize(
    "operation", [Operation.OCR, Operation.TRANSCRIPTION, Operation.FILES, Operation.BATCHES, Operation.OPAQUE]
)
def test_what_only_the_answer_tells_is_unknown_and_not_nothing(operation: Operation) -> None:
    assert measure(operation, peek(b'{"model":"m"}'), LONGEST) is UNKNOWN
    assert measure(Operation.CHAT, None, LONGEST) is UNKNOWN


def test_a_stream_that_broke_off_is_a_token_for_each_event_at_least() -> None:
    event = b'data: {"choices":[{"delta":{"content":"word"}}]}\n\n'
    assert received_tokens(Operation.CHAT, event * 10, len(event) * 10) == 10
    assert received_tokens(Operation.CHAT, event * 10, len(event) * 1000) == 1000  # of which the end is at hand
    assert received_tokens(Operation.CHAT, b'{"choices":[', 12) == 3
    assert received_tokens(Operation.CHAT, b"", 0) == 0
    assert received_tokens(Operation.OPAQUE, event, len(event)) == 0
