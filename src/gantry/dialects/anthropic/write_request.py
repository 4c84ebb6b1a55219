"""A request to the Messages API, for whoever asks it.

Law: `request_members` is the body without what hosts of Claude place differently (`model`, `stream`,
`anthropic_version`). What a caller of Anthropic's wrote goes on as written; for others, knobs that Anthropic or the
model lacks are dropped and named.
"""

from typing import Any, Final

from gantry.core.chat import ChatRequest, Message, Role, Thinking, ToolCall
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.anthropic.answer_schema import write_format
from gantry.dialects.anthropic.generation import Generation, generation_of
from gantry.dialects.anthropic.thinking import Circumstances, Thought, write_thinking
from gantry.dialects.anthropic.write_content import cache_control
from gantry.dialects.anthropic.write_tools import write_tooling
from gantry.dialects.anthropic.write_turns import compact, write_conversation
from gantry.dialects.caller_names import caller_name
from gantry.dialects.changes import Change, clamped, converted, dropped
from gantry.dialects.codec import Target
from gantry.dialects.foreign import drop_extra
from gantry.dialects.members import asks_nothing

_HOLDERS: Final = ("output_config", "metadata", "thinking")
_SLOTS: Final = (".citations", ".context")  # of a document: they are in the value itself
_UNKNOWN: Final = """seed presence_penalty frequency_penalty min_p logprobs top_logprobs verbosity cache_key
    metadata""".split()
_TIERS: Final = {
    "auto": "auto",
    "priority": "auto",
    "standard_only": "standard_only",
    "standard": "standard_only",
    "default": "standard_only",
}
_HIGHEST_TEMPERATURE: Final = 1.0
_THINKING_TOP_P: Final = 0.95


def request_members(request: ChatRequest, target: Target, changes: list[Change]) -> dict[str, Any]:
    """Return the members of a body, but for `model` and `stream`. Raises InvalidRequest for what cannot be said."""
    generation = generation_of(target.model)
    conversation = write_conversation(request, changes)
    tooling = write_tooling(request, generation, changes)
    output_format, instruction = write_format(request, generation, changes)
    given = Circumstances(generation, target.max_tokens, tooling.forced, _ends_in_unsigned_calls(request.messages))
    thought = write_thinking(request, given, changes)
    members: dict[str, Any] = {"max_tokens": thought.max_tokens}
    if instruction is not None:
        conversation.system.append({"type": "text", "text": instruction})
    if conversation.system:
        members["system"] = compact(conversation.system)
    members["messages"] = [{**turn, "content": compact(turn["content"])} for turn in conversation.turns]
    if tooling.tools:
        members["tools"] = tooling.tools
    if tooling.choice is not None:
        members["tool_choice"] = tooling.choice
    if thought.thinking is not None:
        members["thinking"] = thought.thinking
    if thought.effort is not None or output_format is not None:
        output = {"effort": thought.effort, "format": output_format}
        members["output_config"] = {name: value for name, value in output.items() if value is not None}
    if request.user is not None:
        members["metadata"] = {"user_id": request.user}
    if request.dialect is Dialect.ANTHROPIC:
        _put_own_knobs(request, members)
    else:
        _put_knobs(request, generation, thought, members, changes)
    if request.cache is not None:
        members["cache_control"] = cache_control(request.cache)
    if request.extra:
        _add_extra(members, request, changes)
    return members


def _put_own_knobs(request: ChatRequest, members: dict[str, Any]) -> None:
    for name in ("temperature", "top_p", "top_k", "service_tier"):
        value = getattr(request, name)
        if value is not None:
            members[name] = value
    if request.stop:
        members["stop_sequences"] = request.stop


def _put_knobs(
    request: ChatRequest, generation: Generation, thought: Thought, members: dict[str, Any], changes: list[Change]
) -> None:
    _refuse_choices(request)
    for name in _UNKNOWN:
        if getattr(request, name):
            changes.append(dropped(caller_name(request.dialect, name)))
    members |= _sampling(request, generation, thought, changes)
    if request.stop:
        members |= _stop(request, changes)
    if request.service_tier is not None:
        members |= _tier(request.service_tier, request, changes)


def _refuse_choices(request: ChatRequest) -> None:
    if request.choices > 1:
        name = caller_name(request.dialect, "choices")
        raise InvalidRequest(f"`{name}` must be 1: Anthropic's models give one answer to a request", param=name)


def _sampling(request: ChatRequest, generation: Generation, thought: Thought, changes: list[Change]) -> dict[str, Any]:
    """Return the sampling knobs that the model takes beside each other and beside thinking."""
    knobs: dict[str, Any] = {}
    for field in ("temperature", "top_p", "top_k"):
        value = getattr(request, field)
        if value is None:
            continue
        name = caller_name(request.dialect, field)
        if not generation.sampling:
            changes.append(dropped(name, "this model does not take it"))
        elif thought.thinks and field != "top_p":
            changes.append(dropped(name, "a model that thinks does not take it"))
        elif field == "top_p" and "temperature" in knobs:
            changes.append(dropped(name, "Anthropic takes one of temperature and top_p"))
        else:
            knobs[field] = _within(field, value, thought.thinks)
            if knobs[field] != value:
                changes.append(clamped(name, knobs[field]))
    return knobs


def _within(field: str, value: float, thinks: bool) -> float:
    match field:
        case "temperature":
            return min(max(value, 0.0), _HIGHEST_TEMPERATURE)
        case "top_p" if thinks:
            return max(value, _THINKING_TOP_P)
        case _:
            return value


def _stop(request: ChatRequest, changes: list[Change]) -> dict[str, Any]:
    taken = [sequence for sequence in request.stop if sequence and not sequence.isspace()]
    if len(taken) < len(request.stop):
        changes.append(dropped(caller_name(request.dialect, "stop"), "the sequences of blanks only"))
    return {"stop_sequences": taken} if taken else {}


def _tier(wish: str, request: ChatRequest, changes: list[Change]) -> dict[str, Any]:
    name = caller_name(request.dialect, "service_tier")
    tier = _TIERS.get(wish)
    if tier is None:
        changes.append(dropped(name, f"{wish} is none of Anthropic's"))
        return {}
    if tier != wish:
        changes.append(converted(name, f"to {tier}"))
    return {"service_tier": tier}


def _add_extra(members: dict[str, Any], request: ChatRequest, changes: list[Change]) -> None:
    """Put what only Anthropic knows back where it stood, or name what only another dialect knows."""
    if request.dialect is not Dialect.ANTHROPIC:
        drop_extra(request, changes)
        return
    for name, raw in request.extra.items():
        holder, dot, inner = name.partition(".")
        if not dot and "[" not in name:
            members[name] = raw
        elif holder in _HOLDERS and "." not in inner:
            members.setdefault(holder, {})[inner] = raw
        elif name.startswith("tools[") or name.endswith(_SLOTS):
            pass  # written with the tool, or with the document
        elif not asks_nothing(raw):
            changes.append(dropped(name))


def _ends_in_unsigned_calls(messages: tuple[Message, ...]) -> bool:
    last = next((message for message in reversed(messages) if message.role is Role.ASSISTANT), None)
    if last is None or not any(isinstance(part, ToolCall) for part in last.parts):
        return False
    return not any(isinstance(part, Thinking) and part.dialect is Dialect.ANTHROPIC for part in last.parts)
