"""Amazon Bedrock's shapes, under `/bedrock`."""

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from gantry.simulator import Simulator
from tests.simulator.client import Reply, ask, run

CLAUDE, NOVA = "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0", "us.amazon.nova-micro-v1%3A0"
QUESTION = {"role": "user", "content": [{"text": "Hello, Bedrock!"}]}
CALL = {"role": "user", "content": [{"text": "get_weather, please"}]}
SPEC = {"name": "get_weather", "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}}}
TOOLS = {"tools": [{"toolSpec": SPEC}]}
BUDGET = {"thinking": {"type": "enabled", "budget_tokens": 1024}}

# Signed by botocore, for this body at this time, with the key and the secret the simulator knows.
SIGNED = b'{"messages":[{"role":"user","content":[{"text":"Hello"}]}]}'
SIGNATURE = "7f03c59d134234197e6bf5fe5bbf41771021214e61a37b2461b5e80bbb2a050e"
SCOPE = "20261129/us-east-1/bedrock/aws4_request"
HEADERS = "content-type;host;x-amz-date"


def authorization(
    key: str = "AKIASIMULATOR", scope: str = SCOPE, headers: str = HEADERS, signature: str = SIGNATURE
) -> dict[str, str]:
    given = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={headers}, Signature={signature}"
    return {"content-type": "application/json", "x-amz-date": "20261129T120000Z", "authorization": given}


def said(body: Any, model: str = CLAUDE, *, operation: str = "converse", faults: str = "") -> Reply:
    async def scene(simulator: Simulator) -> Reply:
        return await ask(simulator, f"/bedrock/model/{model}/{operation}", body, faults=faults)

    reply: Reply = run(scene)
    return reply


def messages(raw: bytes) -> Iterator[tuple[dict[str, str], bytes]]:
    """Take an event stream apart, and check its sums."""
    while raw:
        total, size, summed = struct.unpack(">III", raw[:12])
        assert summed == zlib.crc32(raw[:8])
        assert struct.unpack(">I", raw[total - 4 : total])[0] == zlib.crc32(raw[: total - 4])
        yield headers_of(raw[12 : 12 + size]), raw[12 + size : total - 4]
        raw = raw[total:]


def headers_of(raw: bytes) -> dict[str, str]:
    found = {}
    while raw:
        name, raw = raw[1 : 1 + raw[0]].decode(), raw[1 + raw[0] :]
        assert raw[0] == 7
        size = int.from_bytes(raw[1:3], "big")
        found[name], raw = raw[3 : 3 + size].decode(), raw[3 + size :]
    return found


def folded(events: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Put the blocks of a stream together."""
    blocks: dict[int, dict[str, Any]] = {}
    for kind, event in events:
        index = event.get("contentBlockIndex", 0)
        if kind == "contentBlockStart":
            blocks[index] = {"toolUse": {**event["start"]["toolUse"], "input": ""}}
        elif kind == "contentBlockDelta":
            match event["delta"]:
                case {"text": text}:
                    blocks.setdefault(index, {"text": ""})["text"] += text
                case {"toolUse": {"input": text}}:
                    blocks[index]["toolUse"]["input"] += text
                case {"reasoningContent": part}:
                    shown = blocks.setdefault(index, {"reasoningContent": {"reasoningText": {"text": ""}}})
                    inner = shown["reasoningContent"]["reasoningText"]
                    inner["text"] += part.get("text", "")
                    inner |= {name: value for name, value in part.items() if name == "signature"}
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = msgspec.json.decode(block["toolUse"]["input"])
    return [blocks[index] for index in sorted(blocks)]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"inferenceConfig": {"maxTokens": 5}},
        {"toolConfig": TOOLS, "messages": [CALL]},
        {"toolConfig": TOOLS, "messages": [CALL], "additionalModelRequestFields": BUDGET},
    ],
)
def test_a_stream_folds_to_the_whole_answer(fields: dict[str, Any]) -> None:
    body = {"messages": [QUESTION], **fields}
    whole, reply = said(body).json, said(body, operation="converse-stream")
    assert reply.headers["content-type"] == "application/vnd.amazon.eventstream"
    events = [(headers[":event-type"], msgspec.json.decode(payload)) for headers, payload in messages(reply.raw)]
    assert folded(events) == whole["output"]["message"]["content"]
    kinds = [kind for kind, _ in events]
    assert (kinds[0], kinds[-2:]) == ("messageStart", ["messageStop", "metadata"])
    assert events[-2][1]["stopReason"] == whole["stopReason"]
    assert events[-1][1]["usage"] == whole["usage"]


def test_an_error_in_a_stream_is_a_message_of_its_own_kind() -> None:
    reply = said({"messages": [QUESTION]}, operation="converse-stream", faults="error-event; at=3")
    headers, payload = list(messages(reply.raw))[-1]
    assert (headers[":message-type"], headers[":exception-type"]) == ("exception", "modelStreamErrorException")
    assert "message" in msgspec.json.decode(payload)


def test_broken_json_comes_in_a_whole_frame() -> None:
    reply = said({"messages": [QUESTION]}, operation="converse-stream", faults="malformed-json; at=3; comments; crlf")
    payloads = [payload for _, payload in messages(reply.raw)]
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(payloads[3])
    assert msgspec.json.decode(payloads[4])


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        (authorization(), 200, ""),
        (authorization(signature="0" * 64), 403, "InvalidSignatureException"),
        (authorization(key="AKIAANOTHER", signature="0" * 64), 200, ""),
        (authorization(key="AKIABAD"), 403, "UnrecognizedClientException"),
        (authorization(scope="20261128/us-east-1/bedrock/aws4_request"), 403, "InvalidSignatureException"),
        (authorization(scope="20261129/us-east-1/s3/aws4_request"), 403, "InvalidSignatureException"),
        (authorization(headers="content-type;x-amz-date"), 403, "InvalidSignatureException"),
        (authorization(headers="host;x-amz-date;x-amz-security-token"), 403, "InvalidSignatureException"),
        ({**authorization(), "x-amz-date": "yesterday"}, 403, "IncompleteSignatureException"),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=a"}, 403, "IncompleteSignatureException"),
        ({}, 403, "MissingAuthenticationTokenException"),
        ({"authorization": "Bearer simulated"}, 200, ""),
        ({"authorization": "Bearer bad"}, 403, "AccessDeniedException"),
    ],
)
def test_a_request_is_signed_or_has_a_key(headers: dict[str, str], status: int, kind: str) -> None:
    path = f"/bedrock/model/{NOVA}/converse"
    reply: Reply = run(lambda simulator: ask(simulator, path, SIGNED, headers=headers, key=""))
    assert (reply.status, reply.headers.get("x-amzn-errortype", "").partition(":")[0]) == (status, kind)


def test_tools_are_called_and_answered_with_thinking_unchanged() -> None:
    fields = {"toolConfig": TOOLS, "additionalModelRequestFields": BUDGET}

    async def scene(simulator: Simulator) -> None:
        path = f"/bedrock/model/{CLAUDE}/converse"
        first = (await ask(simulator, path, {**fields, "messages": [CALL]})).json
        assert first["stopReason"] == "tool_use"
        turn = first["output"]["message"]
        name = turn["content"][-1]["toolUse"]["toolUseId"]
        result = {"role": "user", "content": [{"toolResult": {"toolUseId": name, "content": [{"text": "sunny"}]}}]}
        second = await ask(simulator, path, {**fields, "messages": [CALL, turn, result]})
        assert "sunny" in second.json["output"]["message"]["content"][-1]["text"]
        turn["content"][0]["reasoningContent"]["reasoningText"]["signature"] = "changed"
        changed = await ask(simulator, path, {**fields, "messages": [CALL, turn, result]})
        assert "Invalid `signature` in `thinking` block" in changed.json["message"]

    run(scene)


USE = {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "get_weather", "input": {}}}]}
RESULT = {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": []}}]}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"messages": []}, "A conversation must contain at least one message."),
        ({"messages": [{"role": "assistant", "content": [{"text": "a"}]}]}, "A conversation must start with a user"),
        ({"messages": [{"role": "user", "content": []}]}, "The content field in the Message object at messages.0 is"),
        ({"messages": [{"role": "user", "content": [{"text": " "}]}]}, "The text field in the ContentBlock object at"),
        ({"messages": [{"role": "system", "content": [{"text": "a"}]}]}, "1 validation error detected: Value 'system'"),
        ({"messages": [{"role": "user"}]}, "1 validation error detected: Value null at 'messages.1.member.content'"),
        ({"messages": [QUESTION, USE, RESULT]}, "The toolConfig field must be defined when using toolUse and"),
        ({"messages": [QUESTION, USE, QUESTION], "toolConfig": TOOLS}, "Expected toolResult blocks at messages.2"),
        ({"messages": [QUESTION, RESULT], "toolConfig": TOOLS}, "The number of toolResult blocks at messages.1"),
        (
            {"inferenceConfig": {"temperature": 1.5}},
            "1 validation error detected: Value '1.5' at 'inferenceConfig.temperature' failed to satisfy constraint: "
            "Member must have value less than or equal to 1",
        ),
    ],
)
def test_what_the_real_one_refuses_is_refused(fields: dict[str, Any], text: str) -> None:
    reply = said({"messages": [QUESTION], **fields})
    assert (reply.status, reply.headers["x-amzn-errortype"].partition(":")[0]) == (400, "ValidationException")
    assert reply.json["message"].startswith(text)


@pytest.mark.parametrize(
    ("model", "status", "text"),
    [
        ("gemini", 400, "The provided model identifier is invalid."),
        ("us.does-not-exist-model-v1%3A0", 400, "The provided model identifier is invalid."),
        ("anthropic.claude-sonnet-4-5-20250929-v1%3A0", 400, "Invocation of model ID anthropic.claude-sonnet-4-5-"),
        ("deepseek.r1-v1%3A0", 400, "Invocation of model ID deepseek.r1-v1:0 with on-demand throughput"),
        ("anthropic.claude-3-5-sonnet-20240620-v1%3A0", 404, "This model version has reached the end of its life."),
        (f"{CLAUDE}--sim-status-429", 429, "Too many requests"),
    ],
)
def test_errors_say_what_is_wrong_with_a_model(model: str, status: int, text: str) -> None:
    reply = said({"messages": [QUESTION]}, model)
    assert (reply.status, reply.json["message"].startswith(text)) == (status, True)


def test_a_schema_is_met_and_tokens_are_counted() -> None:
    schema = {"name": "n", "schema": '{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}'}
    form = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}
    answer = said({"messages": [QUESTION], "outputConfig": form}).json
    assert answer["output"]["message"]["content"] == [{"text": '{"n":1}'}]
    counted = said({"input": {"converse": {"messages": [QUESTION]}}}, operation="count-tokens").json["inputTokens"]
    assert counted == answer["usage"]["inputTokens"]
