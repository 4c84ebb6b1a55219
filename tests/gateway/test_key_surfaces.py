"""A key that is kept to some surfaces: by the format that is spoken, by operation, or to a provider's account."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.conftest import Upstream, answering, json_answer, running_node
from tests.gateway.scenes import SCENES

Runner = Callable[[Any], Any]
_MESSAGES = b'[{"role":"user","content":"hi"}]'
_CHAT = b'{"model":"mistral/mistral-small-latest","messages":%b}' % _MESSAGES
_TOLD = b'{"model":"mistral/mistral-small-latest","messages":%b,"max_tokens":5}' % _MESSAGES
_CONTENTS = b'{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}'
ASKED = {
    "mistral": ("/api/v1/chat/completions", _CHAT, (b"User-Agent: mistral-client-python/1.12.4",)),
    "openai": ("/api/chat/completions", _CHAT, ()),
    "anthropic": ("/api/anthropic/v1/messages", _TOLD, ()),
    "google": ("/api/google/gemini/v1beta/models/mistral/mistral-small-latest:generateContent", _CONTENTS, ()),
    "cohere": ("/api/v2/rerank", b'{"model":"cohere/rerank-v3.5","query":"a","documents":["b"]}', ()),
    "native": ("/api/v1/workflows/x", b'{"name":"x"}', ()),
    "embeddings": ("/api/embeddings", b'{"model":"mistral/mistral-embed","input":"hi"}', ()),
}


@pytest.mark.parametrize("allowed", ASKED)
def test_a_key_reaches_the_surfaces_of_its_list_and_no_others(run: Runner, tmp_path: Path, allowed: str) -> None:
    async def main() -> None:
        upstream = Upstream(answering(json_answer(b"{}")))
        async with upstream.running(), running_node(tmp_path, upstream.url, surfaces=(allowed,)) as node:
            for name, (path, body, headers) in ASKED.items():
                got = await node.ask(path, body, *headers)
                within = name == allowed or (name, allowed) == ("embeddings", "openai")
                assert (got.status != 403) == within, (name, got.status, got.body)
                if not within:
                    assert b"it may use: " + allowed.encode() in got.body

    run(main())


def test_a_key_without_a_list_reaches_all_and_one_with_a_list_may_ask_for_models(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        upstream = Upstream(answering(json_answer(b'{"object":"list","data":[]}')))
        async with upstream.running(), running_node(tmp_path / "all", upstream.url) as node:
            for path, body, headers in ASKED.values():
                assert (await node.ask(path, body, *headers)).status != 403
        async with upstream.running(), running_node(tmp_path / "one", upstream.url, surfaces=("anthropic",)) as node:
            assert (await node.ask("/api/v1/models", method="GET")).status == 200

    run(main())


def test_a_client_that_is_neither_sdk_is_let_in_where_either_family_is(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        upstream = Upstream(answering(json_answer(b"{}")))
        async with upstream.running(), running_node(tmp_path, upstream.url, surfaces=("mistral",)) as node:
            assert (await node.ask("/api/v1/chat/completions", _CHAT)).status == 200
            openai = b"User-Agent: OpenAI/Python 3.54.0"
            assert (await node.ask("/api/v1/chat/completions", _CHAT, openai)).status == 403

    run(main())


def test_every_scene_has_a_family(run: Runner, tmp_path: Path) -> None:
    """Whatever is spoken can be forbidden: the refusal names the family, and no scene falls through."""

    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:9", surfaces=("speech",)) as node:
            for scene in SCENES:
                path, body, headers = scene.request({})
                assert (await node.ask(path, body, *headers)).status == 403, scene.name

    run(main())
