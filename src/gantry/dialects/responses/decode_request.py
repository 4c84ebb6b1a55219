"""A request in this format, as the canonical chat.

Law: types of what is read are strict and named by path; what is not read is kept in `extra`, whole under its own name,
or as `reasoning.context` where it stands inside a parameter that is read. The words of `include` that the canonical
chat says itself are no longer there (see the package's law).
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw

from gantry.core.chat import (
    AnswerFormat,
    ChatRequest,
    Effort,
    FormatKind,
    Message,
    Reasoning,
    Role,
    Text,
)
from gantry.core.errors import InvalidRequest
from gantry.dialects.effort import effort_of_word
from gantry.dialects.members import (
    NULL,
    Members,
    decode_flag,
    decode_members,
    decode_number,
    decode_text,
    decode_texts,
    decode_whole,
    has,
    read_members,
    read_schema,
    read_text,
)
from gantry.dialects.read_exactly import read_exactly
from gantry.dialects.responses.decode_input import read_input
from gantry.dialects.responses.items import OWN, native
from gantry.dialects.responses.tools import read_tool_choice, read_tools

T = TypeVar("T")

UNDERSTOOD_INCLUDE: Final = Raw(b"[]")
UNDERSTOOD_INSTRUCTIONS: Final = Raw(b'""')
SEALED_REASONING: Final = "reasoning.encrypted_content"
LOGPROBS: Final = "message.output_text.logprobs"
_SAYS_NOTHING: Final = {"truncation": b'"disabled"', "service_tier": b"null"}
_FORMATS: Final = {"text": FormatKind.TEXT, "json_object": FormatKind.JSON, "json_schema": FormatKind.JSON_SCHEMA}


def decode_request(body: bytes) -> ChatRequest:
    """Return what a client asks. Raises InvalidRequest."""
    try:
        members = decode_members(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise InvalidRequest("the request's body is not a JSON object") from None
    fields = _Fields(members)
    model = read_text(members.get("model"), "model")
    taken: dict[str, Any] = {"model": model, "dialect": OWN, "messages": (*_instructions(fields), *_input(fields))}
    for name, (target, decode) in _PLAIN.items():
        value = fields.take(name, decode)
        if value is not None:
            taken[target] = value
    tools = fields.raw("tools")
    reasoning, text = fields.raw("reasoning"), fields.raw("text")
    if text is not None:
        taken["format"], taken["verbosity"] = _read_text_config(text, fields.rest)
    if reasoning is not None:
        taken["reasoning"] = _read_reasoning(reasoning, fields.rest)
    if tools is not None:
        taken["tools"] = read_tools(tools)
    taken["tool_choice"] = _choice(fields)
    taken["logprobs"] = _include(fields)
    metadata = fields.raw("metadata")
    if metadata is not None:
        taken["metadata"] = native(metadata)
    return ChatRequest(**taken, extra=fields.extra())


_PLAIN: Final[dict[str, tuple[str, Callable[[Raw], Any]]]] = {
    "stream": ("stream", decode_flag),
    "parallel_tool_calls": ("parallel_tool_calls", decode_flag),
    "max_output_tokens": ("max_tokens", decode_whole),
    "temperature": ("temperature", decode_number),
    "top_p": ("top_p", decode_number),
    "top_logprobs": ("top_logprobs", decode_whole),
    "service_tier": ("service_tier", decode_text),
    "user": ("user", decode_text),
    "prompt_cache_key": ("cache_key", decode_text),
}


class _Fields:
    """The members of a request, and which of them were read."""

    __slots__ = ("_members", "rest")

    def __init__(self, members: Members) -> None:
        self._members = {name: raw for name, raw in members.items() if name != "model" and raw != NULL}
        self.rest: dict[str, Raw] = {}  # what was not read inside of what was

    def raw(self, name: str) -> Raw | None:
        """Take a member; None when it is absent or null."""
        return self._members.pop(name, None)

    def take(self, name: str, decode: Callable[[Raw], T]) -> T | None:
        raw = self.raw(name)
        return None if raw is None else read_exactly(decode, raw, name)

    def extra(self) -> dict[str, Raw]:
        kept = {**self._members, **self.rest}
        return {
            name: native(raw)
            for name, raw in kept.items()
            if bytes(raw) != b"null" and bytes(raw) != _SAYS_NOTHING.get(name)
        }


def _instructions(fields: _Fields) -> list[Message]:
    text = fields.take("instructions", decode_text)
    if not text:
        return []
    fields.rest["instructions"] = UNDERSTOOD_INSTRUCTIONS
    return [Message(Role.SYSTEM, (Text(text),))]


def _input(fields: _Fields) -> list[Message]:
    """Return the input's turns. There may be none beside a stored prompt or conversation, and a provider says so."""
    raw = fields.raw("input")
    return [] if raw is None else read_input(raw)


def _choice(fields: _Fields) -> Any:
    raw = fields.raw("tool_choice")
    if raw is None:
        return None
    choice = read_tool_choice(raw)
    if choice is None:
        fields.rest["tool_choice"] = raw
    return choice


def _include(fields: _Fields) -> bool:
    """Take what is understood of `include`, and say whether log probabilities are in it."""
    raw = fields.raw("include")
    if raw is None:
        return False
    words = read_exactly(decode_texts, raw, "include")
    if set(words) - {SEALED_REASONING, LOGPROBS}:
        fields.rest["include"] = raw
    elif SEALED_REASONING in words:
        fields.rest["include"] = UNDERSTOOD_INCLUDE
    return LOGPROBS in words


def _read_reasoning(raw: Raw, rest: dict[str, Raw]) -> Reasoning | None:
    members = read_members(raw, "reasoning")
    effort = _read_effort(members.pop("effort", None))
    summary = members.pop("summary", None)
    word = None if summary is None or bytes(summary) == b"null" else read_text(summary, "reasoning.summary")
    rest.update({f"reasoning.{name}": value for name, value in members.items()})
    if effort is None and word is None:
        return None
    return Reasoning(effort, shown=True if word is not None else None, summary=word)


def _read_effort(raw: Raw | None) -> Effort | None:
    if raw is None or bytes(raw) == b"null":
        return None
    effort = effort_of_word(read_text(raw, "reasoning.effort"))
    if effort is None:
        known = ", ".join(Effort)
        raise InvalidRequest(f"`reasoning.effort` must be one of {known}", param="reasoning.effort")
    return effort


def _read_text_config(raw: Raw, rest: dict[str, Raw]) -> tuple[AnswerFormat | None, str | None]:
    members = read_members(raw, "text")
    form = members.pop("format", None)
    verbosity = members.pop("verbosity", None)
    rest.update({f"text.{name}": value for name, value in members.items()})
    return (
        None if form is None or bytes(form) == b"null" else _read_format(form),
        None if verbosity is None or bytes(verbosity) == b"null" else read_text(verbosity, "text.verbosity"),
    )


def _read_format(raw: Raw) -> AnswerFormat | None:
    members = read_members(raw, "text.format")
    kind = _FORMATS.get(read_text(members.get("type"), "text.format.type"))
    if kind is None:
        known = ", ".join(_FORMATS)
        raise InvalidRequest(f"`text.format.type` must be one of {known}", param="text.format.type")
    if kind is FormatKind.TEXT:
        return None
    if kind is FormatKind.JSON:
        return AnswerFormat(kind)
    if not has(members, "schema"):
        raise InvalidRequest("`text.format.schema` is missing", param="text.format.schema")
    description, strict = members.get("description"), members.get("strict")
    return AnswerFormat(
        kind,
        read_schema(native(members["schema"]), "text.format.schema"),
        read_text(members.get("name"), "text.format.name"),
        read_text(description, "text.format.description") if has(members, "description") else None,
        read_exactly(decode_flag, strict, "text.format.strict")
        if strict is not None and bytes(strict) != b"null"
        else None,
    )
