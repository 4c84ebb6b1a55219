"""Conversations that a caller leaves to the provider's memory, and that the gateway remembers instead."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import Raw, structs

from gantry.core.chat import (
    ChatAnswer,
    ChatRequest,
    Choice,
    Finish,
    FinishReason,
    Message,
    NativePart,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.codec import Asking
from gantry.dialects.responses.codec import RESPONSES
from gantry.dialects.responses.conversation import (
    previous_response_id,
    refuse_foreign_state,
    remembered_turn,
    resolve,
    wants_store,
)

THOUGHT = Thinking("hm", "signed", dialect=Dialect.ANTHROPIC)
CALL = ToolCall("call_1", "look", '{"at":1}', signature="signed too")
ANSWER = ChatAnswer(
    dialect=Dialect.ANTHROPIC,
    choices=(Choice(0, (THOUGHT, Text("Let me see."), CALL), Finish(FinishReason.TOOL_CALLS)),),
)


def asked(**body: Any) -> ChatRequest:
    return RESPONSES.decode_request(json.dumps({"model": "m", **body}).encode())


def nothing(_: str) -> Sequence[Message] | None:
    return None


def test_a_conversation_goes_on_from_what_is_remembered() -> None:
    first = asked(instructions="Be brief.", input="Where am I?")
    memory = {"resp_1": remembered_turn(first, ANSWER)}
    second = asked(
        instructions="Be long.",
        previous_response_id="resp_1",
        input=[{"type": "function_call_output", "call_id": "call_1", "output": "here"}],
    )
    whole = resolve(second, memory.get)
    assert whole.messages == (
        Message(Role.SYSTEM, (Text("Be long."),)),
        Message(Role.USER, (Text("Where am I?"),)),
        Message(Role.ASSISTANT, (THOUGHT, Text("Let me see."), CALL)),
        Message(Role.TOOL, (ToolResult("call_1", (Text("here"),)),)),
    )
    assert "previous_response_id" not in whole.extra
    third = ChatAnswer(dialect=Dialect.MISTRAL, choices=(Choice(0, (Text("You are here."),)),))
    assert remembered_turn(whole, third) == (*whole.messages[1:], Message(Role.ASSISTANT, (Text("You are here."),)))


def test_a_system_item_is_remembered_and_instructions_are_not() -> None:
    request = asked(instructions="once", input=[{"role": "developer", "content": "always"}])
    assert remembered_turn(request, ChatAnswer(dialect=Dialect.MISTRAL)) == (Message(Role.SYSTEM, (Text("always"),)),)


def test_items_are_found_by_the_ids_that_were_given_for_them() -> None:
    first = asked(input="Where am I?")
    sent = json.loads(RESPONSES.encode_answer(ANSWER, Asking(first, 1, "abc_d")))
    memory = {sent["id"]: remembered_turn(first, ANSWER)}
    references = [{"type": "item_reference", "id": item["id"]} for item in sent["output"]]
    output = {"type": "function_call_output", "call_id": "call_1", "output": "here"}
    whole = resolve(asked(input=[{"role": "user", "content": "Where am I?"}, *references, output]), memory.get)
    assert whole.messages == (
        Message(Role.USER, (Text("Where am I?"),)),
        Message(Role.ASSISTANT, (THOUGHT, Text("Let me see."), CALL)),
        Message(Role.TOOL, (ToolResult("call_1", (Text("here"),)),)),
    )


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "x", "previous_response_id": "resp_gone"}, "previous_response_id"),
        ({"input": "x", "previous_response_id": 3}, "previous_response_id"),
        ({"input": [{"type": "item_reference", "id": "msg_gone_0"}]}, "input"),
        ({"input": [{"type": "item_reference", "id": "msg_68af"}]}, "input"),
    ],
)
def test_what_is_not_remembered_is_refused(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        resolve(asked(**body), nothing)
    assert refused.value.param == param


@pytest.mark.parametrize(
    "item", [{"role": "user", "type": 5}, {"content": []}, {"type": "item_reference", "id": 5}, {}]
)
def test_an_item_that_is_none_refers_to_nothing(item: dict[str, Any]) -> None:
    request = asked(input="x")
    turn = Message(Role.USER, (NativePart(Dialect.OPENAI_RESPONSES, Raw(json.dumps(item).encode())),))
    request = structs.replace(request, messages=(turn,))
    assert resolve(request, lambda _: None) is request


@pytest.mark.parametrize("name", ["conversation", "prompt"])
def test_what_lives_with_openai_is_refused_for_others(name: str) -> None:
    refuse_foreign_state(asked(input="x"))
    with pytest.raises(InvalidRequest) as refused:
        refuse_foreign_state(asked(input="x", **{name: {"id": "it_1"}}))
    assert refused.value.param == name


def test_what_the_caller_says_of_state() -> None:
    assert wants_store(asked(input="x"))
    assert wants_store(asked(input="x", store=True))
    assert not wants_store(asked(input="x", store=False))
    assert previous_response_id(asked(input="x")) is None
    assert previous_response_id(asked(input="x", previous_response_id="resp_1")) == "resp_1"
    request = asked(input="x", store=False)
    assert request.extra == {"store": Raw(b"false")}
    assert resolve(request, nothing) is request
