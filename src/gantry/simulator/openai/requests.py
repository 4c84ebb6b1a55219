"""What a chat request to OpenAI may hold: a closed top level, and the rules between its fields."""

from collections.abc import Iterator
from typing import Annotated, Any

from msgspec import Meta, Struct

from gantry.simulator.openai.bodies import missing
from gantry.simulator.openai.catalog import reasons
from gantry.simulator.openai.errors import invalid

_ROLES = ("developer", "system", "user", "assistant", "tool", "function")
_EMPTY = "empty_array"
REFUSAL = "I'm sorry, I can't help with that."

Penalty = Annotated[float, Meta(ge=-2, le=2)]
AtLeastOne = Annotated[int, Meta(ge=1)]


class ChatRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is inside messages and tools is taken as it comes, but for what `check_request` says."""

    model: str
    messages: list[dict[str, Any]]
    audio: Any = None
    frequency_penalty: Penalty | None = None
    function_call: Any = None
    functions: Any = None
    logit_bias: Any = None
    logprobs: bool | None = None
    max_completion_tokens: AtLeastOne | None = None
    max_tokens: AtLeastOne | None = None
    metadata: dict[str, str] | None = None
    modalities: Any = None
    moderation: Any = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    parallel_tool_calls: bool | None = None
    prediction: Any = None
    presence_penalty: Penalty | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Any = None
    prompt_cache_retention: str | None = None
    reasoning_effort: str | None = None
    response_format: dict[str, Any] | None = None
    safety_identifier: str | None = None
    seed: int | None = None
    service_tier: str | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    user: str | None = None
    verbosity: str | None = None
    web_search_options: Any = None

    @property
    def usage_in_stream(self) -> bool:
        return bool((self.stream_options or {}).get("include_usage"))


def check_request(request: ChatRequest) -> None:
    """Raises Refusal with a 400 that names the parameter."""
    if not request.messages:
        raise invalid("Invalid 'messages': empty array. Expected an array with minimum length 1.", "messages", _EMPTY)
    if request.tools == []:
        raise invalid("Invalid 'tools': empty array. Expected an array with minimum length 1.", "tools", _EMPTY)
    if request.stream_options is not None and not request.stream:
        raise invalid("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    if request.top_logprobs is not None and not request.logprobs:
        raise invalid("The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", "top_logprobs")
    if request.tool_choice is not None and not request.tools:
        raise invalid("'tool_choice' is only allowed when 'tools' are specified.", "tool_choice")
    if request.max_tokens is not None and reasons(request.model):
        text = "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        raise invalid(f"Unsupported parameter: {text}", "max_tokens", "unsupported_parameter")
    _check_format(request.response_format)
    _check_tools(request.tools or [])
    _check_messages(request.messages)


def _check_format(form: dict[str, Any] | None) -> None:
    if form is None:
        return
    if form.get("type") not in ("text", "json_object", "json_schema"):
        raise invalid(f"Invalid value: {form.get('type')!r}.", "response_format.type", "invalid_value")
    if form["type"] != "json_schema":
        return
    described = form.get("json_schema")
    if not isinstance(described, dict) or not described.get("name"):
        raise missing("response_format.json_schema.name" if described else "response_format.json_schema")
    if described.get("strict") and (fault := next(loose(described.get("schema"), ()), None)):
        text = f"Invalid schema for response_format '{described['name']}': {fault}"
        raise invalid(text, "response_format")


def loose(schema: Any, place: tuple[str, ...]) -> Iterator[str]:
    """Tell where a schema is looser than a strict one may be."""
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            yield f"In context={place}, 'additionalProperties' is required to be supplied and to be false."
        given, required = schema.get("properties"), schema.get("required")
        properties = given if isinstance(given, dict) else {}
        if any(name not in (required if isinstance(required, list) else ()) for name in properties):
            yield f"In context={place}, 'required' is required to be supplied and to include every key in properties."
        for name, inner in properties.items():
            yield from loose(inner, (*place, "properties", name))
    yield from loose(schema.get("items"), (*place, "items"))


def _check_tools(tools: list[dict[str, Any]]) -> None:
    for index, tool in enumerate(tools):
        if tool.get("type") not in ("function", "custom"):
            raise invalid(f"Invalid value: {tool.get('type')!r}.", f"tools[{index}].type", "invalid_value")
        function = tool.get("function")
        named = isinstance(function, dict) and isinstance(function.get("name"), str) and function["name"]
        if tool["type"] == "function" and not named:
            raise missing(f"tools[{index}].function.name")


def _check_messages(messages: list[dict[str, Any]]) -> None:
    """Each call of a tool has its result before the dialogue goes on, and each result its call."""
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        role = message.get("role")
        if role not in _ROLES:
            raise invalid(f"Invalid value: {role!r}.", f"messages[{index}].role", "invalid_value")
        if role == "tool":
            name = message.get("tool_call_id")
            if name not in open_calls:
                text = "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
                raise invalid(f"Invalid parameter: {text}", f"messages.[{index}].role")
            open_calls.discard(name)
            continue
        if open_calls:
            break
        open_calls = {call.get("id", "") for call in message.get("tool_calls") or ()}
    if open_calls:
        text = "An assistant message with 'tool_calls' must be followed by tool messages responding to each"
        raise invalid(f"{text} 'tool_call_id'. Missing: {', '.join(sorted(open_calls))}", "messages")
