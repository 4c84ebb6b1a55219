"""Responses that are kept: by the gateway, for providers that keep none, or by a provider that does."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.board.board import Word
from gantry.core.vocabulary import ContentPolicy, Dialect, Operation, Outcome, Scope
from gantry.dialects.turns import keep_response
from tests.gateway.conftest import Answer, Node, Upstream, answering, json_answer, running_node
from tests.gateway.test_native import SECOND_KEY, share
from tests.gateway.test_translate import MESSAGE, TEXT_BLOCK, anthropic_stream, streaming

Runner = Callable[[Any], Any]
ANTHROPIC = answering(json_answer(json.dumps(MESSAGE).encode()))
AT_OPENAI = b'{"id":"resp_of_openai","object":"response","model":"gpt-5.5","output":[],"usage":{"total_tokens":9}}'
DEEP = {"model": "claude-sonnet-4-5", "input": "My name is Ada.", "instructions": "Be short."}
SPELLINGS = ["/v1/responses", "/api/v1/responses", "/responses", "/api/responses"]


async def make(node: Node, **body: Any) -> dict[str, Any]:
    answer = await node.ask("/api/responses", json.dumps({**DEEP, **body}).encode())
    assert answer.status == 200
    made: dict[str, Any] = json.loads(answer.body)
    return made


async def read(node: Node, path: str, *headers: bytes, method: str = "GET") -> Answer:
    return await node.ask(path, b"", *headers, method=method)


@pytest.mark.parametrize("base", SPELLINGS)
def test_a_response_is_read_as_it_was_answered_until_it_is_deleted(run: Runner, tmp_path: Path, base: str) -> None:
    async def main() -> None:
        async with Upstream(ANTHROPIC).running() as up, running_node(tmp_path, up.url) as node:
            made = await make(node)
            asked = len(up.heard)
            shown = await read(node, f"{base}/{made['id']}")
            assert (shown.status, json.loads(shown.body)) == (200, made)
            assert shown.headers["content-type"] == "application/json"
            head = await read(node, f"{base}/{made['id']}", method="HEAD")
            assert (head.status, head.headers["content-length"]) == (200, str(len(shown.body)))
            gone = await read(node, f"{base}/{made['id']}", method="DELETE")
            assert json.loads(gone.body) == {"id": made["id"], "object": "response", "deleted": True}
            assert len(up.heard) == asked
            going_on = json.dumps({**DEEP, "previous_response_id": made["id"]}).encode()
            assert (await node.ask("/api/responses", going_on)).status == 400

    run(main())


def test_a_streamed_response_is_read_as_it_ended(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        stream = streaming(anthropic_stream(TEXT_BLOCK))
        async with Upstream(stream).running() as up, running_node(tmp_path, up.url) as node:
            answer = await node.ask("/v1/responses", json.dumps({**DEEP, "stream": True}).encode())
            last = json.loads(answer.body.split(b"data: ")[-1])
            assert last["type"] == "response.completed"
            shown = await read(node, f"/v1/responses/{last['response']['id']}")
            assert json.loads(shown.body) == last["response"]

    run(main())


def test_each_request_is_one_record_without_a_provider(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(ANTHROPIC).running() as up, running_node(tmp_path, up.url) as node:
            made = await make(node)
            shown = await read(node, f"/v1/responses/{made['id']}?include[]=message.output_text.logprobs")
            await read(node, f"/v1/responses/{made['id']}", method="DELETE")
            _, (opened, closed, body), (_, deleted, _) = node.calls()
            assert (opened.method, opened.path) == ("GET", f"/v1/responses/{made['id']}")
            assert (opened.operation, opened.dialect) == (Operation.RESPONSE, Dialect.OPENAI_RESPONSES)
            assert closed is not None
            assert (closed.outcome, closed.status, closed.attempts) == (Outcome.SUCCESS, 200, [])
            assert closed.warnings == ["include is not acted on: the response is shown as it was answered"]
            assert body == shown.body
            assert shown.headers["x-gantry-log-id"] == opened.log_id
            assert deleted is not None
            assert (deleted.outcome, deleted.status) == (Outcome.SUCCESS, 200)
            assert node.slot[Word.IN_FLIGHT] == 0

    run(main())


def test_what_it_was_asked_is_listed_in_pages(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(ANTHROPIC).running() as up, running_node(tmp_path, up.url) as node:
            first = await make(node)
            made = await make(node, input="Who am I?", previous_response_id=first["id"])
            path = f"/v1/responses/{made['id']}/input_items"
            listed = json.loads((await read(node, f"{path}?order=asc")).body)
            said = [(item["role"], item["content"][0]["text"]) for item in listed["data"]]
            assert said == [("user", "My name is Ada."), ("assistant", "Hello!"), ("user", "Who am I?")]
            assert (listed["object"], listed["has_more"]) == ("list", False)
            names = [item["id"] for item in listed["data"]]
            assert len(set(names)) == 3
            page = json.loads((await read(node, f"{path}?limit=2")).body)
            assert [item["id"] for item in page["data"]] == names[:0:-1]
            assert (page["first_id"], page["last_id"], page["has_more"]) == (names[2], names[1], True)
            rest = json.loads((await read(node, f"{path}?limit=2&after={names[1]}")).body)
            assert ([item["id"] for item in rest["data"]], rest["has_more"]) == (names[:1], False)

    run(main())


@pytest.mark.parametrize(
    ("method", "end", "status", "param"),
    [
        ("GET", "?stream=true", 400, "stream"),
        ("GET", "/input_items?limit=0", 400, "limit"),
        ("GET", "/input_items?order=up", 400, "order"),
        ("GET", "/input_items?after=nobody", 400, "after"),
        ("GET", "/output_items", 404, None),
        ("DELETE", "/input_items", 405, None),
    ],
)
def test_what_cannot_be_answered_is_refused_in_openais_words(
    run: Runner, tmp_path: Path, method: str, end: str, status: int, param: str | None
) -> None:
    async def main() -> None:
        async with Upstream(ANTHROPIC).running() as up, running_node(tmp_path, up.url) as node:
            made = await make(node)
            refused = await read(node, f"/v1/responses/{made['id']}{end}", method=method)
            assert (refused.status, json.loads(refused.body)["error"]["param"]) == (status, param)
            _, closed, _ = node.calls()[-1]
            assert closed is not None
            assert (closed.outcome, closed.status) == (Outcome.REFUSED, status)
            assert (await read(node, f"/v1/responses/{made['id']}")).status == 200

    run(main())


def test_a_limited_key_reads_what_it_made(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        limited: dict[str, Any] = {"models": ("claude-*",), "has_budget": True}
        async with Upstream(ANTHROPIC).running() as up, running_node(tmp_path, up.url, **limited) as node:
            made = await make(node)
            assert (await read(node, f"/v1/responses/{made['id']}")).status == 200
            assert (
                await read(node, "/v1/responses/resp_of_openai")
            ).status == 403  # the account is not its to look into

    run(main())


@pytest.mark.parametrize(
    ("body", "headers", "key_fields"),
    [
        ({"store": False}, (), {}),
        ({"disable_log": True}, (), {}),
        ({}, (b'X-Gantry-Params: {"disable_log": true}',), {}),
        ({}, (), {"content_policy": ContentPolicy.METADATA}),
    ],
)
def test_what_was_not_to_be_kept_is_not_found_here(
    run: Runner, tmp_path: Path, body: dict[str, Any], headers: tuple[bytes, ...], key_fields: dict[str, Any]
) -> None:
    async def main() -> None:
        async with Upstream(ANTHROPIC).running() as up, running_node(tmp_path, up.url, **key_fields) as node:
            answer = await node.ask("/api/responses", json.dumps({**DEEP, **body}).encode(), *headers)
            made = json.loads(answer.body)
            await share(node, up.url)  # where no provider keeps any
            refused = await read(node, f"/v1/responses/{made['id']}")
            error = json.loads(refused.body)["error"]
            assert refused.status == 404
            assert error["message"].startswith(f"Response with id '{made['id']}' not found.")
            assert error.keys() == {"message", "type", "param", "code"}

    run(main())


@pytest.mark.parametrize(
    ("policy", "recorded", "usage"),
    [
        (ContentPolicy.FULL, b"ada@example.org", b""),
        (ContentPolicy.REDACTED, b'"output":', b""),
        (ContentPolicy.METADATA, b"", b'{"total_tokens":9}'),
        (ContentPolicy.NOTHING, b"", b'{"total_tokens":9}'),
    ],
)
def test_the_record_keeps_of_it_what_the_readers_key_allows(
    run: Runner, tmp_path: Path, policy: ContentPolicy, recorded: bytes, usage: bytes
) -> None:
    told = b'{"id":"resp_1","output":[{"type":"message","text":"ada@example.org"}],"usage":{"total_tokens":9}}'

    async def main() -> None:
        async with Upstream(ANTHROPIC).running() as up, running_node(tmp_path, up.url, content_policy=policy) as node:
            node.worker._state.turns.keep("o1", "response/resp_1", keep_response((), told))  # by another key
            assert (await read(node, "/v1/responses/resp_1")).body == told
            _, closed, body = await node.one_call()
            assert recorded in body
            assert (b"ada@example.org" in body) is (policy is ContentPolicy.FULL)
            assert closed.usage == usage  # which is not counted again: test_meter_operations
            assert up.connections == []

    run(main())


def test_another_organization_finds_nothing(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(ANTHROPIC).running() as up, running_node(tmp_path, up.url) as node:
            made = await make(node)
            await share(node, up.url)
            asked = len(up.heard)
            own, node.key = node.key, SECOND_KEY
            for method in ("GET", "DELETE"):
                assert (await read(node, f"/v1/responses/{made['id']}", method=method)).status == 404
            assert (await read(node, f"/v1/responses/{made['id']}/input_items")).status == 404
            opened, closed, _ = node.calls()[-1]
            assert closed is not None
            assert (opened.organization_id, closed.outcome, closed.attempts) == ("o2", Outcome.REFUSED, [])
            assert len(up.heard) == asked
            node.key = own
            assert (await read(node, f"/v1/responses/{made['id']}")).status == 200

    run(main())


@pytest.mark.parametrize("headers", [(), (b"X-Respan-Route-Provider: azure",), (b"X-Respan-Route-Provider: xai",)])
def test_what_is_not_remembered_is_asked_of_a_provider_that_keeps_responses(
    run: Runner, tmp_path: Path, headers: tuple[bytes, ...]
) -> None:
    async def main() -> None:
        async with Upstream(answering(json_answer(AT_OPENAI))).running() as up, running_node(tmp_path, up.url) as node:
            made = await node.ask("/v1/responses", b'{"model":"gpt-5.5","input":"Hi"}')
            assert made.body == AT_OPENAI
            shown = await read(node, "/responses/resp_of_openai?include[]=x", *headers)
            assert (shown.status, shown.body) == (200, AT_OPENAI)
            (prefix,) = (b"/openai" if header.endswith(b"azure") else b"" for header in headers or (b"",))
            assert b"GET %b/v1/responses/resp_of_openai?include[]=x HTTP/1.1" % prefix in up.heard
            await read(node, "/v1/responses/resp_of_openai", *headers, method="DELETE")
            assert b"DELETE %b/v1/responses/resp_of_openai HTTP/1.1" % prefix in up.heard
            await read(node, "/v1/responses/resp_of_openai/input_items?limit=3", *headers)
            assert b"GET %b/v1/responses/resp_of_openai/input_items?limit=3 HTTP/1.1" % prefix in up.heard
            _, closed, _ = node.calls()[-1]
            assert closed is not None
            assert [attempt.tier for attempt in closed.attempts] == ["relay"]

    run(main())


def test_a_provider_that_keeps_none_is_not_asked(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(ANTHROPIC).running() as up, running_node(tmp_path, up.url) as node:
            refused = await read(node, "/v1/responses/resp_x", b"X-Respan-Route-Provider: mistral")
            assert (refused.status, up.heard) == (404, b"")

    run(main())


def test_a_key_without_the_scope_and_a_stranger_are_refused(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(ANTHROPIC).running() as up, running_node(tmp_path, up.url, scopes=int(Scope.READ)) as node:
            assert (await read(node, "/v1/responses/resp_x")).status == 403
            node.key = SECOND_KEY
            assert (await read(node, "/v1/responses/resp_x")).status == 401
            assert len(node.calls()) == 1
            assert node.slot[Word.STRANGERS] == 1

    run(main())
