"""Every fault of timing, framing and connection, read back by a parser that is not ours."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gantry.simulator import Simulator
from gantry.simulator.compression import Encoding, negotiate
from gantry.simulator.delivery import End, Pause, Terms, plain, script
from gantry.simulator.exchange import Answer, stream_answer
from gantry.simulator.faults import NO_FAULTS, Cut, Faults
from tests.simulator.client import Reply, ask, chat, run

STREAM = stream_answer([b"data: %d\n\n" % number for number in range(6)], range(6))
WHOLE = Answer(200, b"application/json", (b'{"a":1}',), ((b"x-own", b"1"),))


def wire(answer: Answer, faults: Faults, terms: Terms | None = None) -> bytes:
    return b"".join(step for step in script(answer, faults, terms or Terms()) if isinstance(step, bytes))


def last(answer: Answer, faults: Faults, terms: Terms | None = None) -> object:
    return list(script(answer, faults, terms or Terms()))[-1]


def asked(faults: str, *, stream: bool = True) -> Reply:
    async def scene(simulator: Simulator) -> Reply:
        return await ask(simulator, "/v1/chat/completions", chat(stream=stream), faults=faults)

    reply: Reply = run(scene)
    return reply


def test_a_plain_answer_is_one_piece_with_its_length() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\nx-own: 1\r\n\r\n"
    assert plain(WHOLE) == head + b'{"a":1}'
    assert wire(WHOLE, NO_FAULTS) == plain(WHOLE)


def test_a_stream_is_one_chunk_for_each_event() -> None:
    assert wire(STREAM, NO_FAULTS).endswith(b"9\r\ndata: 5\n\n\r\n0\r\n\r\n")
    assert last(STREAM, NO_FAULTS) is End.KEEP


@pytest.mark.parametrize(
    ("faults", "end"),
    [
        (Faults(close=True), End.CUT),
        (Faults(reset=True), End.RESET),
        (Faults(hang=True), End.HANG),
        (Faults(cut=Cut.MID_EVENT), End.CUT),
        (Faults(cut=Cut.BETWEEN_EVENTS), End.CUT),
        (Faults(cut=Cut.BEFORE_END), End.CUT),
        (Faults(reset_mid=True), End.RESET),
        (Faults(malformed_chunk=True), End.CUT),
        (Faults(close_delimited=True), End.CLOSE),
        (Faults(stall=1), End.KEEP),
    ],
)
@pytest.mark.parametrize("answer", [STREAM, WHOLE])
def test_a_fault_decides_how_the_connection_ends(answer: Answer, faults: Faults, end: End) -> None:
    assert last(answer, faults) is end


def test_a_cut_is_where_it_was_asked_for() -> None:
    assert wire(STREAM, Faults(cut=Cut.BETWEEN_EVENTS, at=2)).endswith(b"9\r\ndata: 1\n\n\r\n")
    assert wire(STREAM, Faults(cut=Cut.MID_EVENT, at=2)).endswith(b"9\r\ndata: 1\n\n\r\n4\r\ndata\r\n")
    assert wire(STREAM, Faults(cut=Cut.BEFORE_END)).endswith(b"9\r\ndata: 5\n\n\r\n")
    assert wire(WHOLE, Faults(cut=Cut.MID_EVENT)).endswith(b'\r\n\r\n{"a')


def test_pauses_follow_the_settings_and_the_tokens_of_each_event() -> None:
    terms = Terms(first_token=2.0, tokens_per_second=4.0)
    pauses = [step.seconds for step in script(STREAM, Faults(stall=3.0, at=1), terms) if isinstance(step, Pause)]
    assert [seconds for seconds in pauses if seconds] == [2.0, 3.0, 0.25, 0.5, 0.75, 1.0, 1.25]


def test_an_older_client_gets_a_body_that_ends_with_the_connection() -> None:
    answer = wire(STREAM, NO_FAULTS, Terms(http_11=False, keep_alive=False))
    assert b"transfer-encoding" not in answer
    assert answer.endswith(b"data: 4\n\ndata: 5\n\n")


@pytest.mark.parametrize("status", [204, 304])
def test_some_answers_have_no_body(status: int) -> None:
    answer = Answer(status, b"application/json", (b"",))
    assert wire(answer, NO_FAULTS) == plain(answer)
    assert b"content-" not in plain(answer)


def test_only_the_head_of_an_answer_to_head() -> None:
    assert wire(WHOLE, NO_FAULTS, Terms(head=True)).endswith(b"content-length: 7\r\nx-own: 1\r\n\r\n")


@given(
    parts=st.lists(st.binary(max_size=40), min_size=1, max_size=8),
    size=st.integers(1, 50),
    extensions=st.booleans(),
    trailers=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_small_writes_change_no_byte(parts: list[bytes], size: int, extensions: bool, trailers: bool) -> None:
    answer = stream_answer(parts)
    framing = Faults(chunk_extensions=extensions, trailers=trailers)
    sliced = Faults(chunk_extensions=extensions, trailers=trailers, write_bytes=size)
    assert wire(answer, sliced) == wire(answer, framing)
    assert all(len(step) <= size for step in script(answer, sliced, Terms()) if isinstance(step, bytes))


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        (None, Encoding.IDENTITY),
        (b"", Encoding.IDENTITY),
        (b"identity", Encoding.IDENTITY),
        (b"gzip, deflate", Encoding.GZIP),
        (b"gzip, deflate, br", Encoding.BROTLI),
        (b"br;q=0, gzip;q=0.5", Encoding.GZIP),
        (b"gzip;q=oops", Encoding.IDENTITY),
    ],
)
def test_the_encoding_is_one_the_client_accepts(accepted: bytes | None, chosen: Encoding) -> None:
    assert negotiate(accepted) is chosen


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("framing", ["", "; trailers; chunk-extensions", "; close-delimited", "; write-bytes=3"])
def test_a_body_reads_the_same_whatever_its_encoding_and_framing(encoding: str, stream: bool, framing: str) -> None:
    reply = asked(f"encoding={encoding}{framing}", stream=stream)
    assert not reply.broken
    assert reply.body == asked("encoding=identity", stream=stream).body
    assert reply.headers.get("content-encoding", "identity") == encoding


@pytest.mark.parametrize(
    "faults",
    ["cut=mid-event", "cut=between-events", "cut=before-end", "malformed-chunk", "reset-mid", "reset", "close"],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_broken_answer_never_looks_whole(faults: str, stream: bool) -> None:
    assert asked(faults, stream=stream).broken


def test_the_framing_can_contradict_itself() -> None:
    terms = Terms()
    for answer in (STREAM, WHOLE):
        head = wire(answer, Faults(ambiguous_framing=True), terms).partition(b"\r\n\r\n")[0]
        assert b"content-length:" in head
        assert b"transfer-encoding: chunked" in head


def test_informational_answers_and_trailers_arrive() -> None:
    reply = asked("informational=103; trailers")
    assert (reply.informational, reply.status) == ([103], 200)
    assert reply.trailers == {"x-simulated-trailer": "seen"}


def test_a_huge_header_and_a_huge_body_arrive() -> None:
    reply = asked("header-bytes=100000; body-bytes=300000", stream=False)
    assert len(reply.headers["x-simulated-padding"]) == 100_000
    assert len(reply.json["choices"][0]["message"]["content"]) >= 300_000


def test_a_hanging_answer_ends_when_the_client_leaves() -> None:
    async def scene(simulator: Simulator) -> tuple[bool, int]:
        call = asyncio.create_task(ask(simulator, "/v1/chat/completions", chat(), faults="hang"))
        await simulator.begun(1)
        call.cancel()
        (seen,) = await simulator.ended(1)
        return seen.hung_up, seen.sent

    assert run(scene) == (True, 0)
