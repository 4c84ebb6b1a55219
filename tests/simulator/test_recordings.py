"""What the simulator says has the shape of what the provider was recorded saying."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gantry.simulator import Simulator
from tests.simulator.client import Reply, ask, chat, run

MODEL = "mistral-small-latest"


def recorded(shared: Path, *, stream: bool) -> Iterator[dict[str, Any]]:
    """Give the untouched answers of the newest small model."""
    for path in sorted((shared / "recordings" / "mistral" / "mistral_chat").glob("*.json")):
        exchange = msgspec.json.decode(path.read_bytes())
        untouched = exchange["capture"]["response"] == "raw" and exchange["response"]["status"] == 200
        if untouched and exchange["model"] == MODEL and exchange["stream"] is stream:
            yield exchange["response"]


def asked(**fields: Any) -> Reply:
    async def scene(simulator: Simulator) -> Reply:
        return await ask(simulator, "/v1/chat/completions", chat(MODEL, **fields))

    reply: Reply = run(scene)
    return reply


def outline(value: Any) -> Any:
    """Reduce an answer to its keys, in order."""
    if isinstance(value, dict):
        return [(key, outline(item)) for key, item in value.items() if key not in ("p", "arguments")]
    if isinstance(value, list):
        return [outline(item) for item in value[:1]]
    return None


def parsed(sse: str) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in sse.splitlines() if line.startswith("data: {")]
    return [msgspec.json.decode(line) for line in lines]


@pytest.mark.parametrize("tools", [False, True])
def test_a_whole_answer_has_a_recorded_outline(shared: Path, tools: bool) -> None:
    function = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    ours = outline(asked(**({"tools": [function], "tool_choice": "any"} if tools else {})).json)
    assert ours in [outline(answer["body"]) for answer in recorded(shared, stream=False)]


def test_each_event_has_a_recorded_outline(shared: Path) -> None:
    events = asked(stream=True).events
    theirs = [outline(event) for answer in recorded(shared, stream=True) for event in parsed(answer["sse"])]
    assert [event for event in events if outline(event) not in theirs] == []


def test_the_headers_have_recorded_names(shared: Path) -> None:
    theirs = {name for answer in recorded(shared, stream=False) for name in answer["headers"]}
    assert theirs <= set(asked().headers)
