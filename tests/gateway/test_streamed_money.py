"""Streamed or whole, kept or not: the same call uses the same and costs the same, by every provider and in every tier.

The simulator answers the same question with the same words, so that any difference is ours. Where a key's content may
not be kept, all that is left of an answer is what the worker saw pass; the money must not depend on it.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gantry.clerk.meter import meter_call
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import ContentPolicy, Outcome
from gantry.prices.load import load_rates
from gantry.prices.rates import Rates
from gantry.simulator import Simulator
from tests.gateway.conftest import Node, Upstream, running_node
from tests.gateway.endless import ENDLESS
from tests.gateway.uploads import MISTRAL, OPENAI

Runner = Callable[[Any], Any]
WORDS = "Every wagon is weighed, counted and waved through while it is still moving. " * 40


class Provider(NamedTuple):
    place: str  # in the simulator
    model: str


PROVIDERS = {
    "mistral": Provider("", "mistral/mistral-large-latest"),
    "openai": Provider("/openai", "openai/gpt-4o"),
    "anthropic": Provider("/anthropic", "anthropic/claude-sonnet-4-5"),
    "gemini": Provider("/gemini", "gemini/gemini-2.5-flash"),
    "cohere": Provider("/cohere", "cohere/command-a-03-2025"),
    "bedrock": Provider("/bedrock", "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
}
MODELS = {name: asked.model for name, asked in PROVIDERS.items()} | {"responses": "openai/gpt-4o"}
SAID = [{"role": "user", "content": WORDS}]


async def ask(node: Node, client: str, model: str, *headers: bytes, stream: bool) -> None:
    """Ask in a client's way."""
    body: dict[str, Any] = {"model": model, "messages": SAID, "stream": stream}
    path, agent = "/api/chat/completions", OPENAI
    match client:
        case "mistral":
            path, agent = "/api/v1/chat/completions", MISTRAL
        case "responses":
            path, body = "/api/responses", {"model": model, "input": WORDS, "stream": stream}
        case "anthropic":
            marked = [{"type": "text", "text": WORDS, "cache_control": {"type": "ephemeral"}}]
            body |= {"messages": [{"role": "user", "content": marked}], "max_tokens": 300}
            path = "/api/anthropic/v1/messages"
        case "gemini":
            verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
            path = f"/api/google/gemini/v1beta/models/{model}:{verb}"
            body = {"contents": [{"role": "user", "parts": [{"text": WORDS}]}]}
        case _ if stream:
            body["stream_options"] = {"include_usage": True}
    got = await node.ask(path, json.dumps(body).encode(), agent, *headers)
    assert got.status == 200, got.body


@pytest.fixture(scope="module")
def rates() -> Rates:
    return load_rates()


def rows(node: Node, rates: Rates) -> list[RequestLog]:
    metered = []
    for opened, closed, captured in node.calls():
        assert closed is not None
        assert closed.outcome == Outcome.SUCCESS
        metered.append(meter_call(opened, opened.request_body, captured, closed, rates))
    return metered


@pytest.mark.parametrize("policy", [ContentPolicy.FULL, ContentPolicy.REDACTED, ContentPolicy.METADATA])
@pytest.mark.parametrize("client", ["openai", "mistral", "responses", "anthropic", "gemini"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_pain_1_a_streamed_call_costs_what_the_whole_one_does(
    run: Runner, tmp_path: Path, provider: str, client: str, policy: ContentPolicy, rates: Rates
) -> None:
    asked = PROVIDERS[provider]

    async def main() -> None:
        async with (
            Simulator() as simulator,
            running_node(tmp_path, simulator.url + asked.place, content_policy=policy) as node,
        ):
            for stream in (False, True, False, True):  # the first may write a cache that the others read
                await ask(node, client, asked.model, stream=stream)
            _, streamed, whole, again = rows(node, rates)
            assert whole.usage == streamed.usage == again.usage
            assert whole.cost == streamed.cost == again.cost
            assert whole.cost
            assert not whole.usage.estimated
            assert (whole.usage.input_tokens or 0) > 100
            assert whole.usage.output_tokens

    run(main())


@pytest.mark.parametrize("policy", [ContentPolicy.FULL, ContentPolicy.REDACTED, ContentPolicy.METADATA])
@pytest.mark.parametrize("provider", ENDLESS)
def test_pain_8_who_leaves_early_pays_for_what_came(
    run: Runner, tmp_path: Path, provider: str, policy: ContentPolicy, rates: Rates
) -> None:
    endless, model = ENDLESS[provider], MODELS[provider]

    async def main() -> None:
        async with (
            Upstream(endless.script()).running() as upstream,
            running_node(tmp_path, upstream.url, content_policy=policy) as node,
        ):
            client = await node.connect()
            path = "/api/responses" if provider == "responses" else "/api/chat/completions"
            said = {"input": WORDS} if provider == "responses" else {"messages": SAID}
            client.send(node.request(path, json.dumps({"model": model, "stream": True, **said}).encode()))
            await client.reader.readuntil(b"number 199")
            client.leave()
            opened, closed, captured = await node.one_call()
            assert closed.outcome == Outcome.CLIENT_GONE
            usage = meter_call(opened, opened.request_body, captured, closed, rates).usage
            told = 4 * 200  # as Gemini counts while it speaks
            assert told * 0.9 < (usage.output_tokens or 0) < told * 1.6
            assert (usage.input_tokens or 0) > 5
            assert usage.estimated or provider == "gemini"

    run(main())
