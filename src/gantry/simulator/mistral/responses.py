"""Responses, the operation only the newest client knows, whole and as named events.

Unlike Mistral's other operations it takes members that it does not know, as OpenAI's clients send them, and leaves them
be (https://docs.mistral.ai/studio/conversations/responses, and the open models of its client). Its tools are functions,
alone or in a namespace, of reasoning it knows the effort, and it keeps no items that a later input could refer to.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.mistral.bodies import decode
from gantry.simulator.mistral.catalog import lookup
from gantry.simulator.mistral.errors import capability, unprocessable
from gantry.simulator.mistral.requests import Closed, Count, Probability, Temperature
from gantry.simulator.oracle import Ask, Tool, compose, digest
from gantry.simulator.replies import Reply, events, input_tokens, last_text, reasoning_text, reply, spoken
from gantry.simulator.routes import Call, Table


class Reasoning(Closed, frozen=True):
    effort: str | None = None


class CountRequest(Struct, frozen=True, kw_only=True):
    model: str
    input: str | list[dict[str, Any]]
    instructions: str | None = None
    parallel_tool_calls: bool | None = True
    previous_response_id: None = None
    truncation: Literal["disabled"] | None = "disabled"
    tools: list[dict[str, Any]] | None = None
    tool_choice: Literal["auto", "none", "required"] | dict[str, Any] | None = None
    reasoning: Reasoning | None = None
    conversation: None = None
    prompt: None = None
    text: dict[str, Any] | None = None


class ResponseRequest(CountRequest, frozen=True, kw_only=True):
    """Stateless: what would have to be kept cannot be asked for."""

    background: bool | None = False
    stream: bool = False
    store: bool | None = False
    max_output_tokens: Count | None = None
    temperature: Temperature | None = None
    top_p: Probability | None = None
    metadata: dict[str, str] | None = None
    prompt_cache_key: str | None = None
    max_tool_calls: Count | None = None
    moderation: None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=0)] | None = 0


_TOOLS = ("function", "namespace")
_ITEMS = ("message", "function_call", "function_call_output", "reasoning")
_CREATE = msgspec.json.Decoder(ResponseRequest)
_COUNT = msgspec.json.Decoder(CountRequest)


def _respond(call: Call) -> Answer:
    request = decode(_CREATE, call.request.body)
    model = lookup(request.model)
    if not model.chat:
        raise capability(request.model, "responses")
    for name, given in (("store", request.store), ("background", request.background)):
        if given:
            raise unprocessable("literal_error", ("body", name), "Input should be False", given)
    form = (request.text or {}).get("format") or {}
    _check_kinds("tools", request.tools or (), _TOOLS)
    _check_kinds("input", () if isinstance(request.input, str) else request.input, _ITEMS)
    effort = (request.reasoning.effort if request.reasoning else None) or "none"
    question, result = last_text(request.input)
    ask = Ask(
        question=question,
        tool_result=result,
        prompt_tokens=input_tokens(request.input, request.instructions),
        tools=tuple(_tools(request)),
        must_call=request.tool_choice == "required" or isinstance(request.tool_choice, dict),
        parallel=request.parallel_tool_calls is not False,
        schema=form.get("schema"),
        json_object=form.get("type") == "json_object",
        think=not form and (model.thinks or (model.may_think and effort != "none")),
        max_tokens=request.max_output_tokens,
        length=call.faults.tokens,
        text_bytes=call.faults.body_bytes,
    )
    fields = msgspec.to_builtins(request)
    composition, identity = compose(ask), digest(call.request.body)
    thought = [reasoning_text(composition, identity)] if composition.thinking else []
    made: Reply = reply(call, fields, ask, composition, [*thought, *spoken(composition, identity)])
    return events(made, call.faults) if request.stream else json_answer(made.whole)


def _check_kinds(name: str, given: Sequence[dict[str, Any]], known: tuple[str, ...]) -> None:
    for index, item in enumerate(given):
        kind = item.get("type", "message" if "role" in item else None)
        if kind not in known:
            expected = ", ".join(map(repr, known))
            text = f"Input tag '{kind}' found using 'type' does not match any of the expected tags: {expected}"
            raise unprocessable("union_tag_invalid", ("body", name, index), text, item)


def _tools(request: ResponseRequest) -> list[Tool]:
    functions = [tool for tool in request.tools or () if tool.get("type") == "function" and "name" in tool]
    if request.tool_choice == "none":
        return []
    if isinstance(request.tool_choice, dict):
        functions = [tool for tool in functions if tool["name"] == request.tool_choice.get("name")]
    return [Tool(tool["name"], tool.get("parameters") or {}) for tool in functions]


def _count(call: Call) -> Answer:
    request = decode(_COUNT, call.request.body)
    lookup(request.model)
    tokens = input_tokens(request.input, request.instructions)
    return json_answer({"object": "response.input_tokens", "input_tokens": tokens})


TABLE: Table = (
    ("POST", "/v1/responses", _respond),
    ("POST", "/v1/responses/input_tokens", _count),
)
