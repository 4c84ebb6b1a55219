"""Callers who get no further than they may: out of a path, past a model list, upstream with our key, into our host."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.core.vocabulary import Outcome
from tests.gateway.conftest import Upstream, answering, json_answer, running_node
from tests.gateway.test_translate import MESSAGE

Runner = Callable[[Any], Any]
MESSAGES = [{"role": "user", "content": "hi"}]
ANSWER = answering(json_answer(json.dumps(MESSAGE).encode()))


def body_of(model: str, **fields: Any) -> bytes:
    return json.dumps({"model": model, "messages": MESSAGES, **fields}).encode()


NAMES = ("..", ".", "../x", "a/../b", "a%2f..%2fb", "a/./b", "a//b", "a?b", "a#b", "a;b", "a\r\nb", "é")


@pytest.mark.parametrize("provider", ["bedrock", "azure", "gemini"])
def test_a_models_name_stays_in_its_place(run: Runner, tmp_path: Path, provider: str) -> None:
    async def main() -> None:
        async with Upstream(ANSWER).running() as up, running_node(tmp_path, up.url) as node:
            for name in NAMES:
                got = await node.ask("/api/chat/completions", body_of(f"{provider}/{name}"))
                assert (got.status, json.loads(got.body)["error"]["param"]) == (400, "model"), name
            for path in ("/v1beta/models/..:generateContent", f"/v1beta/models/{provider}/%2e:generateContent"):
                got = await node.ask(path, b'{"contents":[{"parts":[{"text":"hi"}]}]}')
                assert got.status == 400
            assert up.connections == []
            outcomes = {closed.outcome for _, closed, _ in node.calls() if closed is not None}
            assert outcomes == {Outcome.REFUSED}

    run(main())


def test_a_path_of_the_callers_is_no_template(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(ANSWER).running() as up, running_node(tmp_path, up.url) as node:
            await node.ask("/v1/files/{model}/{api_key}", method="GET")
            assert up.heard.startswith(b"GET /v1/files/%7Bmodel}/%7Bapi_key} HTTP/1.1\r\n")

    run(main())


@pytest.mark.parametrize(
    ("model", "pinned", "status"),
    [
        ("anthropic/claude-sonnet-4-5", None, 200),
        ("claude-sonnet-4-5", None, 200),
        ("claude-sonnet-4-5", b"anthropic", 200),
        ("anthropic/claude-sonnet-4-5", b"anthropic", 200),
        ("anthropic/gpt-4o", b"openai", 403),
        ("gpt-4o", b"openai", 403),
        ("openai/claude-sonnet-4-5", None, 403),
        ("anthropic/mistral/x", b"openrouter", 403),
    ],
)
def test_a_pinned_provider_does_not_lead_past_a_model_list(
    run: Runner, tmp_path: Path, model: str, pinned: bytes | None, status: int
) -> None:
    async def main() -> None:
        async with (
            Upstream(ANSWER).running() as up,
            running_node(tmp_path, up.url, models=("anthropic/*",)) as node,
        ):
            headers = () if pinned is None else (b"X-Respan-Route-Provider: " + pinned,)
            got = await node.ask("/api/anthropic/v1/messages", body_of(model, max_tokens=5), *headers)
            assert got.status == status
            assert len(up.connections) == (status == 200)

    run(main())


QUERIES = (
    "key={0}",
    "key={0}&key={0}",
    "%6bey={0}",
    "k%65y={0}",
    "KEY={0}",
    "a=1;key={0}",
    "key%3D{0}",
    "x={0}",
    "x=a{0}b",
    "x=%67k_{1}",
)
PATHS = (
    "/v1beta/models/gemini-2.5-flash:generateContent",
    "/v1beta/cachedContents",
    "/v1/files",
    "/anthropic/v1/models",
)


def test_our_key_goes_no_further_wherever_it_stands(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(ANSWER).running() as up, running_node(tmp_path, up.url) as node:
            for query in QUERIES:
                shown = query.format(node.key, node.key[3:])
                for path in PATHS:
                    await node.ask(f"{path}?{shown}", b"{}")
            headers = (b"x-goog-api-key", b"x-api-key", b"api-key", b"x-of-another-gateway")
            await node.ask(
                "/v1beta/cachedContents", b"{}", *(b"%b: %b" % (name, node.key.encode()) for name in headers)
            )
            body = body_of("anthropic/claude-sonnet-4-5")
            await node.ask("/api/chat/completions", body, b"x-of-another-gateway: Bearer " + node.key.encode())
            assert len(up.heard) > 1000
            assert node.key[3:].encode() not in up.heard

    run(main())


def test_what_is_no_key_of_ours_passes(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(ANSWER).running() as up, running_node(tmp_path, up.url) as node:
            await node.ask("/v1/files?keys=1&page=2&monkey=3&gk_=4", b"", b"X-Mine: gk_short", method="GET")
            assert up.heard.startswith(b"GET /v1/files?keys=1&page=2&monkey=3&gk_=4 HTTP/1.1\r\n")
            assert b"x-mine: gk_short\r\n" in up.heard

    run(main())


ADDRESSES = (
    "https://",
    "https://a.org/?x=1",
    "https://a b",
    "https://u:canary@a.org",
    "https://a.org:99999",
    "https://[::1",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_of_the_callers_that_is_none_is_the_callers_error(
    run: Runner, tmp_path: Path, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    brought = {"azure_openai": {"api_key": "canary", "api_base": address}}

    async def main() -> None:
        async with Upstream(ANSWER).running() as up, running_node(tmp_path, up.url) as node:
            got = await node.ask("/api/chat/completions", body_of("azure/x", customer_credentials=brought))
            assert got.status == 400
            assert b"canary" not in got.body
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.REFUSED
            assert "canary" not in repr(node.frames())

    run(main())
    assert "canary" not in caplog.text


@pytest.mark.parametrize("region", ["us-east-1/", "a@b", "x y", "../..", "a#b"])
def test_a_region_of_the_callers_that_is_none_is_the_callers_error(run: Runner, tmp_path: Path, region: str) -> None:
    fields = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "aws_region_name": region}

    async def main() -> None:
        async with Upstream(ANSWER).running() as up, running_node(tmp_path, up.url) as node:
            got = await node.ask(
                "/api/chat/completions", body_of("bedrock/x", customer_credentials={"bedrock": fields})
            )
            assert got.status == 400

    run(main())


def test_a_callers_service_account_reaches_nothing_on_our_machine(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(ANSWER).running() as up, running_node(tmp_path, up.url) as node:
            for uri in (f"{up.url}/token", "http://127.0.0.1:1@a.org/", 5):
                account = {"client_email": "a@b", "private_key": "canary", "token_uri": uri}
                fields = {"vertex_ai_credentials": account, "vertex_ai_project": "p"}
                brought = {"google_vertex_ai": fields}
                got = await node.ask(
                    "/api/chat/completions", body_of("vertex_ai/gemini-2.5", customer_credentials=brought)
                )
                assert got.status == 400
                assert b"canary" not in got.body
            assert up.connections == []
            assert "canary" not in repr(node.frames())

    run(main())
