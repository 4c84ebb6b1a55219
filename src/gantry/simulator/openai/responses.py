"""Responses as OpenAI words them, whole and as named events, kept for the account unless it says not to."""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.faults import Faults
from gantry.simulator.openai.bodies import decode, missing
from gantry.simulator.openai.catalog import check_response_model, reasons, usual_effort
from gantry.simulator.openai.errors import error, invalid
from gantry.simulator.openai.items import check_items, encrypt, listed, never_kept
from gantry.simulator.openai.requests import REFUSAL, loose
from gantry.simulator.oracle import Ask, Composition, Tool, compose, digest
from gantry.simulator.replies import Reply, events, input_tokens, last_text, refused, reply, spoken
from gantry.simulator.routes import Call, Refusal, Table
from gantry.simulator.shelf import Shelf

_ENCRYPTED = "reasoning.encrypted_content"
_INCLUDABLE = (
    _ENCRYPTED,
    "message.output_text.logprobs",
    "message.input_image.image_url",
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
)
_LARGEST_PAGE = 100


class TextConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    format: dict[str, Any] | None = None
    verbosity: str | None = None


class CountRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    model: str
    input: str | list[dict[str, Any]] = ""
    conversation: Any = None
    instructions: str | None = None
    parallel_tool_calls: bool | None = None
    previous_response_id: str | None = None
    prompt: Any = None
    reasoning: dict[str, Any] | None = None
    text: TextConfig | None = None
    tool_choice: Any = None
    tools: list[dict[str, Any]] | None = None
    truncation: str | None = None


class ResponseRequest(CountRequest, frozen=True, forbid_unknown_fields=True, kw_only=True):
    background: bool | None = None
    client_metadata: dict[str, str] | None = None  # what Codex says of itself
    context_management: Any = None
    include: list[str] | None = None
    max_output_tokens: Annotated[int, Meta(ge=16)] | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] | None = None
    moderation: Any = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Any = None
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

    @property
    def format(self) -> dict[str, Any]:
        return (self.text.format if self.text else None) or {}

    @property
    def effort(self) -> str | None:
        return (self.reasoning or {}).get("effort") or usual_effort(self.model)

    @property
    def reasons(self) -> bool:
        return self.effort not in (None, "none")


class _Kept(Struct, frozen=True):
    """A response, what it was asked, and what came before that."""

    whole: dict[str, Any]
    asked: list[dict[str, Any]]
    before: list[dict[str, Any]]


_CREATE = msgspec.json.Decoder(ResponseRequest)
_COUNT = msgspec.json.Decoder(CountRequest)


class Responses:
    def __init__(self, owner: str) -> None:
        self._shelf: Shelf[_Kept] = Shelf("response", owner)
        self._items: Shelf[str] = Shelf("item", owner)  # to the response that each is of

    def table(self) -> Table:
        return (
            ("POST", "/v1/responses", self._respond),
            ("POST", "/v1/responses/input_tokens", self._count),
            ("GET", "/v1/responses/{id}", self._retrieve),
            ("DELETE", "/v1/responses/{id}", self._delete),
            ("GET", "/v1/responses/{id}/input_items", self._input_items),
            ("POST", "/v1/responses/{id}/cancel", self._cancel),
        )

    def _respond(self, call: Call) -> Answer:
        request = decode(_CREATE, call.request.body)
        check_response_model(request.model)
        _check(request)
        before = self._before(request.previous_response_id)
        items = [self._meant(item) for item in listed(request.input)]
        check_items(items, before, self._keeps)
        ask = _ask(request, [*before, *items], call.faults)
        composition = compose(ask)
        output = list(_output(request, composition, call))
        made = Reply(_dressed(reply(call, _fields(request), ask, composition, output).whole, request), composition)
        if request.store is not False:
            self._shelf.put(made.whole["id"], _Kept(made.whole, items, before))
            for item in made.whole["output"]:
                self._items.put(item["id"], made.whole["id"])
        return events(made, call.faults) if request.stream else json_answer(made.whole)

    def _keeps(self, item: str) -> bool:
        response = self._items.get(item)
        return response is not None and self._shelf.get(response) is not None

    def _count(self, call: Call) -> Answer:
        request = decode(_COUNT, call.request.body)
        check_response_model(request.model)
        items = [*self._before(request.previous_response_id), *listed(request.input)]
        tokens = input_tokens(items, request.instructions)
        return json_answer({"object": "response.input_tokens", "input_tokens": tokens})

    def _meant(self, item: dict[str, Any]) -> dict[str, Any]:
        """Return the item that a reference means, or what is none."""
        if item.get("type") != "item_reference":
            return item
        name = str(item.get("id"))
        response = self._shelf.get(self._items.get(name) or "")
        if response is None:
            raise never_kept(name)
        said: dict[str, Any] = next(item for item in response.whole["output"] if item["id"] == name)
        return said

    def _before(self, name: str | None) -> list[dict[str, Any]]:
        if name is None:
            return []
        kept = self._shelf.get(name)
        if kept is None:
            text = f"Previous response with id '{name}' not found."
            raise invalid(text, "previous_response_id", "previous_response_not_found")
        return [*kept.before, *kept.asked, *kept.whole["output"]]

    def _retrieve(self, call: Call) -> Answer:
        return json_answer(self._known(call.parameter).whole)

    def _delete(self, call: Call) -> Answer:
        self._known(call.parameter)
        self._shelf.take(call.parameter)
        return json_answer({"id": call.parameter, "object": "response", "deleted": True})

    def _cancel(self, call: Call) -> Answer:
        self._known(call.parameter)
        raise invalid("Cannot cancel a synchronous response.", None)

    def _input_items(self, call: Call) -> Answer:
        kept, query = self._known(call.parameter), call.request.query
        limit = query.get("limit", "20")
        if not limit.isdigit() or not 1 <= int(limit) <= _LARGEST_PAGE:
            raise invalid(f"Invalid 'limit': expected a number from 1 to {_LARGEST_PAGE}.", "limit")
        items = [_named(item, kept.whole["id"], index) for index, item in enumerate([*kept.before, *kept.asked])]
        if query.get("order", "desc") == "desc":
            items.reverse()
        names = [item["id"] for item in items]
        if query.get("after") in names:
            items = items[names.index(query["after"]) + 1 :]
        page = items[: int(limit)]
        ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
        return json_answer({"object": "list", "data": page, "has_more": len(items) > len(page), **ends})

    def _known(self, name: str) -> _Kept:
        kept = self._shelf.get(name)
        if kept is None:
            raise Refusal(error(404, f"Response with id '{name}' not found.", "invalid_request_error"))
        return kept


def _check(request: ResponseRequest) -> None:
    if request.conversation is not None and request.previous_response_id is not None:
        text = "Mutually exclusive parameters: 'previous_response_id' and 'conversation'."
        raise invalid(text, None, "mutually_exclusive_parameters")
    for index, name in enumerate(request.include or ()):
        if name not in _INCLUDABLE:
            raise invalid(f"Invalid value: '{name}'.", f"include[{index}]", "invalid_value")
    for name in ("temperature", "top_p"):
        if request.reasons and getattr(request, name) is not None:
            text = f"Unsupported parameter: '{name}' is not supported with this model."
            raise invalid(text, name, None)
    if request.reasoning and not reasons(request.model):
        text = "Unsupported parameter: 'reasoning.effort' is not supported with this model."
        raise invalid(text, "reasoning.effort", "unsupported_parameter")
    _check_tools(request)
    _check_format(request)


def _check_tools(request: ResponseRequest) -> None:
    for index, tool in enumerate(request.tools or ()):
        if "type" not in tool:
            raise missing(f"tools[{index}].type")
        if tool["type"] in ("function", "custom") and "name" not in tool:
            raise missing(f"tools[{index}].name")
        fault = next(loose(tool.get("parameters"), ()), None) if tool.get("strict") else None
        if fault:
            text = f"Invalid schema for function '{tool['name']}': {fault}"
            raise invalid(text, f"tools[{index}].parameters", "invalid_function_parameters")
    choice = request.tool_choice
    names = [tool.get("name") for tool in request.tools or ()]
    if isinstance(choice, dict) and choice.get("type") == "function" and choice.get("name") not in names:
        raise invalid(f"Tool choice '{choice.get('name')}' not found in 'tools' parameter.", "tool_choice")


def _check_format(request: ResponseRequest) -> None:
    form = request.format
    match form.get("type", "text"):
        case "text":
            return
        case "json_object":
            if "json" not in str(request.input).lower() + (request.instructions or "").lower():
                text = "Response input messages must contain the word 'json' in some form to use 'text.format' of type"
                raise invalid(f"{text} 'json_object'.", "input")
        case "json_schema":
            for name in ("name", "schema"):
                if name not in form:
                    raise missing(f"text.format.{name}")
            if form.get("strict") and (fault := next(loose(form["schema"], ()), None)):
                text = f"Invalid schema for response_format '{form['name']}': {fault}"
                raise invalid(text, "text.format.schema", "invalid_json_schema")
        case other:
            raise invalid(f"Invalid value: '{other}'.", "text.format.type", "invalid_value")


def _ask(request: ResponseRequest, items: list[dict[str, Any]], faults: Faults) -> Ask:
    form, choice = request.format, request.tool_choice
    question, result = last_text(items)
    functions = [tool for tool in request.tools or () if tool["type"] == "function"]
    if isinstance(choice, dict) and choice.get("type") == "function":
        functions = [tool for tool in functions if tool["name"] == choice.get("name")]
    return Ask(
        question=question,
        tool_result=result,
        prompt_tokens=input_tokens(items, request.instructions),
        tools=tuple(Tool(tool["name"], tool.get("parameters") or {}) for tool in functions if choice != "none"),
        must_call=choice == "required" or isinstance(choice, dict),
        parallel=request.parallel_tool_calls is not False,
        schema=form.get("schema"),
        json_object=form.get("type") == "json_object",
        think=request.reasons,
        max_tokens=request.max_output_tokens,
        length=faults.tokens,
        text_bytes=faults.body_bytes,
    )


def _output(request: ResponseRequest, composition: Composition, call: Call) -> Iterator[dict[str, Any]]:
    identity = digest(call.request.body)
    if composition.thinking:
        thinking = "".join(composition.thinking)
        wanted = (request.reasoning or {}).get("summary")
        summary = [{"type": "summary_text", "text": f"**Thinking it over**\n\n{thinking}"}] if wanted else []
        item: dict[str, Any] = {"id": "rs_" + identity, "type": "reasoning", "content": [], "summary": summary}
        encrypted = {"encrypted_content": encrypt(thinking)} if _ENCRYPTED in (request.include or ()) else {}
        yield {**item, **encrypted}
    if call.faults.refusal:
        yield refused(REFUSAL, identity)
    else:
        yield from spoken(composition, identity, "call_")


def _fields(request: ResponseRequest) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(request)
    return fields


def _dressed(whole: dict[str, Any], request: ResponseRequest) -> dict[str, Any]:
    """Add what OpenAI says of a response beside what the format asks for."""
    tools = [
        {"strict": True, "description": None, **tool} if tool["type"] == "function" else tool for tool in whole["tools"]
    ]
    return {
        **whole,
        "frequency_penalty": 0.0,
        "max_tool_calls": request.max_tool_calls,
        "metadata": request.metadata or {},
        "moderation": None,
        "presence_penalty": 0.0,
        "prompt_cache_key": request.prompt_cache_key,
        "prompt_cache_retention": request.prompt_cache_retention or "in_memory",
        "reasoning": {"effort": request.effort, "summary": None, **(request.reasoning or {})},
        "safety_identifier": request.safety_identifier,
        "store": request.store is not False,
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "text": {
            "format": request.format or {"type": "text"},
            "verbosity": (request.text and request.text.verbosity) or "medium",
        },
        "tools": tools,
        "top_logprobs": request.top_logprobs or 0,
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "user": request.user,
    }


def _named(item: dict[str, Any], response: str, index: int) -> dict[str, Any]:
    """Return an item as it is listed: with an id, and its content in parts."""
    if item["type"] != "message":
        return {"id": f"{item['type'][:2]}_{digest(response, str(index))}", **item}
    kind = "output_text" if item["role"] == "assistant" else "input_text"
    content = item["content"]
    parts = [{"type": kind, "text": content}] if isinstance(content, str) else content
    return {"id": "msg_" + digest(response, str(index)), "status": "completed", **item, "content": parts}
