"""The client of the benchmark tells right answers from wrong ones, whatever the chunking."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.traffic import ANSWER, ANSWER_MARK, Shape, StreamReader, chat_body, stream_end, stream_event, wanted_shape


def test_answer_is_a_chat_completion() -> None:
    answer = json.loads(ANSWER)
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["content"].encode().endswith(ANSWER_MARK)


@pytest.mark.parametrize("size", [300, 10_000, 100_000, 1_000_000])
def test_body_has_its_size_and_says_what_it_wants(size: int) -> None:
    shape = Shape(events=7, pace=50, delay=3)
    body = chat_body("mistral-small-latest", shape, size)
    assert abs(len(body) - size) < 100
    assert json.loads(body)["stream"] is True
    assert wanted_shape(body) == shape


def test_a_body_without_stream_asks_for_a_whole_answer() -> None:
    body = chat_body("mistral-small-latest", Shape(delay=5), 300)
    assert wanted_shape(body) == Shape(events=0, delay=5)
    assert wanted_shape(b'{"model":"other"}') is None


def test_a_body_written_anew_by_a_gateway_is_still_understood() -> None:
    body = json.loads(chat_body("mistral-small-latest", Shape(events=2), 300))
    rewritten = json.dumps(dict(sorted(body.items(), reverse=True)))
    assert wanted_shape(rewritten.encode()) == Shape(events=2)


@given(cuts=st.lists(st.integers(min_value=0, max_value=1500), max_size=12))
def test_any_chunking_of_a_stream_reads_the_same(cuts: list[int]) -> None:
    stream = b"".join(stream_event(number, 1000 + number) for number in range(5)) + stream_end()
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    reader = StreamReader()
    for start, end in itertools.pairwise(edges):
        reader.feed(stream[start:end], 2000)
    assert reader.finish(5) == ""
    assert reader.delays == [1000, 999, 998, 997, 996]


@pytest.mark.parametrize(
    ("numbers", "ended", "fault"),
    [
        ([0, 1], True, ""),
        ([0], True, "1 events of 2"),
        ([1, 0], True, "event 1 came where 0 was due"),
        ([0, 1], False, "no end"),
    ],
)
def test_a_wrong_stream_is_noticed(numbers: list[int], ended: bool, fault: str) -> None:
    reader = StreamReader()
    for number in numbers:
        reader.feed(stream_event(number, 0), 1)
    if ended:
        reader.feed(stream_end(), 1)
    assert reader.finish(2) == fault
