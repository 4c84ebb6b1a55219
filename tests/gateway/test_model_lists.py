"""What providers listed: how long it is remembered, who shares a question, and when it is withdrawn."""

import asyncio
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.board.board import Word
from gantry.core.vocabulary import Outcome
from gantry.gateway import model_lists
from gantry.prices.sealed_table import table_name
from tests.gateway.catalogue import (
    LARGE,
    LARGE_NAMES,
    LLAMA,
    LLAMA_NAMES,
    MISTRAL_AGENT,
    ask,
    begin,
    credential,
    ended,
    holding,
    listing,
    listing_node,
    model_list,
    names,
    publish,
    silent,
    until,
)
from tests.gateway.conftest import Heard, Upstream, answering, json_answer

Runner = Callable[[Any], Any]


def test_an_answer_is_remembered_and_a_failure_is_not(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(listing(LARGE)).running() as mistral,
            Upstream(answering(json_answer(b"{}", b"500 Oh"))).running() as groq,
            listing_node(tmp_path, credential("mistral", mistral.url), credential("groq", groq.url)) as node,
        ):
            for _ in range(2):
                assert names(await ask(node)) == LARGE_NAMES
            assert (mistral.heard.count(b"GET "), groq.heard.count(b"GET ")) == (1, 2)
            assert (await ask(node, "/v1/models/mistral-large-latest")).status == 200
            assert mistral.heard.count(b"GET ") == 1
            calls = await ended(node, 3)
            assert [len(closed.attempts) for _, closed, _ in calls] == [2, 1, 0]

    run(main())


def test_what_is_remembered_grows_old(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_lists, "REMEMBERED_SECONDS", 0.0)

    async def main() -> None:
        async with (
            Upstream(listing(LARGE)).running() as mistral,
            listing_node(tmp_path, credential("mistral", mistral.url)) as node,
        ):
            for _ in range(2):
                await ask(node)
            assert mistral.heard.count(b"GET ") == 2

    run(main())


def test_memory_is_bounded(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_lists, "_MAX_KEPT_LISTS", 1)

    async def main() -> None:
        async with (
            Upstream(listing(LARGE)).running() as mistral,
            Upstream(listing(LLAMA)).running() as groq,
            listing_node(tmp_path, credential("mistral", mistral.url), credential("groq", groq.url)) as node,
        ):
            for _ in range(2):
                assert len(names(await ask(node))) == 3
            assert mistral.heard.count(b"GET ") + groq.heard.count(b"GET ") >= 3

    run(main())


def test_a_swap_of_the_snapshot_forgets(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(listing(LARGE)).running() as mistral, listing_node(tmp_path) as node:
            for version in (7, 8):
                await publish(node, version, [credential("mistral", mistral.url)])
                assert names(await ask(node)) == LARGE_NAMES
            assert mistral.heard.count(b"GET ") == 2

    run(main())


def test_all_who_wait_share_one_question(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        script = holding(model_list(LARGE), gate)
        async with (
            Upstream(script).running() as mistral,
            listing_node(tmp_path, credential("mistral", mistral.url)) as node,
        ):
            clients = [await node.connect() for _ in range(3)]
            for client in clients:
                client.send(node.request("/v1/models", b"", MISTRAL_AGENT, method="GET"))
            await mistral.hears(b"\r\n\r\n")
            await until(lambda: node.slot[Word.IN_FLIGHT] == 3)
            clients.pop().leave()
            await until(lambda: node.slot[Word.IN_FLIGHT] == 2)
            gate.set()
            for client in clients:
                assert names(await client.answer("GET")) == LARGE_NAMES
                client.leave()
            assert mistral.heard.count(b"GET ") == 1
            calls = await ended(node, 3)
            outcomes = sorted(closed.outcome for _, closed, _ in calls)
            assert outcomes == [Outcome.CLIENT_GONE, Outcome.SUCCESS, Outcome.SUCCESS]

    run(main())


def test_a_question_of_an_earlier_snapshot_is_not_shared(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        async with (
            Upstream(holding(model_list(LARGE), gate)).running() as before,
            Upstream(listing(LLAMA)).running() as after,
            listing_node(tmp_path, credential("togetherai", before.url)) as node,
        ):
            client = await begin(node)
            await before.hears(b"\r\n\r\n")
            await publish(node, 7, [credential("togetherai", after.url)])
            assert LLAMA_NAMES[0] in names(await ask(node))
            gate.set()
            assert (await client.answer("GET")).status == 200
            client.leave()
            assert LLAMA_NAMES[0] in names(await ask(node))
            assert after.heard.count(b"GET ") == 1

    run(main())


def test_a_swap_under_way_answers_but_is_not_remembered(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        script = holding(model_list(LARGE), gate)
        async with (
            Upstream(script).running() as mistral,
            listing_node(tmp_path, credential("mistral", mistral.url)) as node,
        ):
            client = await begin(node)
            await mistral.hears(b"\r\n\r\n")
            await publish(node, 7, [credential("mistral", mistral.url)])
            gate.set()
            assert names(await client.answer("GET")) == LARGE_NAMES
            client.leave()
            assert names(await ask(node)) == LARGE_NAMES
            assert mistral.heard.count(b"GET ") == 2

    run(main())


def test_a_client_that_leaves_frees_the_providers(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_lists, "_PATIENCE", 1000.0)

    async def main() -> None:
        async with (
            Upstream(silent).running() as upstream,
            listing_node(tmp_path, credential("mistral", upstream.url), patience=1000.0) as node,
        ):
            client = await begin(node)
            await upstream.hears(b"\r\n\r\n")
            client.leave()
            await upstream.connections[0].closed.wait()
            _, closed, _ = await node.one_call()
            assert (closed.outcome, closed.status) == (Outcome.CLIENT_GONE, 0)
            assert [attempt.outcome for attempt in closed.attempts] == [Outcome.CLIENT_GONE]
            assert node.slot[Word.IN_FLIGHT] == 0

    run(main())


def test_sixteen_are_asked_at_once(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(silent).running() as upstream,
            listing_node(
                tmp_path, *(credential(f"custom-{number}", upstream.url) for number in range(20)), patience=0.5
            ) as node,
        ):
            client = await begin(node)
            await until(lambda: len(upstream.connections) == 16)
            await asyncio.sleep(0)
            assert len(upstream.connections) == 16
            assert (await client.answer("GET")).status == 504
            client.leave()
            _, closed, _ = await node.one_call()
            assert (closed.outcome, len(closed.attempts)) == (Outcome.TIMEOUT, 20)

    run(main())


def test_a_compressed_list_and_a_connection_that_grew_stale(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_lists, "REMEMBERED_SECONDS", 0.0)
    packed = json_answer(gzip.compress(b'{"data":[%b]}' % LARGE), b"200 OK", b"content-encoding: gzip")

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
        """Answer one request, and close the connection when the next one comes."""
        heard.data += await reader.readuntil(b"\r\n\r\n")
        writer.write(packed)
        await reader.readuntil(b"\r\n\r\n")

    async def main() -> None:
        async with (
            Upstream(once).running() as mistral,
            listing_node(tmp_path, credential("mistral", mistral.url)) as node,
        ):
            for _ in range(2):
                assert names(await ask(node)) == LARGE_NAMES
            assert len(mistral.connections) == 2

    run(main())


def test_a_worker_that_stops_says_so(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(silent).running() as upstream,
            listing_node(tmp_path, credential("mistral", upstream.url)) as node,
        ):
            client = await begin(node)
            await upstream.hears(b"\r\n\r\n")
            node.worker.stop(0.1)
            assert (await client.answer("GET")).status == 503
            client.leave()
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.GATEWAY_ERROR

    run(main())


def test_prices_that_cannot_be_read_are_looked_at_once_for_a_list(
    run: Runner, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cards = [b'{"id":"model-%d"}' % number for number in range(50)]

    async def main() -> None:
        async with (
            Upstream(listing(*cards)).running() as groq,
            listing_node(tmp_path, credential("groq", groq.url)) as node,
        ):
            (node.home.cache / table_name()).write_bytes(b"damaged")
            assert "groq/model-49" in names(await ask(node))
            assert caplog.text.count("cannot be used") == 1

    run(main())
