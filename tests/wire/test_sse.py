"""Server-sent events: the rules of the specification, and the law of re-chunking."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.wire.sse import EventTooLarge, SSEEvent, SSEParser, ends_event

TRANSCRIPTS = [
    ("one event", b"data: a\n\n", [SSEEvent(b"a")]),
    ("no space after the colon", b"data:a\n\n", [SSEEvent(b"a")]),
    ("one space is taken, no more", b"data:  a\n\n", [SSEEvent(b" a")]),
    ("data lines are joined", b"data: a\ndata: b\n\n", [SSEEvent(b"a\nb")]),
    ("carriage returns", b"data: a\r\rdata: b\r\r", [SSEEvent(b"a"), SSEEvent(b"b")]),
    ("both", b"data: a\r\n\r\ndata: b\r\n\r\n", [SSEEvent(b"a"), SSEEvent(b"b")]),
    ("mixed ends", b"data: a\r\n\ndata: b\n\r\n", [SSEEvent(b"a"), SSEEvent(b"b")]),
    ("a named event", b"event: ping\ndata: {}\n\n", [SSEEvent(b"{}", b"ping")]),
    ("the name after the data", b"data: {}\nevent: ping\n\n", [SSEEvent(b"{}", b"ping")]),
    ("an event without data is none", b"event: ping\n\n", []),
    ("empty data is data", b"data:\n\n", [SSEEvent(b"")]),
    ("a field without a colon", b"data\n\n", [SSEEvent(b"")]),
    ("comments", b": OPENROUTER PROCESSING\n\ndata: a\n: in between\ndata: b\n\n", [SSEEvent(b"a\nb")]),
    ("id and retry", b"id: 7\nretry: 3000\ndata: a\n\n", [SSEEvent(b"a")]),
    ("blank lines", b"\n\n\n\ndata: a\n\n\n\n", [SSEEvent(b"a")]),
    ("a byte order mark", b"\xef\xbb\xbfdata: a\n\n", [SSEEvent(b"a")]),
    ("a mark later on is content", b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [SSEEvent(b"a")]),
    (
        "line separators of Unicode are content",
        "data: a\u2028b\x85c\x0cd\n\n".encode(),
        [SSEEvent("a\u2028b\x85c\x0cd".encode())],
    ),
    ("no blank line at the end", b"data: a\n\ndata: b", [SSEEvent(b"a"), SSEEvent(b"b")]),
    ("one line end at the end", b"data: a\n", [SSEEvent(b"a")]),
    ("fields in other cases are not fields", b"DATA: a\n\n", []),
]


@pytest.mark.parametrize(
    ("stream", "events"), [case[1:] for case in TRANSCRIPTS], ids=[case[0] for case in TRANSCRIPTS]
)
def test_reads_events(stream: bytes, events: list[SSEEvent]) -> None:
    assert parse([stream]) == events


@pytest.mark.parametrize(
    ("stream", "events"), [case[1:] for case in TRANSCRIPTS], ids=[case[0] for case in TRANSCRIPTS]
)
def test_reads_events_byte_by_byte(stream: bytes, events: list[SSEEvent]) -> None:
    assert parse([stream[i : i + 1] for i in range(len(stream))]) == events


STREAMS = st.lists(
    st.sampled_from(
        [
            b"data: ",
            b"data:",
            b"data",
            b"event: x",
            b":",
            b"id: 1",
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b"\xef\xbb\xbf",
            b"a",
            b"\xff",
            b" ",
        ]
    ),
    max_size=30,
).map(b"".join)


@given(stream=STREAMS, cuts=st.lists(st.integers(0, 200), max_size=12))
def test_any_rechunking_gives_the_same_events(stream: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(edges)]
    assert parse(chunks) == parse([stream])


def test_an_event_may_be_as_large_as_the_limit() -> None:
    parser = SSEParser(limit=10)
    assert parser.feed(b"data: abcd\n\n") == [SSEEvent(b"abcd")]


@pytest.mark.parametrize("chunks", [[b"data: abcde\n\n"], [b"data: abcdefg"], [b"data: a", b"bcdefgh", b"ijk"]])
def test_a_larger_event_is_refused(chunks: list[bytes]) -> None:
    with pytest.raises(EventTooLarge, match="10 bytes"):
        parse(chunks, limit=10)


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"", True),
        (b"data: a", False),
        (b"data: a\n", False),
        (b"data: a\n\n", True),
        (b"data: a\r\n", False),
        (b"data: a\r\n\r\n", True),
        (b"data: a\r\r", True),
        (b": ping\n\n", True),
        (b"data: a\n\nd", False),
    ],
)
def test_the_boundary(stream: bytes, expected: bool) -> None:
    assert ends_event(b"\n\n" + stream) is expected


def parse(chunks: list[bytes], limit: int = 1000) -> list[SSEEvent]:
    parser = SSEParser(limit)
    return [event for chunk in chunks for event in parser.feed(chunk)] + parser.close()
