"""A gateway behind a gateway, perhaps itself: a request that goes round comes to an end, in words. And redirects."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.core.api_key import ENTROPY_BYTES, format_key
from gantry.core.secret import Secret
from gantry.gateway.headers import MOST_HOPS
from gantry.routing.snapshot import CredentialRecord
from tests.gateway.catalogue import LARGE, MISTRAL_AGENT, ended, listing, names, publish
from tests.gateway.conftest import Node, Upstream, answering, json_answer, running_node
from tests.gateway.test_elsewhere import GOOD
from tests.gateway.uploads import FORM_TYPE, TRANSCRIBED, Taken, file, form, part, taking

Runner = Callable[[Any], Any]
CHAT, MESSAGES = "/api/chat/completions", [{"role": "user", "content": "hi"}]
PEERS_KEY = format_key(b"p" * ENTROPY_BYTES).reveal()
ROUND = MOST_HOPS + 2  # calls until one is refused


def credential(provider: str, url: str, key: str, name: str = "one", *models: str) -> CredentialRecord:
    return CredentialRecord(name, "o1", provider, name, url, {"api_key": Secret(key)}, models=models)


def body_of(model: str, **fields: Any) -> bytes:
    return json.dumps({"model": model, "messages": MESSAGES, **fields}).encode()


def url_of(node: Node) -> str:
    return f"http://127.0.0.1:{node.port}"


# A call is sent on under the name that it came with: `x`, which a credential lists.
WAYS: dict[str, tuple[str, str, bytes, tuple[bytes, ...]]] = {
    "relayed": ("openai", CHAT, body_of("x"), ()),
    "streamed": ("openai", CHAT, body_of("x", stream=True), ()),
    "adapted": ("mistral", CHAT, body_of("x"), ()),
    "translated": ("anthropic", CHAT, body_of("x"), ()),
    "translated stream": ("anthropic", CHAT, body_of("x", stream=True), ()),
    "messages": ("anthropic", "/api/anthropic/v1/messages", body_of("x", max_tokens=5), ()),
    "embeddings": ("openai", "/api/embeddings", b'{"model":"x","input":"hi"}', ()),
    "form": ("openai", "/api/audio/transcriptions", form(part("model", b"x"), file()), (FORM_TYPE,)),
    "native": ("mistral", "/v1/workflows/x", b'{"name":"x"}', ()),
    "upload": ("mistral", "/v1/workflows/x", b"no json", (b"Content-Type: application/octet-stream",)),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_provider_that_is_the_gateway_itself_ends_in_words(run: Runner, tmp_path: Path, way: str) -> None:
    provider, path, body, headers = WAYS[way]

    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:9") as node:
            await publish(node, 6, [credential(provider, url_of(node), node.key, "one", "x")])
            got = await node.ask(path, body, *headers)
            assert got.status == 508, got.body
            assert f"has passed {MOST_HOPS + 1} gateways" in got.body.decode()
            assert "base URL of a provider" in got.body.decode()
            calls = await ended(node, ROUND)
            assert [len(closed.attempts) for _, closed, _ in calls if closed is not None].count(0) == 1
            assert got.headers.get("x-should-retry") == "false"

    run(main())


def test_a_loop_does_not_branch(run: Runner, tmp_path: Path) -> None:
    """Each turn has other credentials to try and would try them again: none of it is."""

    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:9") as node:
            own = [credential("openai", url_of(node), node.key, name, "x") for name in ("one", "two", "three")]
            await publish(node, 6, own)
            got = await node.ask(CHAT, body_of("x", retry_params={"num_retries": 3, "retry_after": 0.01}))
            assert got.status == 508
            await ended(node, ROUND)
            assert len(node.calls()) == ROUND

    run(main())


def test_a_loop_is_left_for_a_model_elsewhere(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(answering(GOOD)).running() as up, running_node(tmp_path, up.url) as node:
            own = credential("openai", url_of(node), node.key, "one", "x")
            await publish(node, 6, [own, credential("mistral", up.url, "k", "two")])
            got = await node.ask(CHAT, body_of("x", fallback_models=["mistral/mistral-small-latest"]))
            assert got.status == 200
            assert len(up.connections) == 1

    run(main())


def test_a_list_of_models_that_asks_itself_has_what_others_list(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(listing(LARGE)).running() as up, running_node(tmp_path, up.url) as node:
            await publish(
                node, 6, [credential("vllm", url_of(node), node.key), credential("mistral", up.url, "k", "m")]
            )
            got = await node.ask("/v1/models", b"", MISTRAL_AGENT, method="GET")
            assert "mistral/mistral-large-latest" in names(got)
            await ended(node, ROUND)

    run(main())


# Another gateway


@pytest.mark.parametrize(
    ("sent", "heard"), [((), b"1"), ((b"X-Gantry-Hops: 2",), b"3"), ((b"X-Gantry-Hops: no",), b"1")]
)
@pytest.mark.parametrize("way", ["relayed", "adapted", "translated", "form", "native", "upload"])
def test_the_next_gateway_hears_of_those_before_it(
    run: Runner, tmp_path: Path, way: str, sent: tuple[bytes, ...], heard: bytes
) -> None:
    provider, path, body, headers = WAYS[way]
    taken: list[Taken] = []

    async def main() -> None:
        answer = TRANSCRIBED if way == "form" else GOOD
        async with Upstream(taking(answer, taken)).running() as up, running_node(tmp_path, up.url) as node:
            await publish(node, 6, [credential(provider, up.url, PEERS_KEY, "one", "x")])
            for _ in range(2):
                await node.ask(path, body, *headers, *sent)
            assert [one.head.count(b"x-gantry-hops: " + heard + b"\r\n") for one in taken] == [1, 1]
            assert [one.head.lower().count(b"x-gantry-hops") for one in taken] == [1, 1]

    run(main())


@pytest.mark.parametrize("way", WAYS)
def test_a_provider_hears_nothing_of_gateways(run: Runner, tmp_path: Path, way: str) -> None:
    provider, path, body, headers = WAYS[way]
    taken: list[Taken] = []

    async def main() -> None:
        async with Upstream(taking(GOOD, taken)).running() as up, running_node(tmp_path, up.url) as node:
            await publish(node, 6, [credential(provider, up.url, "sk-a-providers-own", "one", "x")])
            await node.ask(path, body, *headers, b"X-Gantry-Hops: 2")
            assert b"gantry" not in taken[0].head.lower().replace(b"host: gantry", b"")

    run(main())


@pytest.mark.parametrize("hops", [b"4", b"9999"])
def test_a_stranger_is_told_nothing_of_it(run: Runner, tmp_path: Path, hops: bytes) -> None:
    async def main() -> None:
        async with Upstream(answering(GOOD)).running() as up, running_node(tmp_path, up.url) as node:
            assert (await node.ask(CHAT, body_of("mistral/m"), b"X-Gantry-Hops: " + hops)).status == 508
            node.key = "no-key"
            assert (await node.ask(CHAT, body_of("mistral/m"), b"X-Gantry-Hops: " + hops)).status == 401
            assert up.connections == []

    run(main())


# Redirects


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"303 See Other", b"307 Temporary", b"308 Permanent"])
@pytest.mark.parametrize("way", ["relayed", "adapted", "translated", "form", "native"])
def test_a_redirect_is_followed_nowhere(run: Runner, tmp_path: Path, way: str, status: bytes) -> None:
    """It would carry the credential to another host."""
    provider, path, body, headers = WAYS[way]

    async def main() -> None:
        async with Upstream(answering(GOOD)).running() as elsewhere:
            moved = json_answer(b'{"message":"moved"}', status, b"location: " + elsewhere.url.encode())
            async with Upstream(answering(moved)).running() as up, running_node(tmp_path, up.url) as node:
                own = [credential(provider, up.url, "sk-a-providers-own", name, "x") for name in ("one", "two")]
                await publish(node, 6, own)
                got = await node.ask(path, body, *headers)
                assert got.status == int(status[:3]) or got.status >= 400, got.body
                assert len(up.connections) == 1
                assert elsewhere.connections == []

    run(main())


def test_a_list_that_moved_is_not_followed(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(listing(LARGE)).running() as elsewhere:
            moved = json_answer(b"{}", b"302 Found", b"location: " + elsewhere.url.encode() + b"/v1/models")
            async with Upstream(answering(moved)).running() as up, running_node(tmp_path, up.url) as node:
                await publish(node, 6, [credential("mistral", up.url, "sk-a-providers-own")])
                await node.ask("/v1/models", b"", MISTRAL_AGENT, method="GET")
                assert (len(up.connections), elsewhere.connections) == (1, [])

    run(main())
