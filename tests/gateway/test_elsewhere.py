"""A call that goes elsewhere: what the client saw, what the upstreams heard, and what was recorded."""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gantry.core.secret import Secret
from gantry.core.vocabulary import Outcome
from gantry.gateway.limits import WorkerLimits
from gantry.routing.snapshot import CredentialRecord
from gantry.wire.body import LAST_CHUNK, encode_chunk
from tests.gateway.catalogue import publish, silent
from tests.gateway.conftest import STREAM_HEAD, Answer, Node, Script, Upstream, answering, json_answer, running_node

Runner = Callable[[Any], Any]
CHAT = "/api/chat/completions"
SMALL = {"model": "mistral/mistral-small-latest", "messages": [{"role": "user", "content": "hi"}]}
GOOD = json_answer(
    b'{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}'
)
CLAUDE = json_answer(
    b'{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text",'
    b'"text":"hello"}],"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":3}}'
)
STREAM = (
    STREAM_HEAD
    + encode_chunk(b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"hello"}}]}\n\n')
    + encode_chunk(b"data: [DONE]\n\n")
    + LAST_CHUNK
)


def failing(status: str, *headers: bytes) -> Script:
    return answering(json_answer(b'{"object":"error","message":"no","type":"t","code":"1"}', status.encode(), *headers))


class Told(NamedTuple):
    """What came of a call: the answer, the requests that each upstream heard, and the attempts on record."""

    answer: Answer
    heard: list[int]
    attempts: list[tuple[str, int | None, str]]
    outcome: str
    warnings: list[str]
    captured: bytes


def credential(name: str, url: str, provider: str = "mistral", weight: float = 1.0) -> CredentialRecord:
    return CredentialRecord(name, "o1", provider, name, url, {"api_key": Secret(f"key-{name}")}, weight)


async def tell(
    tmp_path: Path,
    upstreams: Sequence[tuple[str, str, Script]],
    body: dict[str, Any],
    *,
    path: str = CHAT,
    limits: WorkerLimits | None = None,
) -> Told:
    """Ask once, with one credential for each upstream: name, provider and script. The draw takes the first first."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(Upstream(script).running()) for _, _, script in upstreams]
        node: Node = await stack.enter_async_context(running_node(tmp_path, servers[0].url, limits=limits))
        node.worker._state.draw = lambda: 0.0
        named = zip(upstreams, servers, strict=True)
        await publish(node, 6, [credential(name, up.url, provider) for (name, provider, _), up in named])
        answer = await node.ask(path, json.dumps(body).encode())
        _, closed, captured = await node.one_call()
        attempts = [(one.credential_name, one.status, one.outcome) for one in closed.attempts]
        heard = [server.heard.count(b"POST ") for server in servers]
        return Told(answer, heard, attempts, closed.outcome, closed.warnings, captured)


@pytest.mark.parametrize("status", ["401 No", "402 No", "403 No", "429 No", "500 No", "503 No", "529 No"])
def test_another_credential_serves_where_one_fails(run: Runner, tmp_path: Path, status: str) -> None:
    async def main() -> None:
        told = await tell(tmp_path, [("one", "mistral", failing(status)), ("two", "mistral", answering(GOOD))], SMALL)
        assert (told.answer.status, told.heard, told.outcome) == (200, [1, 1], Outcome.SUCCESS)
        number = int(status.partition(" ")[0])
        assert told.attempts == [
            ("one", number, Outcome.UPSTREAM_ERROR),
            ("two", 200, Outcome.SUCCESS),
        ]
        assert told.warnings == [f"mistral/mistral-small-latest (one): status {number}; went on"]
        assert b"hello" in told.captured
        assert b'"no"' not in told.captured

    run(main())


@pytest.mark.parametrize("status", ["400 No", "404 No", "422 No"])
def test_what_is_no_credentials_fault_is_told(run: Runner, tmp_path: Path, status: str) -> None:
    async def main() -> None:
        told = await tell(tmp_path, [("one", "mistral", failing(status)), ("two", "mistral", answering(GOOD))], SMALL)
        assert (told.answer.status, told.heard) == (int(status[:3]), [1, 0])
        assert len(told.attempts) == 1
        assert told.warnings == []

    run(main())


def refusing(status: str, body: bytes, *headers: bytes) -> Script:
    return answering(json_answer(body, status.encode(), *headers))


@pytest.mark.parametrize(
    ("status", "body", "headers", "asked"),
    [
        ("400 No", b'{"object":"error","message":"Invalid model: x","type":"invalid_model","code":"1500"}', (), "ac"),
        (
            "429 No",
            b'{"object":"error","message":"busy","type":"service_tier_capacity_exceeded","code":"3505"}',
            (),
            "abc",
        ),
        ("429 No", b'{"message":"no","code":"1300"}', (b"x-ratelimit-limit-req-minute: 0",), "abc"),
        (
            "400 No",
            b'{"object":"error","message":"roles","type":"invalid_request_message_order","code":"3230"}',
            (),
            "a",
        ),
    ],
)
def test_the_words_of_an_error_say_where_to_go(
    run: Runner, tmp_path: Path, status: str, body: bytes, headers: tuple[bytes, ...], asked: str
) -> None:
    async def main() -> None:
        bad = refusing(status, body, *headers)
        upstreams = [("a", "mistral", bad), ("b", "mistral", bad), ("c", "openai", answering(GOOD))]
        told = await tell(tmp_path, upstreams, {**SMALL, "fallback_models": ["openai/gpt-4o"]})
        assert "".join(name for name, _, _ in told.attempts) == asked
        assert told.answer.status == (200 if "c" in asked else 400)

    run(main())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("script", [failing("503 No"), failing("404 No"), answering(b"", close=True)])
def test_the_next_model_serves_in_any_format(run: Runner, tmp_path: Path, script: Script, stream: bool) -> None:
    """From Mistral to Anthropic, translated: the record reads the answer as what it is."""
    body = {**SMALL, "fallback_models": ["nobody/nothing", "anthropic/claude-sonnet-4-5"], "stream": False}

    async def main() -> None:
        upstreams = [("one", "mistral", script), ("two", "anthropic", answering(CLAUDE))]
        told = await tell(tmp_path, upstreams, body)
        assert told.answer.status == 200
        assert json.loads(told.answer.body)["choices"][0]["message"]["content"] == "hello"
        assert [name for name, _, _ in told.attempts] == ["one", "two"]
        assert b'"type":"message"' in told.captured

    async def main_stream() -> None:
        upstreams = [("one", "mistral", script), ("two", "openai", answering(STREAM))]
        told = await tell(tmp_path, upstreams, {**SMALL, "models": ["openai/gpt-4o"], "stream": True})
        assert (told.answer.status, told.outcome) == (200, Outcome.SUCCESS)
        assert told.answer.body.endswith(b"data: [DONE]\n\n")

    run(main_stream() if stream else main())


def test_the_last_failure_is_the_one_that_is_told(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        body = {**SMALL, "fallback_models": ["openai/gpt-4o"]}
        upstreams = [("one", "mistral", failing("503 No")), ("two", "openai", failing("500 No"))]
        told = await tell(tmp_path, upstreams, body)
        assert (told.answer.status, told.heard, told.outcome) == (500, [1, 1], Outcome.UPSTREAM_ERROR)
        assert [status for _, status, _ in told.attempts] == [503, 500]

    run(main())


def test_a_caller_can_do_without(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        body = {**SMALL, "fallback_models": ["openai/gpt-4o"], "disable_fallback": True}
        upstreams = [("one", "mistral", failing("503 No")), ("two", "openai", answering(GOOD))]
        told = await tell(tmp_path, upstreams, body)
        assert (told.answer.status, told.heard) == (503, [1, 0])

    run(main())


def test_the_same_is_asked_again_as_often_as_asked_for(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        body = {**SMALL, "retry_params": {"retry_enabled": True, "num_retries": 2, "retry_after": 0.01}}
        told = await tell(tmp_path, [("one", "mistral", failing("503 No"))], body)
        assert (told.answer.status, told.heard) == (503, [3])
        assert len(told.attempts) == 3

    run(main())


def test_a_provider_that_is_down_or_silent_is_left(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        body = {**SMALL, "fallback_models": ["openai/gpt-4o"]}
        upstreams = [("one", "mistral", silent), ("two", "openai", answering(GOOD))]
        told = await tell(tmp_path, upstreams, body, limits=WorkerLimits(first_byte_timeout=0.2))
        assert (told.answer.status, told.heard) == (200, [1, 1])
        assert told.attempts[0][1:] == (None, Outcome.TIMEOUT)

    run(main())


def test_an_answer_that_has_begun_is_not_begun_again(run: Runner, tmp_path: Path) -> None:
    broken = STREAM_HEAD + encode_chunk(b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"he"}}]}\n\n')

    async def main() -> None:
        body = {**SMALL, "stream": True, "fallback_models": ["openai/gpt-4o"]}
        upstreams = [("one", "openai", answering(broken, close=True)), ("two", "mistral", answering(STREAM))]
        told = await tell(tmp_path, upstreams, {**body, "model": "openai/gpt-4o-mini"})
        assert (told.heard, told.outcome) == ([1, 0], Outcome.UPSTREAM_BROKE)

    run(main())


@pytest.mark.parametrize("cut", [1, 60])
def test_a_small_answer_that_does_not_come_to_its_end_is_left(run: Runner, tmp_path: Path, cut: int) -> None:
    async def main() -> None:
        body = {**SMALL, "fallback_models": ["openai/gpt-4o"]}
        upstreams = [("one", "mistral", answering(GOOD[:-cut], close=True)), ("two", "openai", answering(GOOD))]
        told = await tell(tmp_path, upstreams, body)
        assert (told.answer.status, told.heard, told.outcome) == (200, [1, 1], Outcome.SUCCESS)
        assert json.loads(told.answer.body)["usage"]["total_tokens"] == 7

    run(main())


def test_a_large_answer_is_not_held_back(run: Runner, tmp_path: Path) -> None:
    large = json_answer(b'{"choices":[{"message":{"content":"%b"}}]}' % (b"x" * 1_000_000))

    async def main() -> None:
        body = {**SMALL, "model": "openai/gpt-4o-mini", "fallback_models": ["openai/gpt-4o"]}
        told = await tell(tmp_path, [("one", "openai", answering(large))], body)
        assert (told.answer.status, told.heard) == (200, [1])
        assert large.endswith(told.answer.body)
        assert len(told.answer.body) > 1_000_000

    run(main())


def test_a_callers_own_credential_is_never_followed_by_ours(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(GOOD)).running() as ours,
            running_node(tmp_path, ours.url) as node,
        ):
            await publish(node, 6, [credential("one", ours.url), credential("two", ours.url)])
            brought = {"mistral": {"api_key": "theirs", "api_base": "http://127.0.0.1:1"}}
            body = {**SMALL, "customer_credentials": brought, "fallback_models": ["mistral/mistral-large-latest"]}
            answer = await node.ask(CHAT, json.dumps(body).encode())
            assert answer.status >= 400
            assert ours.connections == []

    run(main())


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"fallback_models": "gpt-4o"}, "fallback_models"),
        ({"fallback_models": ["a"] * 21}, "fallback_models"),
        ({"models": [1]}, "models"),
        ({"retry_params": 3}, "retry_params"),
        ({"retry_params": {"num_retries": 0}}, "retry_params"),
        ({"retry_params": {"num_retries": True}}, "retry_params"),
        ({"retry_params": {"retry_after": -1}}, "retry_params"),
        ({"retry_params": {"retry_enabled": "yes"}}, "retry_params"),
        ({"retry_params": {"tries": 3}}, "retry_params"),
    ],
)
def test_what_cannot_be_acted_on_is_refused(run: Runner, tmp_path: Path, given: dict[str, Any], param: str) -> None:
    async def main() -> None:
        told = await tell(tmp_path, [("one", "mistral", answering(GOOD))], {**SMALL, **given})
        assert (told.answer.status, json.loads(told.answer.body)["error"]["param"]) == (400, param)
        assert (told.heard, told.outcome, told.attempts) == ([0], Outcome.REFUSED, [])

    run(main())


def test_a_client_that_leaves_between_two_attempts_is_one_record(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(failing("503 No")).running() as up, running_node(tmp_path, up.url) as node:
            body = {**SMALL, "retry_params": {"num_retries": 3, "retry_after": 5}}
            client = await node.connect()
            client.send(node.request(CHAT, json.dumps(body).encode()))
            for _ in range(500):
                if up.heard.count(b"POST "):
                    break
                await asyncio.sleep(0.01)
            client.leave()
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.CLIENT_GONE
            assert len(closed.attempts) == 1
            assert up.heard.count(b"POST ") == 1

    run(main())


def stream(*events: bytes, head: bytes = STREAM_HEAD) -> bytes:
    return head + b"".join(encode_chunk(event) for event in events)


OPENED_BADLY = {
    "an error": (
        "openai/gpt-4o-mini",
        stream(b'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n') + LAST_CHUNK,
    ),
    "an error as Mistral has it": (
        "mistral/mistral-large-latest",
        stream(b'data: {"object":"error","message":"busy","type":"server_error","code":"1000"}\n\n') + LAST_CHUNK,
    ),
    "an error after a preamble": (
        "anthropic/claude-sonnet-4-5",
        stream(
            b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","usage":{"input_tokens":1}}}\n\n',
            b'event: ping\ndata: {"type":"ping"}\n\n',
            b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n',
        )
        + LAST_CHUNK,
    ),
    "nothing but a comment": ("openai/gpt-4o-mini", stream(b": ping\n\n")),
    "a good end and nothing before it": ("openai/gpt-4o-mini", stream(b": ping\n\n") + LAST_CHUNK),
    "half an event": ("openai/gpt-4o-mini", stream(b'data: {"id":"1","cho')),
}


@pytest.mark.parametrize("case", OPENED_BADLY)
def test_a_stream_that_opens_badly_is_left_before_anything_of_it_was_seen(
    run: Runner, tmp_path: Path, case: str
) -> None:
    model, bad = OPENED_BADLY[case]

    async def main() -> None:
        body = {**SMALL, "model": model, "stream": True, "fallback_models": ["mistral/mistral-small-latest"]}
        provider = model.partition("/")[0]
        upstreams = [("one", provider, answering(bad, close=True)), ("two", "mistral", answering(STREAM))]
        told = await tell(tmp_path, upstreams, body)
        assert (told.answer.status, told.heard, told.outcome) == (200, [1, 1], Outcome.SUCCESS)
        assert told.answer.body.count(b"hello") == 1
        assert b"error" not in told.answer.body
        assert told.attempts[0][1:] == (200, Outcome.UPSTREAM_ERROR)

    run(main())


@pytest.mark.parametrize(
    "case", [case for case in OPENED_BADLY if case not in ("half an event", "a good end and nothing before it")]
)
def test_a_stream_that_opens_badly_is_told_where_there_is_nobody_else(run: Runner, tmp_path: Path, case: str) -> None:
    model, bad = OPENED_BADLY[case]

    async def main() -> None:
        body = {**SMALL, "model": model, "stream": True, "fallback_models": [model]}
        told = await tell(
            tmp_path, [("one", model.partition("/")[0], answering(bad, close=True))], body, path="/api/chat/completions"
        )
        assert told.heard == [1]
        assert told.outcome == Outcome.UPSTREAM_BROKE or b"error" in told.answer.body

    run(main())


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_was_held_back_follows_untouched(run: Runner, tmp_path: Path, size: int) -> None:
    pieces = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]

    async def main() -> None:
        body = {**SMALL, "model": "openai/gpt-4o-mini", "stream": True, "fallback_models": ["openai/gpt-4o"]}
        told = await tell(tmp_path, [("one", "openai", answering(*pieces))], body)
        assert (told.heard, told.outcome) == ([1], Outcome.SUCCESS)
        plain = b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"hello"}}]}\n\ndata: [DONE]\n\n'
        assert (told.answer.body, told.captured) == (plain, plain)

    run(main())


GEMINI = "/api/google/gemini/v1beta/models/gemini-2.5-flash:generateContent"
OTHER_FORMATS: list[tuple[str, str, dict[str, Any], Callable[[Any], Any]]] = [
    (
        GEMINI,
        "google_gemini_ai",
        {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
        lambda answer: answer["candidates"][0]["content"]["parts"][0]["text"],
    ),
    (
        "/api/anthropic/v1/messages",
        "anthropic",
        {"model": "claude-sonnet-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]},
        lambda answer: answer["content"][0]["text"],
    ),
    (
        "/api/responses",
        "openai",
        {"model": "gpt-4o", "input": "hi", "store": False},
        lambda answer: answer["output"][0]["content"][0]["text"],
    ),
]


@pytest.mark.parametrize(
    ("path", "provider", "body", "text_of"), OTHER_FORMATS, ids=["gemini", "anthropic", "responses"]
)
def test_callers_of_every_format_go_elsewhere(
    run: Runner, tmp_path: Path, path: str, provider: str, body: dict[str, Any], text_of: Callable[[Any], Any]
) -> None:
    """The model may stand in the path, which names the first one only."""

    async def main() -> None:
        asked = {**body, "fallback_models": ["mistral/mistral-small-latest"]}
        upstreams = [("one", provider, failing("503 No")), ("two", "mistral", answering(GOOD))]
        told = await tell(tmp_path, upstreams, asked, path=path)
        assert (told.answer.status, told.heard, told.outcome) == (200, [1, 1], Outcome.SUCCESS), told.answer.body
        assert text_of(json.loads(told.answer.body)) == "hello"

    run(main())


def test_a_time_to_wait_that_no_number_holds_is_a_long_one(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        asked_to_wait = failing("429 No", b"retry-after: " + b"9" * 400)
        told = await tell(tmp_path, [("one", "mistral", asked_to_wait), ("two", "mistral", answering(GOOD))], SMALL)
        assert (told.answer.status, told.heard) == (200, [1, 1])

    run(main())


def test_a_key_that_a_provider_repeats_in_a_stream_is_not_kept(run: Runner, tmp_path: Path) -> None:
    said = b'data: {"error":{"message":"Incorrect API key provided: key-canary1234","code":"invalid_api_key"}}\n\n'
    refusing = answering(STREAM_HEAD + encode_chunk(said) + LAST_CHUNK)

    async def main() -> None:
        async with (
            Upstream(refusing).running() as up,
            Upstream(answering(STREAM)).running() as other,
            running_node(tmp_path, up.url) as node,
        ):
            node.worker._state.draw = lambda: 0.0
            await publish(node, 6, [credential("canary1234", up.url), credential("two", other.url)])
            answer = await node.ask(CHAT, json.dumps({**SMALL, "stream": True}).encode())
            assert b"hello" in answer.body
            _, closed, captured = await node.one_call()
            assert "Incorrect API key provided: [secret]" in str(closed.attempts[0].error)
            assert "key-canary1234" not in f"{closed}{captured!r}"

    run(main())


def test_names_to_exclude_cannot_be_so_many_that_others_wait(run: Runner, tmp_path: Path) -> None:
    """Each may be a pattern; fifty thousand of them took ten seconds of everybody's time."""
    body = {"exclude_models": [f"*a{number}*b*" for number in range(101)]}

    async def main() -> None:
        for number, (field, value) in enumerate(
            (
                ("exclude_models", body["exclude_models"]),
                ("exclude_models", ["*a" * 200]),
                ("load_balance_models", [{"model": "a" * 300}]),
            )
        ):
            told = await tell(tmp_path / str(number), [("one", "mistral", answering(GOOD))], {**SMALL, field: value})
            assert (told.answer.status, told.heard) == (400, [0])
            assert field.encode() in told.answer.body

    run(main())
