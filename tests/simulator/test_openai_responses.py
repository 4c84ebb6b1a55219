"""OpenAI's Responses, under `/openai`: what is kept, what must come back, what is refused."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gantry.simulator import Simulator
from tests.simulator.client import Reply, ask, run
from tests.simulator.test_recordings import parsed

PATH = "/openai/v1/responses"
TOOL = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CALL = {"role": "user", "content": "get_weather, please"}
SEALED = {"include": ["reasoning.encrypted_content"], "store": False}


def response(**fields: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "input": "Hello", **fields}


def said(body: Any, *, faults: str = "") -> Reply:
    async def scene(simulator: Simulator) -> Reply:
        return await ask(simulator, PATH, body, faults=faults)

    reply: Reply = run(scene)
    return reply


def result(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": item["call_id"], "output": "sunny"}


def test_a_response_is_kept_and_continued() -> None:
    async def scene(simulator: Simulator) -> None:
        first = (await ask(simulator, PATH, response(tools=[TOOL], input=[CALL]))).json
        assert (await ask(simulator, f"{PATH}/{first['id']}")).json == first
        body = response(tools=[TOOL], previous_response_id=first["id"], input=[result(first["output"][0])])
        second = (await ask(simulator, PATH, body)).json
        assert "sunny" in second["output"][0]["content"][0]["text"]
        assert second["usage"]["input_tokens"] > first["usage"]["input_tokens"]
        items = (await ask(simulator, f"{PATH}/{second['id']}/input_items?order=asc")).json["data"]
        assert [item["type"] for item in items] == ["message", "function_call", "function_call_output"]
        page = (await ask(simulator, f"{PATH}/{second['id']}/input_items?limit=1")).json
        assert (page["data"][0]["type"], page["has_more"]) == ("function_call_output", True)
        assert (await ask(simulator, f"{PATH}/{first['id']}", method="DELETE")).json["deleted"]
        gone = await ask(simulator, PATH, body)
        assert (gone.status, gone.json["error"]["code"]) == (400, "previous_response_not_found")

    run(scene)


def test_an_item_that_was_kept_may_be_referred_to() -> None:
    async def scene(simulator: Simulator) -> None:
        (call,) = (await ask(simulator, PATH, response(tools=[TOOL], input=[CALL]))).json["output"]
        reference = {"type": "item_reference", "id": call["id"]}
        second = await ask(simulator, PATH, response(tools=[TOOL], input=[CALL, reference, result(call)]))
        assert "sunny" in second.json["output"][0]["content"][0]["text"]
        unknown = await ask(simulator, PATH, response(input=[CALL, {**reference, "id": "fc_nowhere"}]))
        assert (unknown.status, unknown.json["error"]["param"]) == (404, "input")

    run(scene)


def test_another_account_sees_nothing_of_it() -> None:
    async def scene(simulator: Simulator) -> list[int]:
        name = (await ask(simulator, PATH, response(), key="sk-a--1")).json["id"]
        return [(await ask(simulator, f"{PATH}/{name}", key=key)).status for key in ("sk-a--2", "sk-b")]

    assert run(scene) == [200, 404]


def test_what_is_not_to_be_stored_is_not() -> None:
    async def scene(simulator: Simulator) -> int:
        name = (await ask(simulator, PATH, response(store=False))).json["id"]
        return (await ask(simulator, f"{PATH}/{name}")).status

    assert run(scene) == 404


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({}, 200, None),
        ({"encrypted_content": "gAAAAABchanged"}, 400, "invalid_encrypted_content"),
        ({"encrypted_content": None}, 404, None),
    ],
)
def test_reasoning_comes_back_sealed(change: dict[str, Any], status: int, code: str | None) -> None:
    fields = {"model": "gpt-5", "tools": [TOOL], **SEALED}

    async def scene(simulator: Simulator) -> Reply:
        reasoning, call = (await ask(simulator, PATH, response(**fields, input=[CALL]))).json["output"]
        return await ask(simulator, PATH, response(**fields, input=[CALL, reasoning | change, call, result(call)]))

    reply = run(scene)
    assert (reply.status, (reply.json["error"] or {}).get("code")) == (status, code)


def test_reasoning_that_was_kept_comes_back_by_its_id() -> None:
    async def scene(simulator: Simulator) -> list[int]:
        body = response(model="gpt-5", tools=[TOOL], input=[CALL])
        kept = (await ask(simulator, PATH, body)).json
        again = {**body, "input": [CALL, *kept["output"], result(kept["output"][-1])]}
        first = (await ask(simulator, PATH, again)).status
        await ask(simulator, f"{PATH}/{kept['id']}", method="DELETE")
        return [first, (await ask(simulator, PATH, again)).status]

    assert run(scene) == [200, 404]


def test_encrypted_content_is_given_when_included_only() -> None:
    with_it, without = said(response(model="gpt-5", **SEALED)), said(response(model="gpt-5"))
    assert ["encrypted_content" in reply.json["output"][0] for reply in (with_it, without)] == [True, False]


def test_a_summary_is_told_in_parts() -> None:
    body = response(model="gpt-5", reasoning={"effort": "low", "summary": "auto"}, stream=True)
    events = said(body).events
    text = "".join(event["delta"] for event in events if event["type"] == "response.reasoning_summary_text.delta")
    assert events[-1]["response"]["output"][0]["summary"] == [{"type": "summary_text", "text": text}]


def test_a_refusal_has_a_part_and_events_of_its_own() -> None:
    part = said(response(), faults="refusal").json["output"][0]["content"][0]
    events = said(response(stream=True), faults="refusal").events
    text = "".join(event["delta"] for event in events if event["type"] == "response.refusal.delta")
    assert part == {"type": "refusal", "refusal": text}


@pytest.mark.parametrize(
    ("fields", "faults", "status", "reason"),
    [
        ({"max_output_tokens": 16}, "", "incomplete", "max_output_tokens"),
        ({}, "finish=content_filter", "incomplete", "content_filter"),
        ({}, "", "completed", None),
    ],
)
def test_a_response_says_whether_it_is_complete(
    fields: dict[str, Any], faults: str, status: str, reason: str | None
) -> None:
    whole = said(response(**fields), faults=faults).json
    assert (whole["status"], (whole["incomplete_details"] or {}).get("reason")) == (status, reason)
    assert said(response(**fields, stream=True), faults=faults).events[-1]["type"] == f"response.{status}"


def test_a_stream_can_fail() -> None:
    last = said(response(stream=True), faults="error-event; at=5").events[-1]
    assert (last["type"], last["sequence_number"]) == ("response.failed", 5)
    assert (last["response"]["status"], last["response"]["error"]["code"]) == ("failed", "server_error")


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"model": "gpt-nope"}, "model_not_found", "model"),
        ({"max_tokens": 16}, "unknown_parameter", "max_tokens"),
        ({"max_output_tokens": 15}, "decimal_below_min_value", "max_output_tokens"),
        ({"model": "gpt-5", "temperature": 0.5}, None, "temperature"),
        ({"reasoning": {"effort": "low"}}, "unsupported_parameter", "reasoning.effort"),
        ({"include": ["everything"]}, "invalid_value", "include[0]"),
        ({"input": [{"type": "note"}]}, "invalid_value", "input[0].type"),
        ({"input": [{"role": "tool", "content": "a"}]}, "invalid_value", "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "text"}]}]}, "invalid_value", "input[0].content[0]"),
        ({"input": [{"type": "function_call_output", "call_id": "call_1", "output": "a"}]}, None, "input"),
        ({"input": [{"type": "function_call", "call_id": "c", "name": "a", "arguments": "{}"}]}, None, "input"),
        ({"tools": [{"type": "function", "function": {}}]}, "missing_required_parameter", "tools[0].name"),
        ({"tools": [{**TOOL, "strict": True}]}, "invalid_function_parameters", "tools[0].parameters"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "name": "a"}}, None, "tool_choice"),
        ({"text": {"format": {"type": "json_object"}}}, None, "input"),
        ({"text": {"format": {"type": "json_schema"}}}, "missing_required_parameter", "text.format.name"),
        ({"previous_response_id": "resp_0"}, "previous_response_not_found", "previous_response_id"),
    ],
)
def test_what_the_real_one_refuses_is_refused(fields: dict[str, Any], code: str | None, param: str) -> None:
    reply = said(response(**fields))
    error = reply.json["error"]
    assert (reply.status, error["code"], error["param"]) == (400, code, param)


def recorded(shared: Path) -> list[Any]:
    events = []
    for path in sorted((shared / "recordings" / "openai" / "openai_responses").glob("*.json")):
        exchange = msgspec.json.decode(path.read_bytes())
        if exchange["response"]["status"] == 200 and exchange["response"].get("sse"):
            events += parsed(exchange["response"]["sse"])
    return events


def outline(event: dict[str, Any]) -> Any:
    """Reduce an event to its keys and those of its item or part, without the padding."""
    inner = event.get("item") or event.get("part") or {}
    return event["type"], frozenset(set(event) - {"obfuscation"}), inner.get("type"), frozenset(inner) - {"phase"}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tools": [TOOL], "input": [CALL]},
        {"model": "gpt-5", **SEALED},
        {"model": "gpt-5", "reasoning": {"effort": "low", "summary": "auto"}, **SEALED},
    ],
)
def test_each_event_has_a_recorded_outline(shared: Path, fields: dict[str, Any]) -> None:
    theirs = {outline(event) for event in recorded(shared)}
    ours = said(response(**fields, stream=True)).events
    assert [outline(event) for event in ours if outline(event) not in theirs] == []


def test_a_whole_response_has_the_recorded_fields(shared: Path) -> None:
    theirs = {frozenset(event["response"]) for event in recorded(shared) if event["type"] == "response.completed"}
    assert any(set(said(response()).json) <= fields for fields in theirs)
