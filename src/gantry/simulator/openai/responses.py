"""Responses as OpenAI words them, whole and as named events. Nothing is stored."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.openai.bodies import decode
from gantry.simulator.openai.catalog import check_model, reasons
from gantry.simulator.openai.errors import error, invalid
from gantry.simulator.oracle import Ask, Tool, compose
from gantry.simulator.replies import events, input_tokens, last_text, reply
from gantry.simulator.routes import Call, Refusal, Table


class CountRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    model: str
    input: str | list[dict[str, Any]] = ""
    conversation: Any = None
    instructions: str | None = None
    parallel_tool_calls: bool | None = None
    previous_response_id: str | None = None
    prompt: Any = None
    reasoning: dict[str, Any] | None = None
    text: dict[str, Any] | None = None
    tool_choice: Any = None
    tools: list[dict[str, Any]] | None = None
    truncation: str | None = None


class ResponseRequest(CountRequest, frozen=True, forbid_unknown_fields=True, kw_only=True):
    background: bool | None = None
    context_management: Any = None
    include: list[str] | None = None
    max_output_tokens: Annotated[int, Meta(ge=16)] | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    user: str | None = None


_CREATE = msgspec.json.Decoder(ResponseRequest)
_COUNT = msgspec.json.Decoder(CountRequest)


def _respond(call: Call) -> Answer:
    request = decode(_CREATE, call.request.body)
    check_model(request.model)
    if request.previous_response_id:
        text = f"Previous response with id '{request.previous_response_id}' not found."
        raise invalid(text, "previous_response_id", "previous_response_not_found")
    form = (request.text or {}).get("format") or {}
    question, result = last_text(request.input)
    choice = request.tool_choice
    functions = [tool for tool in request.tools or () if tool.get("type") == "function" and "name" in tool]
    if isinstance(choice, dict):
        functions = [tool for tool in functions if tool["name"] == choice.get("name")]
    ask = Ask(
        question=question,
        tool_result=result,
        prompt_tokens=input_tokens(request.input, request.instructions),
        tools=tuple(Tool(tool["name"], tool.get("parameters") or {}) for tool in functions if choice != "none"),
        must_call=choice == "required" or isinstance(choice, dict),
        parallel=request.parallel_tool_calls is not False,
        schema=form.get("schema"),
        json_object=form.get("type") == "json_object",
        think=not form and reasons(request.model) and (request.reasoning or {}).get("effort") not in (None, "none"),
        max_tokens=request.max_output_tokens,
        length=call.faults.tokens,
        text_bytes=call.faults.body_bytes,
    )
    made = reply(call, msgspec.to_builtins(request), ask, compose(ask))
    return events(made) if request.stream else json_answer(made.whole)


def _count(call: Call) -> Answer:
    request = decode(_COUNT, call.request.body)
    check_model(request.model)
    tokens = input_tokens(request.input, request.instructions)
    return json_answer({"object": "response.input_tokens", "input_tokens": tokens})


def _absent(call: Call) -> Answer:
    raise Refusal(error(404, f"Response with id '{call.parameter}' not found.", "invalid_request_error"))


TABLE: Table = (
    ("POST", "/v1/responses", _respond),
    ("POST", "/v1/responses/input_tokens", _count),
    ("GET", "/v1/responses/{id}", _absent),
    ("DELETE", "/v1/responses/{id}", _absent),
)
