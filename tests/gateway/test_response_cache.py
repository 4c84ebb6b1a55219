"""The response cache in front of a scripted provider: who is asked, what the caller gets, what is recorded."""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.board.answers import LARGEST_ANSWER, AnswerCache
from gantry.board.board import FIRST_WORKER_SLOT, Word
from gantry.core.api_key import ENTROPY_BYTES, format_key, key_digest
from gantry.core.routing_rules import CacheRule, RoutingRules
from gantry.core.vocabulary import DEFAULT_SCOPES, ContentPolicy, Environment, Outcome
from gantry.gateway.worker import Worker, WorkerSettings
from gantry.home import load_keyring
from gantry.journal.frames import CacheSwept
from gantry.providers.spec import load_catalog
from gantry.routing.snapshot import Body, CredentialRecord, KeyRecord, build_key_table, seal_table, write_snapshot
from gantry.wire.body import LAST_CHUNK, encode_chunk
from tests.gateway.catalogue import ended, until
from tests.gateway.conftest import STREAM_HEAD, Answer, Node, Script, Upstream, answering, json_answer, running_node
from tests.gateway.test_elsewhere import CLAUDE, credential, failing
from tests.gateway.uploads import FORM_TYPE, MISTRAL, TRANSCRIBED, Taken, file, form, part, post, taking

Runner = Callable[[Any], Any]
CHAT = "/api/chat/completions"
SMALL, LARGE = "mistral/mistral-small-latest", "mistral/mistral-large-latest"
ANSWER = (
    b'{"id":"1","object":"chat.completion","created":1,"model":"mistral-small-latest","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"canary-answer"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}'
)
EVENTS = [
    b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"canary"}}]}\n\n',
    b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"-answer"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}\n\n',
    b"data: [DONE]\n\n",
]
STREAM = STREAM_HEAD + b"".join(map(encode_chunk, EVENTS)) + LAST_CHUNK
HOUR = 3600


def chat(text: str = "canary-question", **fields: Any) -> bytes:
    body = {"model": SMALL, "messages": [{"role": "user", "content": text}], "cache_enabled": True, **fields}
    return json.dumps({name: value for name, value in body.items() if value is not None}).encode()


async def ask(node: Node, text: str = "canary-question", *headers: bytes, path: str = CHAT, **fields: Any) -> Answer:
    return await node.ask(path, chat(text, **fields), *headers)


def heard(upstream: Upstream) -> int:
    return upstream.heard.count(b"POST ")


@contextlib.asynccontextmanager
async def site(tmp_path: Path, script: Script | None = None, **options: Any) -> AsyncIterator[tuple[Node, Upstream]]:
    async with (
        Upstream(script or answering(json_answer(ANSWER))).running() as upstream,
        running_node(tmp_path, upstream.url, **options) as node,
    ):
        yield node, upstream


def cached(answer: Answer) -> str | None:
    return answer.headers.get("x-gantry-cache")


def rule(node: Node, **fields: Any) -> None:
    """Let the organization use the cache by a rule of its own."""
    state = node.worker._state
    assert state.snapshot is not None
    state.snapshot.body.routing_rules["o1"] = RoutingRules(cache=CacheRule(**fields))
    state.swap(state.snapshot)


def age(node: Node, seconds: float) -> None:
    """Let the cache's clock go forward."""
    state, keyring = node.worker._state, load_keyring(node.home)
    later = state.answers.now() + int(seconds * 1e9)
    state.answers = AnswerCache(node.home.responses, keyring.responses, keyring.response_names, clock=lambda: later)


def entries(node: Node) -> list[Path]:
    """Return the files of answers, and not what is still being written."""
    found = (path for path in node.home.responses.rglob("*") if path.is_file())
    return sorted(path for path in found if not path.name.startswith("."))


def test_the_second_call_asks_nobody(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as (node, upstream):
            first = await ask(node)
            second = await ask(node)
            assert heard(upstream) == 1
            assert (cached(first), cached(second)) == ("miss", "hit")
            assert (second.status, second.body) == (200, ANSWER)
            assert second.headers["content-type"] == first.headers["content-type"]
            assert second.headers["x-respan-log-id"] != first.headers["x-respan-log-id"]
            (_, filled, _), (opened, hit, captured) = await ended(node, 2)
            assert filled.cache.key == hit.cache.key == entries(node)[0].name
            assert (filled.cache.hit, hit.cache.hit) == (False, True)
            assert hit.cache.expires_at - hit.cache.kept_at == 30 * 24 * HOUR * 10**9
            assert (hit.outcome, hit.status, hit.attempts, captured) == (Outcome.SUCCESS, 200, [], ANSWER)
            assert (hit.cache.log_id, hit.cache.provider_id) == (first.headers["x-respan-log-id"], "mistral")
            assert (hit.cache.upstream_model, hit.cache.upstream_host) == ("mistral-small-latest", "127.0.0.1")
            assert (hit.cache.asked_model, hit.warnings, hit.routing_time) == (SMALL, [], None)
            assert hit.time_to_first_token is not None
            assert b"cache_enabled" not in opened.request_body
            assert b"canary-question" in opened.request_body
            slot = node.slot
            assert (slot[Word.REQUESTS], slot[Word.SUCCEEDED]) == (2, 2)
            assert (slot[Word.CACHE_HITS], slot[Word.CACHE_MISSES]) == (1, 1)
            metrics = await node.ask("/metrics", method="GET")
            assert b"gantry_cache_hits_total 1\n" in metrics.body

    run(main())


def test_a_call_that_does_not_ask_for_it_is_none_of_the_caches_business(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as (node, upstream):
            for fields in ({"cache_enabled": None}, {"cache_enabled": False}, {"cache_enabled": None, "cache_ttl": 5}):
                answer = await ask(node, **fields)
                assert cached(answer) is None
            assert heard(upstream) == 3
            assert entries(node) == []

    run(main())


@pytest.mark.parametrize("agent", [b"user-agent: OpenAI/Python 2.6.0", b"user-agent: mistral-client-python/3.0.0"])
def test_a_stream_comes_as_a_stream_and_a_whole_answer_whole(run: Runner, tmp_path: Path, agent: bytes) -> None:
    async def by_kind(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Any) -> None:
        while True:
            before = len(heard.data)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            heard.data += head + body
            assert len(heard.data) > before
            writer.write(STREAM if json.loads(body).get("stream") else json_answer(ANSWER))

    async def main() -> None:
        async with site(tmp_path, by_kind) as (node, upstream):
            for path in (CHAT, "/v1/chat/completions"):
                before = heard(upstream)
                whole, streamed = (
                    await ask(node, path, agent, path=path),
                    await ask(node, path, agent, path=path, stream=True),
                )
                again, streamed_again = (
                    await ask(node, path, agent, path=path, stream=False),
                    await ask(node, path, agent, path=path, stream=True),
                )
                assert heard(upstream) == before + 2
                assert (cached(again), cached(streamed_again)) == ("hit", "hit")
                assert again.body == whole.body
                assert streamed_again.body == streamed.body
                assert streamed.body.endswith(EVENTS[-1])
                assert streamed_again.headers["content-type"].startswith("text/event-stream")
                assert streamed_again.headers["transfer-encoding"] == "chunked"

    run(main())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"temperature": 0.5}),
        ({}, {"model": LARGE}),
        ({}, {"tools": []}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
        ({}, {"customer_credentials": {"mistral": {"api_key": "canary-own", "api_base": "https://127.0.0.1"}}}),
    ],
)
def test_what_is_asked_otherwise_is_another_question(
    run: Runner, tmp_path: Path, first: dict[str, Any], second: dict[str, Any]
) -> None:
    async def main() -> None:
        async with site(tmp_path, answering(STREAM if "stream" in first else json_answer(ANSWER))) as (node, _):
            assert cached(await ask(node, **first)) == "miss"
            assert cached(await ask(node, **first)) == "hit"
            refused = "customer_credentials" in second  # whose address is a private one
            assert cached(await ask(node, **second)) == (None if refused else "miss")
            assert node.slot[Word.CACHE_HITS] == 1

    run(main())


def test_who_asks_and_how_it_is_spelt_does_not_matter(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as (node, upstream):
            await ask(node, "é", temperature=0.5)
            spelt = (
                b'{ "temperature" : 0.5, "cache_enabled":true,"user":"u9","metadata":{"a":1},"stream":false,'
                b'"stream_options":null,"thread_identifier":"t","messages":[{"content":"\\u00e9","role":"user"}],'
                b'"model":"mistral-small-latest"}'
            )
            assert cached(await node.ask(CHAT, spelt)) == "hit"
            in_header = b'x-data-respan-params: {"cache_enabled":true}'
            assert cached(await ask(node, "é", in_header, temperature=0.5, cache_enabled=None)) == "hit"
            assert heard(upstream) == 1

    run(main())


@pytest.mark.parametrize(
    ("options", "second", "expected"),
    [
        ({"cache_by_customer": True}, {"customer_identifier": "b"}, "miss"),
        ({"cache_by_customer": True}, {"customer_params": {"customer_identifier": "a"}}, "hit"),
        ({"cache_by_customer": False}, {"customer_identifier": "b"}, "hit"),
        ({"is_cached_by_model": False}, {"model": LARGE}, "hit"),
        ({"is_cached_by_model": True}, {"model": LARGE}, "miss"),
    ],
)
def test_options_choose_whose_answer_may_serve(
    run: Runner, tmp_path: Path, options: dict[str, Any], second: dict[str, Any], expected: str
) -> None:
    async def main() -> None:
        async with site(tmp_path) as (node, _):
            await ask(node, customer_identifier="a", cache_options=options)
            assert cached(await ask(node, cache_options=options, **second)) == expected

    run(main())


def test_an_organizations_rule_holds_where_a_request_says_nothing(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as (node, upstream):
            rule(node, enabled=True, by_model=False)
            assert cached(await ask(node, cache_enabled=None)) == "miss"
            assert cached(await ask(node, cache_enabled=None, model=LARGE)) == "hit"
            assert cached(await ask(node, cache_enabled=None, cache_options={"is_cached_by_model": True})) == "miss"
            assert cached(await ask(node, cache_enabled=False)) is None
            assert heard(upstream) == 3

    run(main())


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"cache_enabled": "yes"}, "cache_enabled"),
        ({"cache_ttl": 0}, "cache_ttl"),
        ({"cache_ttl": 1.5}, "cache_ttl"),
        ({"cache_ttl": True}, "cache_ttl"),
        ({"cache_ttl": 40_000_000}, "cache_ttl"),
        ({"cache_options": []}, "cache_options"),
        ({"cache_options": {"by_model": True}}, "cache_options"),
        ({"cache_options": {"omit_log": 2}}, "cache_options.omit_log"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    run: Runner, tmp_path: Path, fields: dict[str, Any], param: str
) -> None:
    async def main() -> None:
        async with site(tmp_path) as (node, upstream):
            answer = await ask(node, **fields)
            assert answer.status == 400
            assert f"`{param}`" in json.loads(answer.body)["error"]["message"]
            assert heard(upstream) == 0
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.REFUSED

    run(main())


def test_an_answer_expires_by_its_own_time_and_by_that_of_who_asks(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as (node, upstream):
            await ask(node, cache_ttl=HOUR)
            age(node, HOUR - 1)
            assert cached(await ask(node, cache_ttl=2 * HOUR)) == "hit"
            assert cached(await ask(node, cache_ttl=60)) == "miss"  # which keeps a new one, for a minute
            assert cached(await ask(node)) == "hit"
            age(node, 61)
            assert cached(await ask(node)) == "miss"
            assert heard(upstream) == 3

    run(main())


BROKEN = STREAM_HEAD + encode_chunk(EVENTS[0])
FAULTY = [
    (failing("500 No"), False),
    (answering(json_answer(b'{"error":{"message":"no"}}')), False),
    (answering(json_answer(ANSWER, b"201 Created")), False),
    (answering(json_answer(ANSWER)[:-5], close=True), False),
    (answering(BROKEN, close=True), True),
    (answering(STREAM_HEAD + encode_chunk(EVENTS[0]) + LAST_CHUNK), True),
    (
        answering(
            STREAM_HEAD + encode_chunk(EVENTS[0] + b'data: {"error":{"message":"no"}}\n\n' + EVENTS[2]) + LAST_CHUNK
        ),
        True,
    ),
    (answering(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi"), False),
    (answering(json_answer(b"x" * len(ANSWER), b"200 OK", b"content-encoding: gzip")), False),
    (answering(json_answer(b'{"id":"%b"}' % (b"x" * LARGEST_ANSWER))), False),
]


@pytest.mark.parametrize(("script", "stream"), FAULTY)
def test_only_what_is_complete_and_good_is_kept(run: Runner, tmp_path: Path, script: Script, stream: bool) -> None:
    async def main() -> None:
        async with site(tmp_path, script) as (node, upstream):
            for _ in range(2):
                with contextlib.suppress(asyncio.IncompleteReadError, ValueError, ConnectionError):
                    answer = await ask(node, stream=stream)
                    assert cached(answer) != "hit"
            assert heard(upstream) >= 2
            assert entries(node) == []
            assert all(closed.cache is None for _, closed, _ in await ended(node, 2))

    run(main())


def test_what_a_client_left_is_not_kept(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Any) -> None:
            heard.data += await reader.readuntil(b"\r\n\r\n")
            writer.write(BROKEN)
            await gate.wait()

        async with site(tmp_path, slow) as (node, _):
            client = await node.connect()
            client.send(node.request(CHAT, chat(stream=True)))
            await client.reader.readuntil(b"\n\n")
            client.leave()
            await ended(node, 1)
            gate.set()
            assert entries(node) == []

    run(main())


@pytest.mark.parametrize(
    ("path", "body", "why"),
    [
        (CHAT, {"disable_log": True}, "may not be kept"),
        (CHAT, {"store": True}, "store: false"),
        ("/api/images/generations", {"prompt": "p"}, "images requests are not cached"),
        ("/api/responses", {"model": "openai/gpt-5", "input": "hi"}, "store: false"),
        (
            "/api/responses",
            {"model": "openai/gpt-5", "input": "hi", "store": False, "previous_response_id": "r"},
            "store: false",
        ),
        ("/v1/agents/completions", {"agent_id": "a"}, "agent_chat requests are not cached"),
    ],
)
def test_what_has_no_place_in_the_cache_says_so(
    run: Runner, tmp_path: Path, path: str, body: dict[str, Any], why: str
) -> None:
    async def main() -> None:
        async with site(tmp_path) as (node, _):
            for _ in range(2):
                answer = await ask(node, path=path, **body)
                assert cached(answer) is None
            assert entries(node) == []
            _, closed, _ = (await ended(node, 2))[-1]
            assert [one for one in closed.warnings if why in one and one.startswith("cache_enabled is not acted")]

    run(main())


@pytest.mark.parametrize("policy", [ContentPolicy.REDACTED, ContentPolicy.METADATA, ContentPolicy.NOTHING])
def test_a_key_whose_content_is_not_kept_in_full_keeps_no_answers(
    run: Runner, tmp_path: Path, policy: ContentPolicy
) -> None:
    async def main() -> None:
        async with site(tmp_path, content_policy=policy) as (node, upstream):
            for _ in range(2):
                assert cached(await ask(node)) is None
            assert (heard(upstream), entries(node)) == (2, [])

    run(main())


def test_a_model_that_a_key_may_not_ask_is_not_found_either(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path, models=("mistral-small-latest",)) as (node, _):
            options = {"is_cached_by_model": False}
            await ask(node, cache_options=options)
            refused = await ask(node, model=LARGE, cache_options=options)
            assert refused.status == 403
            assert b"canary-answer" not in refused.body

    run(main())


def test_nothing_lies_on_the_disk_in_clear(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as (node, _):
            await ask(node, customer_identifier="canary-customer", cache_options={"cache_by_customer": True})
            assert len(entries(node)) == 1
            for path in node.home.cache.rglob("*"):
                assert path.stat().st_mode & 0o077 == 0
                shown = str(path).encode() + (path.read_bytes() if path.is_file() else b"")
                assert b"canary" not in shown
                assert b"mistral" not in shown
                assert b"o1" not in path.name.encode() or len(path.name) >= 32

    run(main())


def test_the_answer_of_a_fallback_serves_only_where_any_models_will_do(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path, failing("503 No")) as (node, _), Upstream(answering(CLAUDE)).running() as other:
            state = node.worker._state
            assert state.snapshot is not None
            claude = credential("two", other.url, "anthropic")
            state.snapshot.by_organization = {
                "o1": [
                    *state.snapshot.by_organization["o1"][:0],
                    claude,
                    *(one for one in state.snapshot.by_organization["o1"] if one.provider_id == "mistral"),
                ]
            }
            state.swap(state.snapshot)
            fallback: dict[str, Any] = {"fallback_models": ["anthropic/claude-sonnet-4-5"]}
            for expected in ("miss", "miss"):
                answer = await ask(node, **fallback)
                assert (answer.status, cached(answer)) == (200, expected)
            for expected in ("miss", "hit"):
                answer = await ask(node, **fallback, cache_options={"is_cached_by_model": False})
                assert (answer.status, cached(answer)) == (200, expected)
            hit = (await ended(node, 4))[-1][1]
            assert (hit.cache.provider_id, hit.cache.asked_model) == ("anthropic", "anthropic/claude-sonnet-4-5")

    run(main())


def test_a_hit_in_another_format_tells_what_was_changed_for_it(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path, answering(CLAUDE)) as (node, upstream):
            fields: dict[str, Any] = {"model": "anthropic/claude-sonnet-4-5", "seed": 4}
            first, second = await ask(node, **fields), await ask(node, **fields)
            assert (cached(second), heard(upstream)) == ("hit", 1)
            assert second.body == first.body
            assert json.loads(second.body)["choices"][0]["message"]["content"] == "hello"
            assert "seed" in first.headers["x-gantry-changes"]
            assert second.headers["x-gantry-changes"] == first.headers["x-gantry-changes"]
            (_, _, _), (_, hit, captured) = await ended(node, 2)
            assert [change for change in hit.changes if change.startswith("seed")]
            assert captured == second.body, "in the caller's format, as it left"
            strict = await ask(node, **fields, strict_parameters=True)
            assert strict.status == 400

    run(main())


@pytest.mark.parametrize("stream", [False, True])
def test_a_breakdown_of_a_hit_says_that_it_is_one(run: Runner, tmp_path: Path, stream: bool) -> None:
    async def main() -> None:
        async with site(tmp_path, answering(STREAM if stream else json_answer(ANSWER))) as (node, upstream):
            plain = await ask(node, stream=stream)
            told = await ask(node, stream=stream, request_breakdown=True)
            again = await ask(node, stream=stream)
            assert (heard(upstream), cached(told), cached(again)) == (1, "hit", "hit")
            assert again.body == plain.body
            if stream:
                chunk = json.loads(told.body.split(b"\n\n")[-3].removeprefix(b"data: "))
                breakdown = chunk["choices"][0]["request_breakdown"]
                assert told.body.endswith(EVENTS[-1])
            else:
                breakdown = json.loads(told.body)["request_breakdown"]
            assert (breakdown["cached"], breakdown["cost"], breakdown["prompt_tokens"]) == (True, 0, 5)

    run(main())


def test_a_log_that_is_not_wanted_is_marked_and_its_call_counted(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as (node, _):
            for _ in range(2):
                await ask(node, cache_options={"omit_log": True})
            (_, filled, _), (_, hit, _) = await ended(node, 2)
            assert (filled.cache.unlogged, hit.cache.unlogged) == (False, True)
            assert node.slot[Word.SUCCEEDED] == 2

    run(main())


def test_a_disk_that_is_full_costs_nothing_but_the_cache(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as (node, upstream):
            node.home.responses.parent.mkdir(exist_ok=True)
            node.home.responses.write_bytes(b"where a folder should be")
            for _ in range(2):
                answer = await ask(node)
                assert (answer.status, answer.body, cached(answer)) == (200, ANSWER, "miss")
            assert heard(upstream) == 2
            assert all(closed.cache is None for _, closed, _ in await ended(node, 2))

    run(main())


def long_stream(events: int) -> bytes:
    event = b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % (b"w" * 900)
    return event * events + b"".join(EVENTS[1:])


def unread(node: Node) -> socket.socket:
    """Return a client that has asked for the stream and does not read it."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    held.connect(("127.0.0.1", node.port))
    held.sendall(node.request(CHAT, chat(stream=True)))
    return held


def test_a_large_stream_flows_as_its_client_reads(run: Runner, tmp_path: Path) -> None:
    """The client does not read at first: what is not read is not written, and nothing of it is lost."""
    body = long_stream(3500)
    assert body.count(b"\n\n") > 3000
    assert 3_000_000 < len(body) < LARGEST_ANSWER

    async def main() -> None:
        script = answering(STREAM_HEAD + encode_chunk(body) + LAST_CHUNK)
        async with site(tmp_path, script) as (node, upstream):
            told = (await ask(node, stream=True)).body
            assert len(told) > 3_000_000
            await until(lambda: len(entries(node)) == 1)
            held = unread(node)
            await until(lambda: len(node.calls()) == 2)
            other = await ask(node, stream=True)
            assert other.body == told, "another client is not held up"
            opened = [call for call in node.calls() if call[1] is None]
            assert len(opened) == 1, "the one that does not read is not at its end"
            reader, writer = await asyncio.open_connection(sock=held)
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"x-gantry-cache: hit" in head
            got, largest = b"", 0
            while size := int(await reader.readline(), 16):
                chunk = await reader.readexactly(size)
                assert chunk.endswith(b"\n\n"), "each piece ends with an event"
                got, largest = got + chunk, max(largest, size)
                await reader.readexactly(2)
            assert got == told
            assert largest <= 32 * 1024
            writer.close()
            await writer.wait_closed()
            assert heard(upstream) == 1
            assert len(await ended(node, 3)) == 3

    run(main())


def test_a_client_that_leaves_in_the_middle_is_recorded_as_gone(run: Runner, tmp_path: Path) -> None:
    body = long_stream(3500)

    async def main() -> None:
        async with site(tmp_path, answering(STREAM_HEAD + encode_chunk(body) + LAST_CHUNK)) as (node, _):
            await ask(node, stream=True)
            await until(lambda: len(entries(node)) == 1)
            held = unread(node)
            await until(lambda: len(node.calls()) == 2)
            held.close()
            _, hit, _ = (await ended(node, 2))[1]
            assert hit.outcome == Outcome.CLIENT_GONE
            assert node.slot[Word.IN_FLIGHT] == 0

    run(main())


def test_requests_of_one_connection_are_answered_in_their_order(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as (node, upstream):
            await ask(node)
            client = await node.connect()
            client.send(node.request(CHAT, chat()) + node.request(CHAT, chat("another")) + node.request(CHAT, chat()))
            told = [cached(await client.answer()) for _ in range(3)]
            assert told == ["hit", "miss", "hit"]
            assert heard(upstream) == 2
            client.leave()

    run(main())


def test_a_body_that_comes_in_pieces_is_answered_from_the_cache(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as (node, upstream):
            await ask(node)
            client = await node.connect()
            request = node.request(CHAT, chat())
            client.send(request[:-20])
            await until(lambda: node.slot[Word.IN_FLIGHT] == 1)
            client.send(request[-20:])
            assert cached(await client.answer()) == "hit"
            assert heard(upstream) == 1
            assert node.worker._state.bytes_held == 0
            client.leave()

    run(main())


def test_workers_share_what_they_keep_and_organizations_do_not(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as (node, upstream):
            keyring = load_keyring(node.home)
            other_key = format_key(os.urandom(ENTROPY_BYTES)).reveal()
            keys = [
                (key_digest(text, keyring.pepper), KeyRecord(name, organization, Environment.PROD, int(DEFAULT_SCOPES)))
                for text, name, organization in ((node.key, "k1", "o1"), (other_key, "k2", "o2"))
            ]
            secrets = node.worker._state.snapshot.body.credentials[0].secrets  # type: ignore[union-attr]
            credentials = tuple(
                CredentialRecord(f"c-{owner}", owner, "mistral", "main", upstream.url, secrets)
                for owner in ("o1", "o2")
            )
            body = Body(9, 1, "t9", tuple(load_catalog().values()), credentials, {})
            table = seal_table(build_key_table(keys), keyring.snapshot)
            written = node.home.snapshot.with_name("next")
            written.write_bytes(write_snapshot(body, table, [], keyring.snapshot))
            written.replace(node.home.snapshot)
            await until(lambda: node.slot[Word.SNAPSHOT_VERSION] == 9)
            async with second_worker(node) as sibling:
                await until(lambda: sibling.slot[Word.SNAPSHOT_VERSION] == 9)
                assert cached(await ask(node)) == "miss"
                assert cached(await ask(sibling)) == "hit"
                stranger = Node(node.home, other_key, sibling.port, sibling.worker)
                for _ in range(2):
                    assert heard(upstream) in (1, 2)
                    told = await ask(stranger)
                assert (cached(told), heard(upstream)) == ("hit", 2), "its own, not the other's"

    run(main())


@contextlib.asynccontextmanager
async def second_worker(node: Node) -> AsyncIterator[Node]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    worker = Worker(node.home, load_keyring(node.home), WorkerSettings(), listener, FIRST_WORKER_SLOT + 1, None)
    ready = asyncio.Event()
    task = asyncio.create_task(worker.run(on_ready=ready.set))
    await ready.wait()
    try:
        yield Sibling(node.home, node.key, listener.getsockname()[1], worker)
    finally:
        worker.stop(0.2)
        await task


class Sibling(Node):
    @property
    def slot(self) -> Any:
        return self.worker._slot


def test_a_deleted_answer_is_never_given_again(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as (node, upstream):
            keyring = load_keyring(node.home)
            beside = AnswerCache(node.home.responses, keyring.responses, keyring.response_names)  # as the console's
            await ask(node)
            (name,) = (path.name for path in entries(node))
            assert beside.forget("o2", [name]) == 0, "another organization's name opens nothing"
            assert beside.forget("o1", [name]) == 1
            assert cached(await ask(node)) == "miss"
            assert beside.forget_all("o1") == 1
            assert cached(await ask(node)) == "miss"
            assert heard(upstream) == 3

    run(main())


def test_what_is_swept_is_told_to_the_clerk(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as (node, _):
            await ask(node, cache_ttl=1)
            (name,) = (path.name for path in entries(node))
            age(node, 2)
            state = node.worker._state
            state.answers._unswept = 1 << 30  # much was kept: it does not wait for its minute
            await until(lambda: any(isinstance(frame, CacheSwept) for frame in node.frames()))
            (swept,) = (frame for frame in node.frames() if isinstance(frame, CacheSwept))
            assert swept.keys == [name]
            assert entries(node) == []

    run(main())


def test_an_upstream_that_is_not_there_is_not_missed(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as (node, upstream):
            await ask(node)
            upstream.scripts = [failing("500 No")]
            assert (await ask(node)).status == 200

    run(main())


def test_a_form_has_no_place_in_the_cache_and_is_told(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        taken: list[Taken] = []
        async with site(tmp_path, taking(TRANSCRIBED, taken)) as (node, _):
            body = form(part("model", b"voxtral-mini-latest"), part("cache_enabled", b"true"), file())
            client = await node.connect()
            client.send(post(node, body, FORM_TYPE, MISTRAL))
            answer = await client.answer()
            assert (answer.status, cached(answer)) == (200, None)
            _, closed, _ = await node.one_call()
            assert closed.warnings == ["cache_enabled is not acted on: answers to transcription are not cached"]
            client.leave()

    run(main())
