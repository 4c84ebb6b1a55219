"""No body, however mangled, is answered with anything but an answer."""

import copy
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from gantry.simulator.anthropic import signatures as anthropic
from gantry.simulator.exchange import Request
from gantry.simulator.gemini import signatures as gemini
from gantry.simulator.openai.items import encrypt
from gantry.simulator.world import World

ROUNDS = 150
HEADERS = (
    (b"authorization", b"Bearer simulated"),
    (b"x-api-key", b"simulated"),
    (b"anthropic-version", b"2023-06-01"),
    (b"x-goog-api-key", b"simulated"),
    (b"api-key", b"simulated"),
)
VALUES: tuple[Any, ...] = (
    *(None, "", 0, -1, 1.5, True, [], {}, "x", [1], ["x"], {"a": 1}, [{}], [None]),
    *("user", "assistant", "model", "tool", {"type": "text"}, {"text": "a"}),
)
OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}}
STRICT = {**OBJECT, "required": ["a"], "additionalProperties": False}
MESSAGE = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 2048,
    "system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}],
    "tools": [{"name": "f", "input_schema": OBJECT}],
    "tool_choice": {"type": "auto"},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "output_config": {"format": {"type": "json_schema", "schema": STRICT}},
    "messages": [
        {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "a"}}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "a", "signature": anthropic.sign("a")},
                {"type": "tool_use", "id": "a", "name": "f", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "b"}]}],
        },
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ],
}
PREFILLED = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": [{"type": "text", "text": "b"}]}],
}
CONTENT = {
    "contents": [
        {"role": "user", "parts": [{"text": "f"}, {"inlineData": {"mimeType": "a", "data": "aa"}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}, "thoughtSignature": gemini.sign("a")}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"a": 1}}}]},
    ],
    "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT", "properties": {}}}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    "generationConfig": {"stopSequences": ["a"], "candidateCount": 2, "thinkingConfig": {"includeThoughts": True}},
}
EMBEDDED = {"model": "models/gemini-embedding-001", "content": {"parts": [{"text": "a"}]}, "outputDimensionality": 9}
RESPONSE = {
    "model": "gpt-5",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "f"}]},
        {"type": "reasoning", "id": "rs_a", "encrypted_content": encrypt("a"), "summary": []},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "b"},
    ],
    "tools": [{"type": "function", "name": "f", "parameters": STRICT, "strict": True}],
    "text": {"format": {"type": "json_schema", "name": "a", "schema": STRICT, "strict": True}},
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "tool_choice": {"type": "function", "name": "f"},
}
CONVERSE = {
    "messages": [
        {"role": "user", "content": [{"text": "f"}, {"cachePoint": {"type": "default"}}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "a", "name": "f", "input": {}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "a", "content": [{"text": "a"}, {"json": {}}]}}]},
    ],
    "inferenceConfig": {"maxTokens": 5, "stopSequences": ["a"]},
    "toolConfig": {
        "tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": OBJECT}}}],
        "toolChoice": {"tool": {"name": "f"}},
    },
    "additionalModelRequestFields": {"thinking": {"type": "enabled"}},
    "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{}"}}}},
}
COMMAND = {
    "model": "command-a-03-2025",
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "f"}]},
        {
            "role": "assistant",
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "b"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": OBJECT}}],
    "tool_choice": "REQUIRED",
}
CHAT = {
    "messages": [{"role": "user", "content": "f"}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": OBJECT}}],
    "n": 2,
}
NOVA = "/bedrock/model/us.amazon.nova-micro-v1:0"
BODIES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/anthropic/v1/messages", MESSAGE),
    ("/anthropic/v1/messages", {**MESSAGE, "stream": True}),
    ("/anthropic/v1/messages", PREFILLED),
    ("/anthropic/v1/messages/batches", {"requests": [{"custom_id": "a", "params": PREFILLED}]}),
    ("/gemini/v1/models/gemini-2.5-flash:generateContent", CONTENT),
    ("/gemini/v1/models/gemini-3-pro-preview:streamGenerateContent?alt=sse", CONTENT),
    ("/gemini/v1/models/gemini-2.5-flash:countTokens", {"generateContentRequest": CONTENT}),
    ("/gemini/v1/models/gemini-embedding-001:batchEmbedContents", {"requests": [EMBEDDED]}),
    ("/openai/v1/responses", RESPONSE),
    ("/openai/v1/responses", {**RESPONSE, "stream": True}),
    (f"{NOVA}/converse", CONVERSE),
    (f"{NOVA}/converse-stream", CONVERSE),
    (f"{NOVA}/count-tokens", {"input": {"converse": CONVERSE}}),
    ("/cohere/v2/chat", COMMAND),
    ("/cohere/v2/chat", {**COMMAND, "stream": True}),
    ("/cohere/v2/embed", {"model": "embed-v4.0", "input_type": "search_query", "texts": ["a"]}),
    ("/azure/openai/deployments/mine/chat/completions?api-version=1", CHAT),
)


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if place:
        yield place
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield from places(inner, (*place, step))


def mangled(body: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Change or take away one thing or two."""
    changed = copy.deepcopy(body)
    for _ in range(chance.choice((1, 1, 2))):
        *way, last = chance.choice(list(places(changed)) or [("model",)])
        inside: Any = changed
        for step in way:
            inside = inside[step]
        if chance.random() < 0.3 and (isinstance(inside, list) or last in inside):
            del inside[last]
        else:
            inside[last] = copy.deepcopy(chance.choice(VALUES))
    return changed


@pytest.mark.parametrize(("target", "body"), BODIES)
def test_a_mangled_body_is_answered(target: str, body: dict[str, Any]) -> None:
    world, chance = World(), random.Random(7)

    def status(given: dict[str, Any]) -> int:
        request = Request(b"POST", target.encode(), HEADERS, msgspec.json.encode(given))
        return world.perform(request).answer.status

    assert status(body) == 200
    statuses = {status(mangled(body, chance)) for _ in range(ROUNDS)}
    assert 400 in statuses
    assert statuses <= {200, 400, 404, 422}
