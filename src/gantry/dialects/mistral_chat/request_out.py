"""A canonical request as Mistral takes it.

Law: written from what its schema has, never by deleting. A wish to think becomes a level that the model has, or its
prompt mode; a bound that is too wide is clamped. Each change is named in the caller's words.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from gantry.core.chat import ChatRequest, FunctionTool, Tool, ToolChoice, ToolMode
from gantry.core.chat import Reasoning as Wish
from gantry.core.vocabulary import Dialect
from gantry.dialects.caller_names import caller_name
from gantry.dialects.changes import Change, clamped, converted, dropped
from gantry.dialects.codec import EncodedRequest, Target
from gantry.dialects.effort import effort_of
from gantry.dialects.foreign import drop_extra, refuse_tool
from gantry.dialects.members import (
    asks_nothing,
    decode_members,
    encode,
    has,
    is_text,
    read_items,
    read_members,
    read_text,
)
from gantry.dialects.mistral_chat.messages_out import write_messages
from gantry.dialects.mistral_reasoning import Reasoning, nearest_effort, reasoning_of
from gantry.dialects.mistral_request import MAX_TEMPERATURE, SMALLEST_TOP_P, mistral_tier
from gantry.dialects.mistral_tools import EMPTY_PARAMETERS
from gantry.dialects.openai_chat.tools import only_chosen, write_format, write_function

_OWN_METADATA: Final = (Dialect.MISTRAL, Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES)
_SAME: Final = ("max_tokens", "top_k", "presence_penalty", "frequency_penalty")
_ONLY_OWN: Final = ("logprobs", "top_logprobs")  # new, and refused by older models
_NEVER: Final = ("min_p", "verbosity", "user")
_encode: Final = msgspec.json.Encoder().encode


def encode_request(request: ChatRequest, target: Target) -> EncodedRequest:
    """Return a request for Mistral. Raises InvalidRequest."""
    changes: list[Change] = []
    own = request.dialect is Dialect.MISTRAL
    written: dict[str, Any] = {
        "model": target.model,
        "messages": write_messages(request, target.model, changes),
    }
    if request.stream:
        written["stream"] = True
    if request.tools or request.tool_choice is not None:
        _put_tools(request, written, changes)
    if request.format is not None:
        form = write_format(request.format, EMPTY_PARAMETERS)
        if form is not None:
            written["response_format"] = form
    if request.reasoning is not None:
        _put_reasoning(request, request.reasoning, target.model, written, changes)
    _put_knobs(request, written, changes, own=own)
    _put_account(request, written, changes)
    if request.extra:
        _put_extra(request, written, changes, own=own)
    return EncodedRequest(_encode(written), changes)


def _put_extra(request: ChatRequest, written: dict[str, Any], changes: list[Change], *, own: bool) -> None:
    if own:
        written |= {name: raw for name, raw in request.extra.items() if not asks_nothing(raw)}
        return
    taken = _TAKEN.get(request.dialect, {})
    for name, rewrite in taken.items():
        if has(request.extra, name):
            written[name] = rewrite(request.extra[name])
    drop_extra(request, changes, taken)


def _put_knobs(request: ChatRequest, written: dict[str, Any], changes: list[Change], *, own: bool) -> None:
    for name in _SAME:
        value = getattr(request, name)
        if value is not None:
            written[name] = value
    if request.temperature is not None:
        written["temperature"] = min(request.temperature, MAX_TEMPERATURE)
        if request.temperature > MAX_TEMPERATURE:
            changes.append(clamped(caller_name(request.dialect, "temperature"), MAX_TEMPERATURE))
    if request.top_p is not None:
        written["top_p"] = request.top_p or SMALLEST_TOP_P
        if request.top_p == 0:
            changes.append(clamped(caller_name(request.dialect, "top_p"), SMALLEST_TOP_P))
    if request.seed is not None:
        written["random_seed"] = abs(request.seed)
        if request.seed < 0:
            changes.append(
                converted(caller_name(request.dialect, "seed"), f"to {-request.seed}, Mistral takes none below 0")
            )
    if request.stop:
        written["stop"] = list(request.stop)
    if request.choices != 1:
        written["n"] = request.choices
    for name in _ONLY_OWN:
        value = getattr(request, name)
        if value is None or value is False:
            continue
        if own:
            written[name] = value
        else:
            changes.append(dropped(caller_name(request.dialect, name)))
    changes += [dropped(caller_name(request.dialect, name)) for name in _NEVER if getattr(request, name) is not None]


def _put_account(request: ChatRequest, written: dict[str, Any], changes: list[Change]) -> None:
    if request.cache_key is not None:
        written["prompt_cache_key"] = request.cache_key
    if request.metadata is not None:
        if request.dialect in _OWN_METADATA:
            written["metadata"] = request.metadata
        elif not asks_nothing(request.metadata):
            changes.append(dropped(caller_name(request.dialect, "metadata"), "it is kept in the log"))
    if request.service_tier is not None:
        tier = mistral_tier(request.service_tier)
        written["service_tier"] = tier
        if tier != request.service_tier:
            changes.append(converted(caller_name(request.dialect, "service_tier"), f"to {tier}"))


def _put_reasoning(
    request: ChatRequest, wish: Wish, model: str, written: dict[str, Any], changes: list[Change]
) -> None:
    effort = effort_of(wish)
    if effort is None:
        return
    name = caller_name(request.dialect, "reasoning")
    match reasoning_of(model):
        case Reasoning.NEVER:
            if effort != "none":
                changes.append(dropped(name, "for a model that does not reason"))
        case Reasoning.PROMPT_MODE:
            if effort != "none":
                written["prompt_mode"] = "reasoning"
            changes.append(converted(name, "to prompt_mode"))
        case Reasoning.EFFORT | Reasoning.UNKNOWN:
            level = nearest_effort(model, effort)
            written["reasoning_effort"] = level
            if level != effort or request.dialect not in _OWN_METADATA:
                changes.append(converted(name, f"to {level}"))


def _put_tools(request: ChatRequest, written: dict[str, Any], changes: list[Change]) -> None:
    choice = request.tool_choice
    tools: list[Tool] = list(request.tools)
    name = caller_name(request.dialect, "tool_choice")
    if choice is not None and choice.names and not (choice.mode is ToolMode.REQUIRED and len(choice.names) == 1):
        tools = only_chosen(tools, choice.names)
        choice = ToolChoice(choice.mode)
        changes.append(converted(name, "to the chosen tools alone"))
    if not tools:
        if choice is not None and choice.mode is ToolMode.REQUIRED:
            changes.append(dropped(name, "for lack of tools"))
        return
    written["tools"] = [_write_tool(tool, number) for number, tool in enumerate(tools)]
    if choice is not None:
        written["tool_choice"] = _write_choice(choice)
    if request.parallel_tool_calls is not None:
        written["parallel_tool_calls"] = request.parallel_tool_calls


def _write_tool(tool: Tool, number: int) -> dict[str, Any]:
    if isinstance(tool, FunctionTool):
        return write_function(tool, EMPTY_PARAMETERS)
    if tool.dialect is not Dialect.MISTRAL:
        raise refuse_tool(tool, f"tools[{number}]")
    return decode_members(tool.raw)


def _write_choice(choice: ToolChoice) -> str | dict[str, Any]:
    if choice.names:
        return {"type": "function", "function": {"name": choice.names[0]}}
    return "any" if choice.mode is ToolMode.REQUIRED else choice.mode.value


def _prediction(raw: Raw) -> Raw:
    """Return OpenAI's prediction with its content as one string."""
    members = read_members(raw, "prediction")
    content = members.get("content")
    if content is None or is_text(content):
        return raw
    parts = read_items(content, "prediction.content", "a string or a list of texts")
    texts = [read_text(part.get("text"), "prediction.content[].text") for part in parts]
    return encode({**members, "content": "".join(texts)})


def _as_it_is(raw: Raw) -> Raw:
    return raw


_TAKEN: Final[Mapping[Dialect, Mapping[str, Callable[[Raw], Raw]]]] = {
    Dialect.OPENAI_CHAT: {"prediction": _prediction, "repetition_penalty": _as_it_is, "min_tokens": _as_it_is}
}
