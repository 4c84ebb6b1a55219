"""A request to the Messages API, as a caller writes it.

Law: what only Anthropic knows is kept in `extra` by the path that the caller wrote it under: `context_management`,
`output_config.task_budget`, `tools[0].defer_loading`. Results of tools are a turn of their own here, in front of what
the user says beside them. A bound on the answer is not demanded: whoever encodes the request has a default.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Raw

from gantry.core.chat import (
    AnswerFormat,
    ChatRequest,
    Effort,
    FormatKind,
    Message,
    Part,
    Reasoning,
    Role,
    ToolResult,
)
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.anthropic.fields import (
    leftovers,
    optional_flag,
    optional_text,
    optional_texts,
    optional_whole,
    read_cache,
    read_list,
)
from gantry.dialects.anthropic.read_content import read_content
from gantry.dialects.anthropic.read_tools import read_tool_choice, read_tools
from gantry.dialects.effort import effort_of_word
from gantry.dialects.members import (
    NULL,
    UNREADABLE,
    Members,
    decode_members,
    has,
    read_members,
    read_number,
    read_schema,
    read_text,
)

_DEFAULT_EFFORT: Final = Effort.HIGH  # https://docs.anthropic.com/en/docs/build-with-claude/effort
_KNOWN: Final = frozenset(
    """model messages system max_tokens stream tools tool_choice thinking output_config output_format temperature top_p
    top_k stop_sequences metadata service_tier cache_control""".split()
)
_OUTPUT_CONFIG: Final = frozenset(("effort", "format"))
_METADATA: Final = frozenset(("user_id",))
_THINKING: Final = frozenset(("type", "budget_tokens", "display"))
_FORMAT: Final = frozenset(("type", "schema"))
_ROLES: Final = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}


def read_request(body: bytes) -> ChatRequest:
    """Return what a client asks. Raises InvalidRequest."""
    try:
        members = decode_members(body)
    except UNREADABLE:
        raise InvalidRequest("the request's body is not a JSON object") from None
    extra = leftovers(members, _KNOWN, "")
    fields: dict[str, Any] = {}
    for name in members:
        knob = _KNOBS.get(name)
        if knob is not None:
            field, reader = knob
            fields[field] = reader(members, name)
    if not _OBJECTS.isdisjoint(members):
        fields |= _read_objects(members, extra)
    return ChatRequest(
        dialect=Dialect.ANTHROPIC,
        model=read_text(members.get("model"), "model"),
        messages=(*_read_system(members, extra), *_read_messages(members, extra)),
        extra=extra,
        **fields,
    )


def _read_objects(members: Members, extra: Members) -> dict[str, Any]:
    """Return the fields of a request that are more than a number or a word: plain calls have none of them."""
    choice, parallel = read_tool_choice(members)
    output = _inner(members, "output_config", _OUTPUT_CONFIG, extra)
    metadata = _inner(members, "metadata", _METADATA, extra)
    return {
        "tools": read_tools(members, extra),
        "tool_choice": choice,
        "parallel_tool_calls": parallel,
        "format": _read_format(members, output, extra),
        "reasoning": _read_reasoning(members, output, extra),
        "user": optional_text(metadata, "user_id", "metadata."),
        "cache": read_cache(members),
    }


def _inner(members: Members, name: str, known: frozenset[str], extra: Members) -> Members:
    """Return the members of an object, and keep those that only Anthropic knows."""
    if not has(members, name):
        return {}
    found = read_members(members[name], name)
    extra.update(leftovers(found, known, f"{name}."))
    return found


def _number(members: Members, name: str) -> float | None:
    return read_number(members[name], name) if has(members, name) else None


def _flag(members: Members, name: str) -> bool:
    return bool(optional_flag(members, name))


def _read_system(members: Members, extra: Members) -> list[Message]:
    if not has(members, "system"):
        return []
    parts = read_content(members["system"], "system", extra)
    return [Message(Role.SYSTEM, parts)] if parts else []


def _read_messages(members: Members, extra: Members) -> list[Message]:
    messages: list[Message] = []
    for number, raw in enumerate(read_list(members.get("messages"), "messages")):
        _read_message(raw, f"messages[{number}]", extra, messages)
    return messages


def _read_message(raw: Raw, path: str, extra: Members, messages: list[Message]) -> None:
    members = read_members(raw, path, "a message")
    word = read_text(members.get("role"), f"{path}.role")
    role = _ROLES.get(word)
    if role is None:
        raise InvalidRequest(f"`{path}.role` is user, assistant or system, not {word!r}", param=f"{path}.role")
    parts = read_content(members.get("content"), f"{path}.content", extra)
    results: list[Part] = [part for part in parts if isinstance(part, ToolResult)]
    if not results:
        messages.append(Message(role, parts))
        return
    if role is not Role.USER:
        raise InvalidRequest(f"`{path}.content`: only a user's turn brings tool results", param=f"{path}.content")
    others = tuple([part for part in parts if not isinstance(part, ToolResult)])
    messages.append(Message(Role.TOOL, tuple(results)))
    if others:
        messages.append(Message(Role.USER, others))


def _read_format(members: Members, output: Members, extra: Members) -> AnswerFormat | None:
    """Return the schema of the answer, under its name of today or its older one."""
    for holder, name, path in ((output, "format", "output_config.format"), (members, "output_format", "output_format")):
        if not has(holder, name):
            continue
        found = read_members(holder[name], path)
        kind = read_text(found.get("type"), f"{path}.type")
        if kind != FormatKind.JSON_SCHEMA:
            raise InvalidRequest(f"`{path}.type` must be json_schema, not {kind!r}", param=f"{path}.type")
        schema = read_schema(found.get("schema", NULL), f"{path}.schema")
        if schema is None:
            raise InvalidRequest(f"`{path}.schema` is missing", param=f"{path}.schema")
        extra.update(leftovers(found, _FORMAT, "output_config.format."))
        return AnswerFormat(FormatKind.JSON_SCHEMA, schema)
    return None


def _read_reasoning(members: Members, output: Members, extra: Members) -> Reasoning | None:
    effort = _read_effort(output)
    thinking = _inner(members, "thinking", _THINKING, extra)
    if not thinking:
        # Effort alone bounds the whole answer, not only the thinking; other formats have one word for both.
        return None if effort is None else Reasoning(effort)
    kind = read_text(thinking.get("type"), "thinking.type")
    shown = optional_text(thinking, "display", "thinking.") != "omitted"
    match kind:
        case "enabled":
            return Reasoning(effort, optional_whole(thinking, "budget_tokens", "thinking."), shown)
        case "adaptive":
            return Reasoning(effort or _DEFAULT_EFFORT, shown=shown)
        case "disabled":
            if effort is not None:
                extra["output_config.effort"] = output["effort"]
            return Reasoning(Effort.NONE)
        case _:
            path = "thinking.type"
            raise InvalidRequest(f"`{path}` is enabled, adaptive or disabled, not {kind!r}", param=path)


def _read_effort(output: Members) -> Effort | None:
    word = optional_text(output, "effort", "output_config.")
    if word is None:
        return None
    effort = effort_of_word(word)
    if effort is None:
        path = "output_config.effort"
        raise InvalidRequest(f"`{path}` is low, medium, high, xhigh or max, not {word!r}", param=path)
    return effort


_KNOBS: Final[Mapping[str, tuple[str, Callable[[Members, str], Any]]]] = {
    "stream": ("stream", _flag),
    "max_tokens": ("max_tokens", optional_whole),
    "temperature": ("temperature", _number),
    "top_p": ("top_p", _number),
    "top_k": ("top_k", optional_whole),
    "stop_sequences": ("stop", optional_texts),
    "service_tier": ("service_tier", optional_text),
}
"""By the caller's name: our field, and its reader. What is not there is not looked for."""
_OBJECTS: Final = frozenset("tools tool_choice thinking output_config output_format metadata cache_control".split())
