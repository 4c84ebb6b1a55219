"""A stream whose hold is used up, over sockets: what its client gets, when its upstream is free, what is written down.

The providers here never end by themselves, so an answer that ends was ended by us.
"""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gantry.clerk.meter import meter_call
from gantry.core.chat import FinishReason
from gantry.core.chat_events import AnswerEnded, ChoiceFinished, UsageReported
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import ContentPolicy, Dialect, Outcome, Tier
from gantry.dialects.assemble import assemble
from gantry.dialects.codecs import CODECS
from gantry.gateway import call
from gantry.gateway.recording import Recording
from gantry.prices.load import load_rates
from gantry.prices.rates import Rates
from tests.gateway.conftest import Answer, Node, Upstream, answering, json_answer, running_node
from tests.gateway.endless import ENDLESS, WORDS
from tests.gateway.uploads import MISTRAL, OPENAI

pytestmark = pytest.mark.plain  # a recording that is not the real one
Runner = Callable[[Any], Any]
HELD = 25
SPENT = "the limit 'a month' is used up"


class Held:
    """What is held for one stream, once and for all."""

    input_tokens = 5
    output_tokens = HELD
    spent = SPENT

    def may_go_on(self, output_tokens: int) -> bool:
        return False


class HeldRecording(Recording):
    def __init__(self, *about: Any) -> None:
        super().__init__(*about)
        self.stream_hold = Held()


@pytest.fixture(autouse=True)
def _each_call_has_a_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "Recording", HeldRecording)


class Way(NamedTuple):
    """From a client to a provider."""

    client: Dialect
    provider: str
    tier: Tier
    path: str
    model: str
    agent: bytes = OPENAI

    @property
    def name(self) -> str:
        return f"{self.client}-to-{self.provider}"

    async def ask(self, node: Node, **fields: Any) -> Answer:
        said = [{"role": "user", "content": "Count."}]
        body: dict[str, Any] = {"model": self.model, "stream": True, **fields}
        path = self.path
        match self.client:
            case Dialect.OPENAI_RESPONSES:
                body["input"] = "Count."
            case Dialect.GEMINI:
                body = {"contents": [{"role": "user", "parts": [{"text": "Count."}]}], **fields}
                path = f"{self.path}/{self.model}:streamGenerateContent?alt=sse"
            case Dialect.ANTHROPIC:
                body |= {"messages": said, "max_tokens": 1000}
            case Dialect.OPENAI_CHAT:
                body |= {"messages": said, "stream_options": {"include_usage": True}}
            case _:
                body["messages"] = said
        return await node.ask(path, json.dumps(body).encode(), self.agent)


_CHAT, _V1 = "/api/chat/completions", "/api/v1/chat/completions"
_MESSAGES, _GOOGLE = "/api/anthropic/v1/messages", "/api/google/gemini/v1beta/models"
_RELAY, _ADAPT, _TRANSLATE = Tier.RELAY, Tier.ADAPT, Tier.TRANSLATE
WAYS = [
    Way(Dialect.MISTRAL, "mistral", _RELAY, _V1, "mistral/mistral-large-latest", MISTRAL),
    Way(Dialect.MISTRAL, "openai", _TRANSLATE, _V1, "openai/gpt-4o", MISTRAL),
    Way(Dialect.MISTRAL, "anthropic", _TRANSLATE, _V1, "anthropic/claude-sonnet-4-5", MISTRAL),
    Way(Dialect.OPENAI_CHAT, "openai", _RELAY, _CHAT, "openai/gpt-4o"),
    Way(Dialect.OPENAI_CHAT, "mistral", _ADAPT, _CHAT, "mistral/mistral-large-latest"),
    Way(Dialect.OPENAI_CHAT, "anthropic", _TRANSLATE, _CHAT, "anthropic/claude-sonnet-4-5"),
    Way(Dialect.OPENAI_CHAT, "gemini", _TRANSLATE, _CHAT, "gemini/gemini-2.5-flash"),
    Way(Dialect.OPENAI_RESPONSES, "responses", _RELAY, "/api/responses", "openai/gpt-4o"),
    Way(Dialect.OPENAI_RESPONSES, "anthropic", _TRANSLATE, "/api/responses", "anthropic/claude-sonnet-4-5"),
    Way(Dialect.ANTHROPIC, "anthropic", _RELAY, _MESSAGES, "anthropic/claude-sonnet-4-5"),
    Way(Dialect.ANTHROPIC, "mistral", _TRANSLATE, _MESSAGES, "mistral/mistral-large-latest"),
    Way(Dialect.GEMINI, "gemini", _RELAY, _GOOGLE, "gemini/gemini-2.5-flash"),
    Way(Dialect.GEMINI, "mistral", _TRANSLATE, _GOOGLE, "mistral/mistral-large-latest"),
]
ALL_WAYS = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)


@pytest.fixture(scope="module")
def rates() -> Rates:
    return load_rates()


async def row_of(node: Node, rates: Rates) -> RequestLog:
    opened, closed, captured = await node.one_call()
    return meter_call(opened, opened.request_body, captured, closed, rates)


@ALL_WAYS
def test_the_answer_is_complete_and_the_upstream_is_free(run: Runner, tmp_path: Path, way: Way, rates: Rates) -> None:
    provider = ENDLESS[way.provider]

    async def main() -> None:
        async with (
            Upstream(provider.script()).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            got = await way.ask(node)
            assert got.status == 200
            decoder = CODECS[way.client].stream_decoder()
            events = decoder.feed(got.body) + decoder.close()
            assert isinstance(events[-1], AnswerEnded)
            [finish] = [event.finish for event in events if isinstance(event, ChoiceFinished)]
            assert finish.reason is FinishReason.LENGTH
            answer = assemble(way.client, events)
            [part] = answer.choices[0].parts
            assert "".join(WORDS).startswith(part.text)  # type: ignore[union-attr]
            told = [event.usage for event in events if isinstance(event, UsageReported)][-1]
            given = Held.input_tokens if provider.input_tokens is None else provider.input_tokens
            assert told.input_tokens == given
            assert told.output_tokens is not None
            assert HELD <= told.output_tokens < HELD + 10
            [connection] = upstream.connections
            await asyncio.wait_for(connection.closed.wait(), 5)
            row = await row_of(node, rates)
            assert row.outcome is Outcome.SUCCESS
            assert (row.status_code, row.stream, row.tier, row.error_message) == (200, True, way.tier, None)
            assert row.finish_reason == ("max_output_tokens" if way.provider == "responses" else "length")
            assert row.warnings is not None
            assert SPENT in row.warnings
            assert row.usage.estimated
            assert (row.usage.input_tokens, row.usage.output_tokens) == (given, told.output_tokens)
            assert row.cost

    run(main())


@pytest.mark.parametrize("policy", [ContentPolicy.METADATA, ContentPolicy.NOTHING])
def test_what_it_used_is_known_where_its_content_is_not_kept(
    run: Runner, tmp_path: Path, policy: ContentPolicy, rates: Rates
) -> None:
    async def main() -> None:
        async with (
            Upstream(ENDLESS["anthropic"].script()).running() as upstream,
            running_node(tmp_path, upstream.url, content_policy=policy) as node,
        ):
            await next(way for way in WAYS if way.name == "anthropic-to-anthropic").ask(node)
            row = await row_of(node, rates)
            assert (row.usage.input_tokens, row.usage.estimated) == (12, True)
            assert HELD < (row.usage.output_tokens or 0) < HELD + 10
            assert row.finish_reason == "length"

    run(main())


@pytest.mark.parametrize("name", ["openai_chat-to-openai", "openai_chat-to-mistral", "openai_chat-to-anthropic"])
def test_the_breakdown_tells_of_the_answer_as_it_was_ended(run: Runner, tmp_path: Path, name: str) -> None:
    way = next(way for way in WAYS if way.name == name)

    async def main() -> None:
        async with (
            Upstream(ENDLESS[way.provider].script()).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            got = await way.ask(node, request_breakdown=True)
            assert got.body.endswith(b"data: [DONE]\n\n")
            chunks = [json.loads(line[6:]) for line in got.body.split(b"\n\n")[:-2]]
            [told] = [
                one["request_breakdown"] for chunk in chunks for one in chunk["choices"] if "request_breakdown" in one
            ]
            assert told["completion_tokens"] > HELD

    run(main())


def test_a_shortened_answer_is_kept_for_nobody(run: Runner, tmp_path: Path) -> None:
    way = next(way for way in WAYS if way.name == "openai_chat-to-openai")

    async def main() -> None:
        async with (
            Upstream(ENDLESS[way.provider].script()).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            for _ in range(2):
                got = await way.ask(node, cache_enabled=True)
                assert got.headers["x-gantry-cache"] == "miss"
            assert len(upstream.connections) == 2

    run(main())


def test_a_whole_answer_is_not_looked_into(run: Runner, tmp_path: Path) -> None:
    """The connection goes back to the pool with what it brought, however little was held."""
    words = json.dumps({"choices": [{"message": {"content": "long " * 100}, "finish_reason": "stop"}]}).encode()

    async def main() -> None:
        async with (
            Upstream(answering(json_answer(words))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            for _ in range(2):
                body = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
                got = await node.ask(_CHAT, json.dumps(body).encode())
                assert got.body == words
            assert len(upstream.connections) == 1

    run(main())
