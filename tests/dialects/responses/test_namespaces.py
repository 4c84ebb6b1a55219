"""Codex's sub-agents at a provider without namespaces: what is asked there, and what comes back, streamed and not."""

import json
from typing import Any

import pytest

from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.adapt import Adaptation
from gantry.dialects.codec import Asking, Target
from gantry.dialects.translate import decode_request, translate

OWN, CHAT = Dialect.OPENAI_RESPONSES, Dialect.OPENAI_CHAT
FLAT = "agents__spawn"


def function(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "name": name, "parameters": {"type": "object", "properties": {}}, **more}


def namespace(*tools: dict[str, Any], name: str = "agents") -> dict[str, Any]:
    return {"type": "namespace", "name": name, "description": "Sub-agents.", "tools": list(tools)}


AGENTS = namespace(function("spawn"), function("wait"))
CALLED = {"type": "function_call", "namespace": "agents", "name": "spawn", "call_id": "c1", "arguments": '{"a":1}'}
SPOKEN = {"type": "function_call_output", "call_id": "c1", "output": "spawned"}
QUESTION = {"type": "message", "role": "user", "content": "Go!"}


def asked(*tools: dict[str, Any], history: tuple[dict[str, Any], ...] = (), target: Dialect = CHAT) -> Adaptation:
    body = {"model": "m", "input": [QUESTION, *history], "tools": tools}
    request = decode_request(OWN, json.dumps(body).encode(), None, stream=None)
    return translate(OWN, target, request, Target("m"), asking=Asking(request, 1_700_000_000, "id"))


def names(adaptation: Adaptation) -> list[str]:
    return [tool["function"]["name"] for tool in json.loads(adaptation.body)["tools"]]


def test_functions_in_a_namespace_stand_among_the_others_and_nobody_changes_place() -> None:
    sent = asked(function("exec"), AGENTS, function("plan"))
    assert names(sent) == ["exec", FLAT, "plan", "agents__wait"]
    assert "tools[1]: converted to functions called agents__…" in map(str, sent.changes)


def test_their_calls_in_the_history_are_called_so_too() -> None:
    messages = json.loads(asked(AGENTS, history=(CALLED, SPOKEN)).body)["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    assert messages[1]["tool_calls"][0]["function"] == {"name": FLAT, "arguments": '{"a":1}'}
    assert messages[2]["tool_call_id"] == messages[1]["tool_calls"][0]["id"]


def test_a_call_comes_back_by_both_of_its_names() -> None:
    call = {"id": "c2", "type": "function", "function": {"name": FLAT, "arguments": "{}"}}
    choice = {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "tool_calls": [call]}}
    _, answer = asked(AGENTS).response(200, json.dumps({"id": "x", "choices": [choice]}).encode(), "application/json")
    (item,) = json.loads(answer)["output"]
    assert (item["namespace"], item["name"], item["call_id"]) == ("agents", "spawn", "c2")


def test_a_streamed_call_comes_back_by_both_of_its_names() -> None:
    call = {"index": 0, "id": "c2", "type": "function", "function": {"name": FLAT, "arguments": "{}"}}
    chunks = [{"index": 0, "delta": {"tool_calls": [call]}}, {"index": 0, "delta": {}, "finish_reason": "tool_calls"}]
    sent = b"".join(b"data: %b\n\n" % json.dumps({"id": "x", "choices": [chunk]}).encode() for chunk in chunks)
    stream = asked(AGENTS).stream()
    told = (stream.feed(sent + b"data: [DONE]\n\n") + stream.close()).decode()
    events = [json.loads(line.removeprefix("data: ")) for line in told.splitlines() if line.startswith("data: ")]
    items = [event["item"] for event in events if "item" in event] + events[-1]["response"]["output"]
    assert len(items) == 3
    assert {(item["namespace"], item["name"]) for item in items} == {("agents", "spawn")}
    (done,) = [event for event in events if event["type"] == "response.function_call_arguments.done"]
    assert done["name"] == "spawn"


@pytest.mark.parametrize(
    "tools",
    [
        (namespace(function("spawn"), {"type": "custom", "name": "patch"}),),
        (namespace(function("spawn", defer_loading=True)),),
        (namespace(),),
        (namespace(function("n" * 60)),),
        (AGENTS, function(FLAT)),
    ],
    ids=["more than functions", "searched for", "empty", "too long", "taken"],
)
def test_what_has_no_name_elsewhere_is_refused(tools: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(InvalidRequest, match=r"tools\[0\].*namespace"):
        asked(*tools)


def test_who_knows_namespaces_is_sent_them() -> None:
    assert json.loads(asked(AGENTS, history=(CALLED, SPOKEN), target=OWN).body)["tools"] == [AGENTS]
