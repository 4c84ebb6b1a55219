"""Operations known by path, bodies that come whole, and heads that come again: served by what they say themselves."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.core.api_key import ENTROPY_BYTES, format_key, key_digest
from gantry.core.vocabulary import DEFAULT_SCOPES, Environment, Outcome, Scope
from gantry.gateway.limits import WorkerLimits
from gantry.home import load_keyring
from gantry.routing.snapshot import Body, CredentialRecord, KeyRecord, KeyTable, Snapshot, build_key_table
from gantry.wire.body import LAST_CHUNK, encode_chunk
from tests.gateway.conftest import STREAM_HEAD, Node, RawClient, Upstream, answering, json_answer, running_node
from tests.gateway.test_relay import ANSWER, BODY, CHAT, EVENTS, MISTRAL
from tests.gateway.uploads import FORM_TYPE, Taken, file, form, part, post, taking

Runner = Callable[[Any], Any]
OTHER_KEY = format_key(b"o" * ENTROPY_BYTES).reveal()
NATIVE = int(DEFAULT_SCOPES | Scope.NATIVE)


def key_record(**fields: Any) -> KeyRecord:
    given = {"key_id": "k1", "organization_id": "o1", "environment": Environment.PROD, "scopes": int(DEFAULT_SCOPES)}
    return KeyRecord(**{**given, **fields})


def configure(node: Node, keys: dict[str, KeyRecord], *, shared: bool = False) -> None:
    """Swap in a snapshot: keys by their text, and credentials that are the organization's, or the platform's."""
    snapshot = node.worker._state.snapshot
    assert snapshot is not None
    pepper = load_keyring(node.home).pepper
    table = build_key_table([(key_digest(text, pepper), record) for text, record in keys.items()])
    old = snapshot.body
    credentials = tuple(
        CredentialRecord(
            c.credential_id, None if shared else "o1", c.provider_id, c.name, c.base_url, c.secrets, home=True
        )
        for c in old.credentials
    )
    body = Body(old.version + 1, time.time_ns(), "t2", old.providers, credentials, {})
    node.worker._state.swap(Snapshot(body, KeyTable("t2", table, {})))


# Operations by path


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("method", "path", "content_type", "body", "operation"),
    [
        ("POST", "/v1/files?x=1&y=%2F", FORM_TYPE[14:], form(part("purpose", b"batch"), file()), "files"),
        ("GET", "/v1/files/f1/url?expiry=24", None, b"", "files"),
        ("GET", "/v1/conversations?metadata=%22~%3F~unset~%3F~sentinel~%3F~%22", None, b"", "conversations"),
        ("POST", "/v1/batch/jobs", b"application/json", b'{"model":"m" , "timeout_hours":24.0}', "batches"),
        ("PATCH", "/v1/agents/a1", b"application/json", b'{ "name":"x","a":1e2}', "agents"),
        ("DELETE", "/v1/libraries/l1", None, b"", "libraries"),
        ("PUT", "/v1/libraries/l1/share", b"application/json", b'[{"a":1}]', "libraries"),
        ("POST", "/v1/workflows/x", b"application/octet-stream", bytes(range(256)), "opaque"),
        ("POST", "/v2/prompts", b"application/json", b"not json at all", "opaque"),
        ("HEAD", "/v1/files/f1", None, b"", "files"),
    ],
)
def test_native_operations_are_relayed_untouched(
    run: Runner,
    tmp_path: Path,
    method: str,
    path: str,
    content_type: bytes | None,
    body: bytes,
    operation: str,
    whole: bool,
) -> None:
    taken: list[Taken] = []
    answer = b'{"id" : "x", "n":1.00}\n'

    async def main() -> None:
        async with (
            Upstream(taking(json_answer(b"" if method == "HEAD" else answer), taken)).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            configure(node, {node.key: key_record()})
            client = await node.connect()
            lines = (b"Content-Type: " + content_type, MISTRAL) if content_type else (MISTRAL,)
            request = post(node, body, *lines, path="/api" + path).replace(b"POST ", f"{method} ".encode(), 1)
            cut = len(request) if whole else len(request) - len(body)
            client.send(request[:cut])
            if not whole:
                await asyncio.sleep(0.01)
                client.send(request[cut:])
            got = await client.answer(method)
            assert got.status == 200
            assert got.body == (b"" if method == "HEAD" else answer)
            assert taken[0].head.startswith(f"{method} {path} HTTP/1.1\r\n".encode())
            assert taken[0].body == body
            opened, closed, _ = await node.one_call()
            assert (opened.operation, opened.path, opened.method) == (operation, path.partition("?")[0], method)
            assert (closed.outcome, closed.request_bytes) == (Outcome.SUCCESS, len(body))
            client.leave()

    run(main())


def test_a_conversation_names_its_model_with_a_prefix_and_its_stream_is_recorded(run: Runner, tmp_path: Path) -> None:
    taken: list[Taken] = []
    body = b'{"model": "mistral/mistral-large-latest", "inputs":"hi","stream" :true,"customer_identifier":"u"}'

    async def main() -> None:
        async with (
            Upstream(taking(json_answer(b"{}"), taken)).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            configure(node, {node.key: key_record()})
            assert (await node.ask("/api/v1/conversations", body, MISTRAL)).status == 200
            assert taken[0].body == b'{"model": "mistral-large-latest", "inputs":"hi","stream" :true}'
            opened, _, _ = await node.one_call()
            assert (opened.stream, opened.requested_model) == (True, "mistral/mistral-large-latest")
            assert json.loads(opened.params) == {"customer_identifier": "u"}

    run(main())


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","model":"b","customer_credentials":{"mistral":{"api_key":"canary"}}}',
        b' {"customer_credentials":{"mistral":{"api_key":"canary"}},}',
        b'{"customer_credentials":{"mistral":{"api_key":"canary\xff"}}}',
    ],
)
def test_an_object_that_two_readers_could_take_differently_is_refused_on_native_paths_too(
    run: Runner, tmp_path: Path, body: bytes
) -> None:
    async def main() -> None:
        async with (
            Upstream(taking(json_answer(b"{}"), [])).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            configure(node, {node.key: key_record()})
            assert (await node.ask("/api/v1/conversations", body, MISTRAL)).status == 400
            assert upstream.heard == b""

    run(main())


@pytest.mark.parametrize(
    ("fields", "path", "status"),
    [
        ({"models": ("m",)}, "/v1/files", 403),
        ({"has_budget": True}, "/v1/workflows/x", 403),
        ({"models": ("m",)}, "/v1/agents/completions", 403),
        ({"models": ("m",), "scopes": NATIVE}, "/v1/files", 200),
        ({"has_budget": True, "scopes": NATIVE}, "/v1/workflows/x", 200),
        ({}, "/v1/files", 200),
        ({"scopes": int(Scope.OWN_LOGS)}, "/v1/files", 403),
        ({"models": ("m",)}, "/v1/moderations", 403),
        ({"models": ("m",)}, "/v1/ocr", 403),
        ({"models": ("m",)}, "/v1/audio/speech", 403),
        ({}, "/v1/moderations", 200),
    ],
)
def test_what_a_limited_key_may_do_without_naming_a_model(
    run: Runner, tmp_path: Path, fields: dict[str, Any], path: str, status: int
) -> None:
    async def main() -> None:
        async with (
            Upstream(taking(json_answer(b"{}"), [])).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            configure(node, {node.key: key_record(**fields)})
            assert (await node.ask(f"/api{path}", b'{"input":"x"}', MISTRAL)).status == status
            assert bool(upstream.heard) == (status == 200)

    run(main())


@pytest.mark.parametrize(
    ("path", "stateful"),
    [
        ("/v1/files", True),
        ("/v1/agents/completions", True),
        ("/v1/workflows/x", True),
        ("/v1/chat/completions", False),
    ],
)
def test_what_lives_with_an_account_is_never_asked_of_the_platforms(
    run: Runner, tmp_path: Path, path: str, stateful: bool
) -> None:
    async def main() -> None:
        async with (
            Upstream(taking(json_answer(ANSWER), [])).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            configure(node, {node.key: key_record()}, shared=True)
            answer = await node.ask(f"/api{path}", b"{}" if stateful else BODY, MISTRAL)
            assert (answer.status == 200) != stateful
            assert (upstream.heard == b"") == stateful
            if stateful:
                assert "gantry providers add" in json.loads(answer.body)["message"]

    run(main())


# Bodies that come whole


async def sent(node: Node, request: bytes) -> RawClient:
    client = await node.connect()
    client.send(request)
    return client


@pytest.mark.parametrize("more", [b"", b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"])
@pytest.mark.parametrize("short", [0, 1, 40])
def test_a_body_may_come_with_its_head_or_behind_and_with_the_next_request(
    run: Runner, tmp_path: Path, more: bytes, short: int
) -> None:
    taken: list[Taken] = []

    async def main() -> None:
        async with (
            Upstream(taking(json_answer(ANSWER), taken)).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            for _ in range(2):
                request = node.request(CHAT, BODY, MISTRAL)
                client = await sent(node, request[: len(request) - short])
                if short:
                    await asyncio.sleep(0.01)
                client.send(request[len(request) - short :] + more)
                assert (await client.answer()).body == ANSWER
                if more:
                    assert (await client.answer()).status == 200
                client.leave()
            assert [one.body for one in taken] == [BODY, BODY]

    run(main())


@pytest.mark.parametrize("length", [b"Content-Length: 0", b"X: no length"])
@pytest.mark.parametrize("path", [CHAT, "/api/v1/audio/transcriptions"])
def test_a_post_without_a_body_is_the_callers_mistake(run: Runner, tmp_path: Path, length: bytes, path: str) -> None:
    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:1") as node:
            client = await sent(node, post(node, b"", b"Content-Type: application/json", path=path, framing=length))
            answer = await client.answer()
            assert answer.status == 400
            assert "empty" in json.loads(answer.body)["error"]["message"]
            client.send(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await client.answer()).status == 200
            client.leave()

    run(main())


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("limits", "status"),
    [
        (WorkerLimits(max_body_bytes=300, drain_timeout=0.2), 413),
        (WorkerLimits(max_bytes_held=300, drain_timeout=0.2), 503),
    ],
)
@pytest.mark.parametrize("kind", ["chat", "native", "held form"])
def test_the_bounds_hold_whichever_way_a_body_comes(
    run: Runner, tmp_path: Path, limits: WorkerLimits, status: int, whole: bool, kind: str
) -> None:
    async def main() -> None:
        async with (
            Upstream(taking(json_answer(ANSWER), [])).running() as upstream,
            running_node(tmp_path, upstream.url, limits=limits) as node,
        ):
            configure(node, {node.key: key_record()})
            if kind == "held form":
                request = post(node, form(file(b"x" * 400), part("model", b"voxtral-mini-latest")), FORM_TYPE, MISTRAL)
            else:
                path = CHAT if kind == "chat" else "/api/v1/conversations"
                request = node.request(path, BODY[:-1] + b',"x":"' + b"y" * 400 + b'"}', MISTRAL)
            head = request.index(b"\r\n\r\n") + 4
            client = await sent(node, request[: len(request) if whole else head])
            if not whole:
                await asyncio.sleep(0.01)
                client.send(request[head:])
            answer = await client.answer()
            if kind == "native" and status == 413 and not whole:
                assert answer.status in (200, 413)  # beyond the bound it passes through, unread
            else:
                assert answer.status == status
                assert upstream.heard == b""
            client.leave()
            _, closed, _ = await node.one_call()
            assert closed.status == answer.status
            assert node.worker._state.bytes_held == 0

    run(main())


# Heads that come again


async def two(node: Node, first: bytes, second: bytes, *, pipelined: bool) -> tuple[int, int]:
    client = await sent(node, first + second if pipelined else first)
    before = (await client.answer()).status
    if not pipelined:
        client.send(second)
    after = (await client.answer()).status
    client.leave()
    return before, after


@pytest.mark.parametrize("pipelined", [True, False])
def test_the_next_request_of_a_connection_is_never_served_as_the_former(
    run: Runner, tmp_path: Path, pipelined: bool
) -> None:
    taken: list[Taken] = []

    async def main() -> None:
        async with (
            Upstream(taking(json_answer(ANSWER), taken)).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            other = key_record(key_id="k2", models=("nothing",))
            configure(node, {node.key: key_record(), OTHER_KEY: other})
            base = node.request(CHAT, BODY, MISTRAL)
            bad_key = base.replace(node.key.encode(), b"gk_nonsense")
            limited = base.replace(node.key.encode(), OTHER_KEY.encode())
            elsewhere = base.replace(CHAT.encode(), b"/api/v1/fim/completions")
            lengthy = base.replace(b"Content-Length: ", b"content-length:  0")
            reordered = base.replace(b"Host: gantry\r\n", b"").replace(b"\r\n\r\n", b"\r\nHost: gantry\r\n\r\n", 1)
            beta = base.replace(b"\r\n\r\n", b"\r\nx-beta: on\r\n\r\n", 1)
            params = base.replace(b"\r\n\r\n", b'\r\nX-Gantry-Params: {"customer_identifier":"u"}\r\n\r\n', 1)
            both = base.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n", 1)
            for second, status in (
                (base, 200),
                (bad_key, 401),
                (limited, 403),
                (elsewhere, 200),
                (lengthy, 200),
                (reordered, 200),
                (beta, 200),
                (params, 200),
                (both, 400),
            ):
                assert await two(node, base, second, pipelined=pipelined) == (200, status), second[:300]
            heads = [one.head for one in taken]
            assert sum(b"x-beta: on" in head for head in heads) == 1
            assert sum(head.startswith(b"POST /v1/fim/") for head in heads) == 1
            assert all(one.body == BODY for one in taken)
            opened = [call for call, _, _ in node.calls()]
            assert [call.params for call in opened if call.params] == [b'{"customer_identifier":"u"}']
            assert sum(call.key_id == "k2" for call in opened) == 1

    run(main())


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"revoked": True}, 401),
        ({"expires_at": 1}, 401),
        ({"models": ("other",)}, 403),
        ({"scopes": int(Scope.OWN_LOGS)}, 403),
        ({}, 200),
    ],
)
def test_a_head_that_comes_again_is_judged_by_the_snapshot_of_now(
    run: Runner, tmp_path: Path, fields: dict[str, Any], status: int
) -> None:
    async def main() -> None:
        async with (
            Upstream(taking(json_answer(ANSWER), [])).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            client = await sent(node, node.request(CHAT, BODY, MISTRAL))
            assert (await client.answer()).status == 200
            client.send(node.request(CHAT, BODY, MISTRAL))
            assert (await client.answer()).status == 200
            configure(node, {node.key: key_record(**fields)})
            client.send(node.request(CHAT, BODY, MISTRAL))
            assert (await client.answer()).status == status
            client.leave()

    run(main())


def test_a_key_expires_between_two_heads_that_are_alike(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with (
            Upstream(taking(json_answer(ANSWER), [])).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            ends = time.time_ns() + 3600 * 10**9
            configure(node, {node.key: key_record(expires_at=ends)})
            client = await sent(node, node.request(CHAT, BODY, MISTRAL))
            assert (await client.answer()).status == 200
            monkeypatch.setattr(time, "time_ns", lambda: ends)
            client.send(node.request(CHAT, BODY, MISTRAL))
            assert (await client.answer()).status == 401
            client.leave()

    run(main())


def test_a_snapshot_that_is_too_old_serves_no_head_that_came_before(run: Runner, tmp_path: Path) -> None:
    limits = WorkerLimits(max_snapshot_age=3600, drain_timeout=0.2)

    async def main() -> None:
        async with (
            Upstream(taking(json_answer(ANSWER), [])).running() as upstream,
            running_node(tmp_path, upstream.url, limits=limits) as node,
        ):
            client = await sent(node, node.request(CHAT, BODY, MISTRAL))
            assert (await client.answer()).status == 200
            state = node.worker._state
            state.watch_age(time.time_ns() + 3601 * 10**9)
            client.send(node.request(CHAT, BODY, MISTRAL))
            assert (await client.answer()).status == 503
            configure(node, {node.key: key_record()})
            client.send(node.request(CHAT, BODY, MISTRAL))
            assert (await client.answer()).status == 200
            client.leave()

    run(main())


def test_answers_of_one_origin_that_are_nearly_alike_are_each_read_for_themselves(run: Runner, tmp_path: Path) -> None:
    plain = json_answer(ANSWER, b"200 OK", b"x-id: 1")
    answers = [
        plain,
        plain,
        plain,
        json_answer(ANSWER, b"200 OK", b"x-id: \xc3\xa9 %b %(x)s \t"),
        json_answer(ANSWER, b"200 OK", b"x-id:"),
        json_answer(ANSWER, b"201 Created", b"x-id: 2"),
        plain.replace(b"application/json", b"text/plain"),
        plain.replace(b"content-length: %d\r\n" % len(ANSWER), b"transfer-encoding: chunked\r\n").replace(
            ANSWER, encode_chunk(ANSWER) + LAST_CHUNK
        ),
        b"HTTP/1.1 204 No Content\r\nx-id: 3\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nx-id: 3\r\ncontent-length: 5\r\n\r\n",
        json_answer(ANSWER, b"200 OK", b"x-id: 4", b"connection: x-id"),
        STREAM_HEAD + encode_chunk(EVENTS[3]) + LAST_CHUNK,
        plain,
    ]

    async def main() -> None:
        turn = iter(answers)
        async with (
            Upstream(*(answering(answer) for answer in [b""])).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            upstream.scripts = [answering_in_turn(turn)]
            seen = []
            for _ in answers:
                got = await node.ask(CHAT, BODY, MISTRAL)
                seen.append((got.status, got.headers.get("x-id"), got.headers["content-type"][:10] if got.body else ""))
                assert got.body in (ANSWER, EVENTS[3]) or got.status in (204, 304)
                assert got.headers["x-respan-log-id"] == got.headers["x-gantry-log-id"]
            json_type = "applicatio"
            assert seen == [
                (200, "1", json_type),
                (200, "1", json_type),
                (200, "1", json_type),
                (200, b"\xc3\xa9 %b %(x)s".decode("latin-1"), json_type),
                (200, "", json_type),
                (201, "2", json_type),
                (200, "1", "text/plain"),
                (200, "1", json_type),
                (204, "3", ""),
                (304, "3", ""),
                (200, None, json_type),
                (200, None, "text/event"),
                (200, "1", json_type),
            ]

    run(main())


def answering_in_turn(turn: Any) -> Any:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Any) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len(BODY))
            writer.write(next(turn))
            await writer.drain()

    return script
