"""A canonical request as OpenAI takes it, and with it most providers.

Law: the bound is `max_completion_tokens`: OpenAI's newer models refuse `max_tokens`, and the rows of providers that
know only the older name rename it (`dialects/rules.py`). Usage is always asked for in a stream: the record wants it.
Knobs that OpenAI refuses but others take (`top_k`, `min_p`) go only where the caller wrote this format itself.
"""

from typing import Any, Final

import msgspec

from gantry.core.chat import (
    CacheMark,
    ChatRequest,
    Effort,
    FunctionTool,
    NativeTool,
    Reasoning,
    Tool,
    ToolChoice,
    ToolMode,
)
from gantry.core.vocabulary import Dialect
from gantry.dialects.caller_names import caller_name
from gantry.dialects.changes import Change, converted, dropped
from gantry.dialects.codec import EncodedRequest, Target
from gantry.dialects.effort import effort_of
from gantry.dialects.foreign import drop_extra, refuse_tool
from gantry.dialects.members import asks_nothing, decode_members
from gantry.dialects.openai_chat.messages_out import write_messages
from gantry.dialects.openai_chat.tools import only_chosen, tool_name, write_format, write_function

_FROM_MISTRAL: Final = ("prediction", "repetition_penalty")
_OWN_METADATA: Final = (Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES)
_SAYS_NONE: Final = (Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES, Dialect.MISTRAL)
_TIERS: Final = {
    "standard_only": "default",
    "standard": "default",
    "default": "default",
    "priority": "priority",
    "flex": "flex",
}
_ENCODE: Final = msgspec.json.Encoder().encode


def encode_request(request: ChatRequest, target: Target) -> EncodedRequest:
    """Return a request for a provider that speaks OpenAI's format. Raises InvalidRequest."""
    changes: list[Change] = []
    native = request.dialect is Dialect.OPENAI_CHAT
    written: dict[str, Any] = {
        "model": target.model,
        "messages": write_messages(request, target.thinking_field, changes),
    }
    if request.stream:
        written["stream"] = True
        written["stream_options"] = {"include_usage": True}
    if request.tools or request.tool_choice is not None:
        _put_tools(request, written, changes)
    if request.format is not None:
        form = write_format(request.format)
        if form is not None:
            written["response_format"] = form
    if request.reasoning is not None:
        _put_reasoning(request, request.reasoning, written, changes)
    if request.max_tokens is not None:
        written["max_completion_tokens"] = request.max_tokens
    _put_knobs(request, written, changes, native)
    _put_account(request, written, changes, native)
    if _caches(request) and not native:
        changes.append(converted("cache_control", "to the provider's own caching"))
    if native:
        written |= {name: raw for name, raw in request.extra.items() if not asks_nothing(raw)}
    else:
        taken = _FROM_MISTRAL if request.dialect is Dialect.MISTRAL else ()
        written |= {name: request.extra[name] for name in taken if name in request.extra}
        drop_extra(request, changes, taken)
    return EncodedRequest(_ENCODE(written), changes)


def _put_knobs(request: ChatRequest, written: dict[str, Any], changes: list[Change], native: bool) -> None:
    for name in ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty", "top_logprobs", "verbosity"):
        value = getattr(request, name)
        if value is not None:
            written[name] = value
    for name in ("top_k", "min_p"):
        value = getattr(request, name)
        if value is None:
            continue
        if native:
            written[name] = value
        else:
            changes.append(dropped(caller_name(request.dialect, name)))
    if request.stop:
        written["stop"] = list(request.stop)
    if request.choices != 1:
        written["n"] = request.choices
    if request.logprobs:
        written["logprobs"] = True


def _put_account(request: ChatRequest, written: dict[str, Any], changes: list[Change], native: bool) -> None:
    """Put what is about the caller's account with the provider, rather than about the answer."""
    if request.user is not None:
        written["user"] = request.user
    if request.cache_key is not None:
        written["prompt_cache_key"] = request.cache_key
    if request.metadata is not None:
        if request.dialect in _OWN_METADATA:
            written["metadata"] = request.metadata
        elif not asks_nothing(request.metadata):
            changes.append(dropped(caller_name(request.dialect, "metadata"), "it is kept in the log"))
    tier = request.service_tier
    if tier is None:
        return
    if native or request.dialect is Dialect.OPENAI_RESPONSES:
        written["service_tier"] = tier
    elif tier != "auto":
        name, known = caller_name(request.dialect, "service_tier"), _TIERS.get(tier)
        if known is None:
            changes.append(dropped(name))
        else:
            written["service_tier"] = known
            if known != tier:
                changes.append(converted(name, f"to {known}"))


def _put_reasoning(request: ChatRequest, wish: Reasoning, written: dict[str, Any], changes: list[Change]) -> None:
    budget = wish.budget
    if budget is not None and request.dialect is Dialect.OPENAI_CHAT:
        written["reasoning"] = {"max_tokens": budget}  # OpenRouter's word for it
        return
    effort = effort_of(wish)
    name = caller_name(request.dialect, "reasoning")
    if effort is None:
        return
    if effort is Effort.NONE and request.dialect not in _SAYS_NONE:
        # Models that never think refuse the word, and callers of other formats say so of any model.
        changes.append(converted(name, "to the model's own measure"))
        return
    if effort is Effort.MAX:
        effort = Effort.XHIGH
        changes.append(converted(name, "to xhigh"))
    elif budget is not None:
        changes.append(converted(name, f"to {effort}"))
    written["reasoning_effort"] = effort.value


def _put_tools(request: ChatRequest, written: dict[str, Any], changes: list[Change]) -> None:
    tools: list[Tool] = list(request.tools)
    choice = request.tool_choice
    if not tools:
        if choice is not None and choice.mode is ToolMode.REQUIRED:
            changes.append(dropped(caller_name(request.dialect, "tool_choice"), "for lack of tools"))
        return
    native = request.dialect is Dialect.OPENAI_CHAT
    if choice is not None and choice.names and not native and not _is_one(choice):
        tools = only_chosen(tools, choice.names) or tools
        choice = ToolChoice(choice.mode)
        changes.append(converted(caller_name(request.dialect, "tool_choice"), "to the chosen tools alone"))
    written["tools"] = [_write_tool(tool, number, native) for number, tool in enumerate(tools)]
    if choice is not None:
        written["tool_choice"] = _write_choice(choice, request.tools)
    if request.parallel_tool_calls is not None:
        written["parallel_tool_calls"] = request.parallel_tool_calls


def _write_tool(tool: Tool, number: int, native: bool) -> dict[str, Any]:
    if isinstance(tool, FunctionTool):
        written = write_function(tool)
        if native and tool.cache is not None:
            written["cache_control"] = {"type": "ephemeral"}
        return written
    if tool.dialect is not Dialect.OPENAI_CHAT:
        raise refuse_tool(tool, f"tools[{number}]")
    return decode_members(tool.raw)


def _is_one(choice: ToolChoice) -> bool:
    return choice.mode is ToolMode.REQUIRED and len(choice.names) == 1


def _write_choice(choice: ToolChoice, tools: tuple[Tool, ...]) -> str | dict[str, Any]:
    if not choice.names:
        return choice.mode.value
    chosen = [_write_chosen(name, tools) for name in choice.names]
    if _is_one(choice):
        return chosen[0]
    return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode.value, "tools": chosen}}


def _write_chosen(name: str, tools: tuple[Tool, ...]) -> dict[str, Any]:
    tool = next((tool for tool in tools if tool_name(tool) == name), None)
    if not isinstance(tool, NativeTool):
        return {"type": "function", "function": {"name": name}}
    return {"type": "custom", "custom": {"name": name}} if tool.kind == "custom" else {"type": tool.kind}


def _caches(request: ChatRequest) -> CacheMark | None:
    """Return a mark that the caller set, if any: they are many, and of one meaning here."""
    if request.cache is not None:
        return request.cache
    marks = (getattr(part, "cache", None) for message in request.messages for part in message.parts)
    return next(filter(None, marks), None) or next(
        (tool.cache for tool in request.tools if isinstance(tool, FunctionTool) and tool.cache), None
    )
