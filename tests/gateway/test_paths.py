"""Paths with places, over sockets: what is heard by providers that are told model, account or version in the path."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.core.secret import Secret
from gantry.core.vocabulary import Dialect, Outcome
from gantry.routing.snapshot import CredentialRecord
from tests.gateway.catalogue import publish
from tests.gateway.conftest import Upstream, json_answer, running_node
from tests.gateway.test_authority import account, token
from tests.gateway.test_authority import private_key as private_key
from tests.gateway.uploads import Taken, taking

Runner = Callable[[Any], Any]
MESSAGES = [{"role": "user", "content": "hi"}]
CLAUDE_SAYS = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "text", "text": "Hello!"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 2},
}
GPT_SAYS = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
CLAUDE_PATH = "/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-sonnet-4-5@20250929"


def stored(provider: str, base_url: str, fields: dict[str, str]) -> CredentialRecord:
    secrets = {name: Secret(text) for name, text in fields.items()}
    return CredentialRecord(f"c-{provider}", "o1", provider, "main", base_url, secrets)


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        (
            "/api/anthropic/v1/messages",
            {"model": "vertex_ai/claude-sonnet-4-5@20250929", "max_tokens": 9, "unknown": 1.0},
            (b"anthropic-version: 2023-06-01",),
        ),
        ("/api/chat/completions", {"model": "vertex_ai/claude-sonnet-4-5@20250929", "max_tokens": 9}, ()),
        (
            "/api/anthropic/v1/messages",
            {"model": "claude-sonnet-4-5@20250929", "max_tokens": 9},
            (b"X-Respan-Route-Provider: vertex_ai",),
        ),
    ],
    ids=["anthropic", "openai", "pinned"],
)
def test_claude_on_vertex_ai_is_named_in_the_path_alone(
    run: Runner, tmp_path: Path, private_key: str, path: str, body: dict[str, Any], headers: tuple[bytes, ...]
) -> None:
    taken: list[Taken] = []

    async def main() -> None:
        async with (
            Upstream(taking(json_answer(json.dumps(CLAUDE_SAYS).encode()), taken)).running() as up,
            Upstream(taking(token("t"), [])).running() as google,
            running_node(tmp_path, up.url) as node,
        ):
            fields = {
                "vertex_ai_credentials": account(private_key, f"{google.url}/token").text,
                "vertex_ai_project": "p",
                "vertex_ai_location": "us-east5",
            }
            await publish(node, 6, [stored("google_vertex_ai", up.url, fields)])
            got = await node.ask(path, json.dumps({**body, "messages": MESSAGES}).encode(), *headers)
            assert b"Hello!" in got.body
            assert taken[0].head.startswith(f"POST {CLAUDE_PATH}:rawPredict HTTP/1.1\r\n".encode())
            sent = json.loads(taken[0].body)
            assert "model" not in sent
            assert sent["anthropic_version"] == "vertex-2023-10-16"
            assert sent["max_tokens"] == 9
            assert sent.get("unknown") == body.get("unknown")
            opened, closed, _ = await node.one_call()
            assert (opened.spoken_dialect or opened.dialect, closed.outcome) == (Dialect.ANTHROPIC, Outcome.SUCCESS)

    run(main())


@pytest.mark.parametrize(
    ("path", "model", "upstream_path"),
    [
        (
            "/api/chat/completions",
            "azure/my deploy",
            "/openai/deployments/my%20deploy/chat/completions?api-version=2025-01-01",
        ),
        ("/api/embeddings", "azure/embed", "/openai/deployments/embed/embeddings?api-version=2025-01-01"),
        ("/api/responses", "azure/gpt-4o", "/openai/v1/responses"),
    ],
)
def test_azure_is_told_deployment_and_version_in_the_path(
    run: Runner, tmp_path: Path, path: str, model: str, upstream_path: str
) -> None:
    taken: list[Taken] = []

    async def main() -> None:
        async with (
            Upstream(taking(json_answer(json.dumps(GPT_SAYS).encode()), taken)).running() as up,
            running_node(tmp_path, up.url) as node,
        ):
            fields = {"api_key": "canary", "api_base": "", "api_version": "2025-01-01"}
            await publish(node, 6, [stored("azure_openai", up.url, fields)])
            got = await node.ask(path, json.dumps({"model": model, "messages": MESSAGES, "input": "hi"}).encode())
            assert got.status == 200
            assert taken[0].head.startswith(f"POST {upstream_path} HTTP/1.1\r\n".encode())
            assert b"\r\napi-key: canary\r\n" in taken[0].head
            opened, _, _ = await node.one_call()
            assert "canary" not in opened.path

    run(main())


def test_an_account_stands_in_the_path(run: Runner, tmp_path: Path) -> None:
    taken: list[Taken] = []

    async def main() -> None:
        async with (
            Upstream(taking(json_answer(json.dumps(GPT_SAYS).encode()), taken)).running() as up,
            running_node(tmp_path, up.url) as node,
        ):
            await publish(node, 6, [stored("cloudflare", up.url, {"api_key": "k", "account_id": "a/../b"})])
            body = {"model": "@cf/meta/llama-3.1-8b-instruct", "messages": MESSAGES}
            assert (await node.ask("/api/chat/completions", json.dumps(body).encode())).status == 200
            assert taken[0].head.startswith(b"POST /client/v4/accounts/a%2F..%2Fb/ai/v1/chat/completions HTTP/1.1\r\n")
            assert json.loads(taken[0].body)["model"] == "@cf/meta/llama-3.1-8b-instruct"

    run(main())


@pytest.mark.parametrize(
    ("path", "names", "model", "headers", "upstream_path"),
    [
        (
            "/api/chat/completions",
            {"azure/gpt-4o": "azure/mine"},
            "azure/gpt-4o",
            (),
            "/openai/deployments/mine/chat/completions?api-version=v",
        ),
        ("/api/responses", {"gpt-4o": "mine"}, "gpt-4o", (b"X-Respan-Route-Provider: azure",), "/openai/v1/responses"),
        (
            "/api/chat/completions",
            {"azure/other": "azure/mine"},
            "azure/mine",
            (),
            "/openai/deployments/mine/chat/completions?api-version=v",
        ),
    ],
)
def test_a_caller_names_the_deployment_of_a_model(
    run: Runner,
    tmp_path: Path,
    path: str,
    names: dict[str, str],
    model: str,
    headers: tuple[bytes, ...],
    upstream_path: str,
) -> None:
    taken: list[Taken] = []

    async def main() -> None:
        async with (
            Upstream(taking(json_answer(json.dumps(GPT_SAYS).encode()), taken)).running() as up,
            running_node(tmp_path, up.url) as node,
        ):
            fields = {"api_key": "k", "api_base": "", "api_version": "v"}
            await publish(node, 6, [stored("azure_openai", up.url, fields)])
            body = {"model": model, "messages": MESSAGES, "input": "hi", "model_name_map": names}
            assert (await node.ask(path, json.dumps(body).encode(), *headers)).status == 200
            assert taken[0].head.startswith(f"POST {upstream_path} HTTP/1.1\r\n".encode())
            assert json.loads(taken[0].body)["model"] == "mine"
            assert b"model_name_map" not in taken[0].body
            _, closed, _ = await node.one_call()
            assert closed.warnings == []

    run(main())


@pytest.mark.parametrize("names", [5, ["azure/x"], {"azure/gpt-4o": 5}, {"azure/gpt-4o": ""}])
def test_a_map_of_names_that_is_none_is_refused(run: Runner, tmp_path: Path, names: Any) -> None:
    async def main() -> None:
        async with Upstream(taking(b"", [])).running() as up, running_node(tmp_path, up.url) as node:
            body = {"model": "azure/gpt-4o", "messages": MESSAGES, "model_name_map": names}
            got = await node.ask("/api/chat/completions", json.dumps(body).encode())
            assert (got.status, json.loads(got.body)["error"]["param"]) == (400, "model_name_map")
            assert up.connections == []

    run(main())


@pytest.mark.parametrize(
    "address",
    ["https://user:canary@x.test", "https://x.test/a b", "https://x.test?a=canary", "https://", "https://é.test"],
)
def test_an_address_of_a_callers_that_is_none_is_refused(run: Runner, tmp_path: Path, address: str) -> None:
    async def main() -> None:
        async with Upstream(taking(b"", [])).running() as up, running_node(tmp_path, up.url) as node:
            fields = {"api_key": "canary", "api_base": address}
            body = {"model": "azure/x", "messages": MESSAGES, "customer_credentials": {"azure_openai": fields}}
            got = await node.ask("/api/chat/completions", json.dumps(body).encode())
            assert (got.status, b"canary" in got.body) == (400, False), got.body
            assert up.connections == []
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.REFUSED

    run(main())
