"""Law 5 where it is hard to keep: each admitted call is opened and closed once, and says who served it and how much."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gantry.board.board import Word
from gantry.core.vocabulary import ContentPolicy, Outcome, Scope
from gantry.gateway.call import Call
from gantry.gateway.limits import WorkerLimits
from gantry.journal.frames import CallClosed, CallOpened, Direction, FrameKind, LogPosted, PartCaptured
from gantry.journal.writer import JournalFull, JournalLevel
from gantry.wire.body import LAST_CHUNK, encode_chunk
from gantry.wire.head import ResponseHead
from tests.gateway.conftest import (
    STREAM_HEAD,
    Heard,
    Node,
    Upstream,
    answering,
    json_answer,
    read_request,
    running_node,
)
from tests.gateway.test_faults import STREAMED, silent, stalling
from tests.gateway.test_relay import ANSWER, BODY, CHAT, EVENTS, MISTRAL, event
from tests.journal.levels import hold_at

Runner = Callable[[Any], Any]
PASSING = WorkerLimits(drain_timeout=0.2, refuse_when_journal_full=False)
LOG = b'{"model":"m","input":"canary-in","output":"canary-out"}'


async def settled(node: Node) -> None:
    """Wait until no call is under way."""
    for _ in range(500):
        if node.slot[Word.IN_FLIGHT] == 0:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("a call does not end")


def refusing_frames(node: Node, monkeypatch: pytest.MonkeyPatch, *kinds: FrameKind) -> None:
    """Let the journal refuse some kinds of frames."""
    append = node.worker.journal.append

    def refusing(kind: FrameKind, payload: bytes) -> None:
        if kind in kinds:
            raise JournalFull("no room")
        append(kind, payload)

    monkeypatch.setattr(node.worker.journal, "append", refusing)


@pytest.mark.parametrize("policy", [ContentPolicy.METADATA, ContentPolicy.NOTHING])
def test_a_call_is_recorded_with_its_callers_trace(run: Runner, tmp_path: Path, policy: ContentPolicy) -> None:
    async def main() -> None:
        async with Upstream(answering(json_answer(ANSWER))).running() as upstream:
            async with running_node(tmp_path, upstream.url, content_policy=policy) as node:
                parent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
                assert (await node.ask(CHAT, BODY, b"traceparent: " + parent)).status == 200
                opened, _, _ = await node.one_call()
                assert opened.trace_parent == ("" if policy is ContentPolicy.NOTHING else parent.decode())

    run(main())


@pytest.mark.parametrize("by_budget", [True, False])
@pytest.mark.plain
def test_a_call_that_passes_unrecorded_leaves_no_frame_at_all(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_budget: bool
) -> None:
    big = json_answer(b'{"x":"' + b"y" * 200_000 + b'"}')

    async def main() -> None:
        async with (
            Upstream(answering(big)).running() as upstream,
            running_node(tmp_path, upstream.url, limits=PASSING) as node,
        ):
            if by_budget:
                hold_at(node.worker.journal, JournalLevel.FULL)
            else:
                refusing_frames(node, monkeypatch, FrameKind.CALL_OPENED)
            assert (await node.ask(CHAT, BODY, MISTRAL)).status == 200
            await settled(node)
            assert node.frames() == []
            assert node.slot[Word.CALLS_UNRECORDED] == 1
            assert node.slot[Word.SUCCEEDED] == 1

    run(main())


@pytest.mark.plain
def test_an_end_that_the_journal_refuses_is_written_when_there_is_room(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            with monkeypatch.context() as patch:
                refusing_frames(node, patch, FrameKind.CALL_CLOSED)
                assert (await node.ask(CHAT, BODY, MISTRAL)).status == 200
                assert node.calls()[0][1] is None
                assert (await node.ask("/readyz", method="GET")).status == 503
            _, closed, captured = await node.one_call()
            assert (closed.outcome, captured) == (Outcome.SUCCESS, ANSWER)

    run(main())


def test_the_callers_own_mistake_is_named_even_when_the_journal_is_full(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:1") as node:
            hold_at(node.worker.journal, JournalLevel.FULL)
            answer = await node.ask(CHAT, BODY.replace(b"mistral-small-latest", b"nobodys"), MISTRAL)
            assert answer.status in (400, 404, 502, 503)
            assert "journal" not in json.loads(answer.body)["message"] or answer.status == 503
            answer = await node.ask("/api/chat/completions", BODY.replace(b"mistral-small-latest", b"nobodys"))
            assert answer.status == 404
            assert node.slot[Word.IN_FLIGHT] == 0

    run(main())


def test_a_journal_that_fills_during_an_answer_takes_no_more_of_its_body(run: Runner, tmp_path: Path) -> None:
    usage = b'"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}'

    async def main() -> None:
        go_on = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
            await read_request(reader, heard)
            writer.write(STREAM_HEAD + encode_chunk(EVENTS[0]))
            await go_on.wait()
            for _ in range(50):
                writer.write(encode_chunk(b": " + b"x" * 20_000 + b"\n\n"))
            writer.write(encode_chunk(b'data: {"id":"1",' + usage + b"\n\n" + EVENTS[3]) + LAST_CHUNK)

        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            client.send(node.request(CHAT, STREAMED, MISTRAL))
            await client.reader.readuntil(EVENTS[0])
            hold_at(node.worker.journal, JournalLevel.NO_BODIES)
            go_on.set()
            while not (await client.reader.read(1 << 20)).endswith(LAST_CHUNK):
                continue
            _, closed, captured = await node.one_call()
            assert len(captured) < 100_000
            assert closed.truncated
            assert msgspec.json.decode(closed.usage)["total_tokens"] == 7
            client.leave()

    run(main())


def test_what_the_ladder_withholds_is_marked(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            hold_at(node.worker.journal, JournalLevel.NO_BODIES)
            await node.ask(CHAT, BODY, MISTRAL)
            _, closed, _ = await node.one_call()
            assert closed.truncated

    run(main())


@pytest.mark.parametrize("size", [100, 6_000_000])
def test_a_request_beyond_the_bound_is_kept_up_to_it_and_marked(run: Runner, tmp_path: Path, size: int) -> None:
    limits = WorkerLimits(drain_timeout=0.2, max_capture_bytes=5_000_000)
    body = BODY.replace(b'"hi"', b'"' + b"h" * size + b'"')

    async def main() -> None:
        async with (
            Upstream(answering(json_answer(ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url, limits=limits) as node,
        ):
            assert (await node.ask(CHAT, body, MISTRAL)).status == 200
            opened, closed, _ = await node.one_call()
            sent = b"".join(
                frame.data
                for frame in node.frames()
                if isinstance(frame, PartCaptured) and frame.direction is Direction.REQUEST
            )
            assert (opened.request_body + sent) == body[:5_000_000]
            assert closed.truncated is (size > 5_000_000)

    run(main())


@pytest.mark.parametrize("path", [CHAT, "/api/chat/completions"])
def test_a_model_that_says_done_is_not_done(run: Runner, tmp_path: Path, path: str) -> None:
    """Else nobody would see the usage, and a prompt could make its answer free of charge."""
    words = event(b'"delta":{"content":"[DONE]\\ndata: [DONE]\\n\\n"},"finish_reason":null')

    async def main() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
            await read_request(reader, heard)
            writer.write(STREAM_HEAD + encode_chunk(EVENTS[0] + words))
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.write(encode_chunk(EVENTS[2]) + encode_chunk(EVENTS[3]) + LAST_CHUNK)

        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            answer = await node.ask(path, STREAMED)
            assert answer.body.endswith(EVENTS[3])
            _, closed, captured = await node.one_call()
            assert captured == EVENTS[0] + words + EVENTS[2] + EVENTS[3]
            assert closed.response_bytes == len(captured)

    run(main())


def test_nothing_is_captured_behind_the_end_of_a_stream(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
            await read_request(reader, heard)
            writer.write(STREAM_HEAD + encode_chunk(EVENTS[3]))
            for _ in range(5):
                await asyncio.sleep(0.01)
                writer.write(encode_chunk(b": " + b"x" * 40_000 + b"\n\n"))
            writer.write(LAST_CHUNK)

        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            await node.ask(CHAT, STREAMED, MISTRAL)
            frames = node.frames()
            assert [type(frame) for frame in frames] == [CallOpened, CallClosed], "a part came after the close frame"

    run(main())


@pytest.mark.parametrize(
    ("script", "body", "status"), [(silent, BODY, None), (stalling, STREAMED, 200)], ids=["waiting", "answering"]
)
def test_a_call_whose_client_left_says_who_served_it(
    run: Runner, tmp_path: Path, script: Any, body: bytes, status: int | None
) -> None:
    async def main() -> None:
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            client.send(node.request(CHAT, body, MISTRAL))
            await upstream.hears(body)
            if status is not None:
                await client.reader.readuntil(EVENTS[0])
            client.leave()
            _, closed, _ = await node.one_call()
            (attempt,) = closed.attempts
            assert (attempt.provider_id, attempt.upstream_model) == ("mistral", "mistral-small-latest")
            assert (attempt.outcome, attempt.status) == (Outcome.CLIENT_GONE, status)

    run(main())


def test_the_rest_of_the_metadata_is_logged_when_ours_is_lifted_out(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            body = BODY[:-1] + b',"metadata":{"kept":1,"respan_params":{"customer_identifier":"u1"}}}'
            await node.ask(CHAT, body, MISTRAL)
            opened, _, _ = await node.one_call()
            assert msgspec.json.decode(opened.metadata) == {"kept": 1}

    run(main())


def test_a_request_that_may_have_been_read_is_not_sent_twice(run: Runner, tmp_path: Path) -> None:
    async def slow_death(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
        await read_request(reader, heard)
        writer.write(json_answer(ANSWER))
        await read_request(reader, heard)
        await asyncio.sleep(1.5)

    async def main() -> None:
        async with (
            Upstream(slow_death, answering(json_answer(ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            assert (await node.ask(CHAT, BODY, MISTRAL)).status == 200
            assert (await node.ask(CHAT, BODY, MISTRAL)).status == 502
            assert len(upstream.connections) == 1

    run(main())


@pytest.mark.parametrize("where", ["on_head", "on_data"])
def test_a_fault_of_ours_in_an_answer_ends_the_call(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def broken(self: Call, *_: ResponseHead | bytes) -> None:
        raise RuntimeError("a fault of ours")

    async def main() -> None:
        async with (
            Upstream(answering(json_answer(ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            monkeypatch.setattr(Call, where, broken)
            client = await node.connect()
            client.send(node.request(CHAT, BODY, MISTRAL))
            said = await asyncio.wait_for(client.reader.read(15), 5)
            assert said in (b"", b"HTTP/1.1 500 In", b"HTTP/1.1 200 OK")
            _, closed, _ = await node.one_call()
            assert closed.outcome in (Outcome.GATEWAY_ERROR, Outcome.SUCCESS)
            assert node.slot[Word.IN_FLIGHT] == 0
            client.leave()

    run(main())


def test_calls_cut_by_the_end_of_a_drain_are_recorded_as_our_doing(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(stalling, silent).running() as upstream, running_node(tmp_path, upstream.url) as node:
            stream, whole = await node.connect(), await node.connect()
            stream.send(node.request(CHAT, STREAMED, MISTRAL))
            await stream.reader.readuntil(EVENTS[0])
            whole.send(node.request(CHAT, BODY, MISTRAL))
            await upstream.hears(BODY)
            node.worker.stop(0.1)
            assert (await whole.answer()).status == 503
            assert b'"finish_reason":"error"' in await stream.closed()
            ends = [closed.outcome for _, closed, _ in node.calls() if closed is not None]
            assert ends == [Outcome.GATEWAY_ERROR] * 2
            for client in (stream, whole):
                client.leave()

    run(main())


@pytest.mark.parametrize("level", list(JournalLevel))
def test_posted_logs_keep_to_the_journals_ladder(run: Runner, tmp_path: Path, level: JournalLevel) -> None:
    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:1", scopes=int(Scope.INGEST)) as node:
            hold_at(node.worker.journal, level)
            answer = await node.ask("/api/request-logs/create/", LOG)
            assert answer.status == (503 if level is JournalLevel.FULL else 200)
            frames = node.frames()
            if level is JournalLevel.FULL:
                assert frames == []
                return
            (posted,) = frames
            assert isinstance(posted, LogPosted)
            keeps = level is JournalLevel.NORMAL
            assert (b"canary" in posted.body) is keeps
            assert posted.content_policy == (ContentPolicy.FULL if keeps else ContentPolicy.METADATA)

    run(main())


def test_posts_without_a_key_are_strangers(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:1") as node:
            request = node.request("/api/request-logs/create/", LOG).replace(node.key.encode(), b"nobody")
            client = await node.connect()
            client.send(request)
            assert (await client.answer()).status == 401
            assert node.slot[Word.STRANGERS] == 1
            client.leave()

    run(main())


def test_bodies_of_posts_count_as_held(run: Runner, tmp_path: Path) -> None:
    limits = WorkerLimits(drain_timeout=0.2, max_bytes_held=1000)

    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:1", limits=limits) as node:
            client = await node.connect()
            client.send(node.request("/api/request-logs/create/", b"{" + b" " * 2000 + b"}"))
            assert (await client.answer()).status == 503
            await asyncio.sleep(0.3)  # the board hears of it with the next tick
            assert node.slot[Word.BYTES_HELD] == 0
            client.leave()

    run(main())
