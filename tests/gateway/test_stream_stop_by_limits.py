"""A stream that outgrows a budget: more is held while there is more; then it ends, and the books say what it cost."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.core.chat import FinishReason
from gantry.core.chat_events import AnswerEnded, ChoiceFinished, UsageReported
from gantry.core.vocabulary import Dialect, Outcome
from gantry.dialects.codecs import CODECS
from tests.gateway.books import CENT, WORDS, all_closed, counted, limit, limited_node
from tests.gateway.conftest import Upstream
from tests.gateway.endless import ENDLESS

Runner = Callable[[Any], Any]
BUDGET = 5 * CENT
PATHS = {
    Dialect.OPENAI_CHAT: "/api/chat/completions",
    Dialect.ANTHROPIC: "/api/anthropic/v1/messages",
}


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("provider", ["mistral", "openai", "anthropic", "gemini"])
def test_a_stream_ends_where_its_budget_does(run: Runner, tmp_path: Path, provider: str, client: Dialect) -> None:
    pocket_money = limit(BUDGET, name="pocket money")
    body = {
        "model": f"penny-{provider}",
        "messages": [{"role": "user", "content": "Count."}],
        "max_tokens": WORDS,
        "stream": True,
    }
    if client is Dialect.OPENAI_CHAT:
        body["stream_options"] = {"include_usage": True}

    async def main() -> None:
        upstream = Upstream(ENDLESS[provider].script())
        async with (
            upstream.running(),
            limited_node(tmp_path, upstream.url, pocket_money, stop_streams=True) as node,
        ):
            got = await node.ask(PATHS[client], json.dumps(body).encode())
            assert got.status == 200, got.body
            decoder = CODECS[client].stream_decoder()
            events = decoder.feed(got.body) + decoder.close()
            assert isinstance(events[-1], AnswerEnded)
            assert [e.finish.reason for e in events if isinstance(e, ChoiceFinished)] == [FinishReason.LENGTH]
            told = [event.usage for event in events if isinstance(event, UsageReported)][-1]
            [(opened, closed)] = await all_closed(node, 1)
            assert closed.outcome == Outcome.SUCCESS
            assert closed.settled is not None
            assert closed.stopped is not None
            assert any("pocket money" in warning for warning in closed.warnings)
            assert opened.hold is not None
            assert opened.hold.cost == CENT
            assert closed.settled.cost == (closed.stopped.usage.output_tokens or 0) * CENT // WORDS
            assert told.output_tokens == closed.stopped.usage.output_tokens
            # It ends by our count, and is settled by Gemini's, which is told with each of its pieces.
            most = BUDGET + (2 if provider == "gemini" else 1) * CENT
            assert BUDGET - CENT < counted(node, pocket_money) < most
            [connection] = upstream.connections
            await asyncio.wait_for(connection.closed.wait(), 5)

    run(main())
