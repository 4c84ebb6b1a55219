"""An OpenAI chat request in canonical words.

Law: one decoding checks every member that is understood; every other is kept under its name for a provider that knows
it. Several spellings of one wish (three for thinking, two for the bound) are one wish; the newer spelling wins.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from gantry.core.chat import ChatRequest, Effort, Reasoning
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.effort import effort_of_word
from gantry.dialects.members import asks_nothing, decode_members
from gantry.dialects.openai_chat.messages_in import read_messages
from gantry.dialects.openai_chat.parts import read_part
from gantry.dialects.openai_chat.shapes import OpenAIRequestIn, RequestIn, present
from gantry.dialects.openai_chat.tools import (
    read_format,
    read_function,
    read_function_call,
    read_tool_choice,
    read_tools,
)
from gantry.dialects.read_exactly import read_exactly

LEGACY_FUNCTIONS: Final = "functions"
"""In `extra` as an empty list, which asks for nothing: the caller spoke of functions, and is answered so."""

_EMPTY_LIST: Final = Raw(b"[]")
_TEXT_ONLY: Final = (b'["text"]', b"[]", b"null")
_KNOWN: Final = frozenset(OpenAIRequestIn.__struct_fields__)
_decode: Final = msgspec.json.Decoder(OpenAIRequestIn).decode


def decode_request(body: bytes) -> ChatRequest:
    """Return what a client asks. Raises InvalidRequest."""
    given = read_exactly(_decode, body)
    extra = unknown_members(body, given, _KNOWN)
    if bytes(extra.get("modalities", _EMPTY_LIST)).translate(None, b" \t\r\n") in _TEXT_ONLY:
        extra.pop("modalities", None)
    fields = common_fields(Dialect.OPENAI_CHAT, given)
    if given.tools is not None:
        fields["tools"] = read_tools(Dialect.OPENAI_CHAT, body, given.tools)
    elif given.functions is not None:
        fields["tools"] = tuple(
            [read_function(function, f"functions[{number}]") for number, function in enumerate(given.functions)]
        )
        extra[LEGACY_FUNCTIONS] = _EMPTY_LIST
    if given.tool_choice is None and given.function_call is not None:
        fields["tool_choice"] = read_function_call(given.function_call)
    if given.max_completion_tokens is not None:
        fields["max_tokens"] = given.max_completion_tokens
    if given.user is not None and given.safety_identifier is not None:
        extra["safety_identifier"] = decode_members(body)["safety_identifier"]
    options = given.stream_options
    return ChatRequest(
        **fields,
        messages=read_messages(Dialect.OPENAI_CHAT, body, given.messages, read_part),
        include_usage=options is not None and bool(options.include_usage),
        reasoning=_reasoning(given),
        min_p=given.min_p,
        seed=given.seed,
        verbosity=given.verbosity,
        user=given.user if given.user is not None else given.safety_identifier,
        extra=extra,
    )


def common_fields(dialect: Dialect, given: RequestIn) -> dict[str, Any]:
    """Return what OpenAI and Mistral say alike, as the canonical request's fields. Raises InvalidRequest."""
    if given.n is not None and given.n < 1:
        raise InvalidRequest("`n` must be 1 or more", param="n")
    stop = given.stop
    return {
        "dialect": dialect,
        "model": given.model,
        "stream": bool(given.stream),
        "tool_choice": read_tool_choice(given.tool_choice) if given.tool_choice is not None else None,
        "parallel_tool_calls": given.parallel_tool_calls,
        "format": read_format(given.response_format) if given.response_format is not None else None,
        "max_tokens": given.max_tokens,
        "temperature": given.temperature,
        "top_p": given.top_p,
        "top_k": given.top_k,
        "stop": () if stop is None else (stop,) if isinstance(stop, str) else tuple(stop),
        "presence_penalty": given.presence_penalty,
        "frequency_penalty": given.frequency_penalty,
        "choices": given.n or 1,
        "logprobs": bool(given.logprobs),
        "top_logprobs": given.top_logprobs,
        "service_tier": given.service_tier,
        "cache_key": given.prompt_cache_key,
        "metadata": present(given.metadata),
    }


def unknown_members(body: bytes, given: RequestIn, known: frozenset[str]) -> dict[str, Raw]:
    """Return the members that are not understood, without those that ask for nothing."""
    members = decode_members(body)
    unknown = {name: raw for name, raw in members.items() if name not in known and not asks_nothing(raw)}
    if given.reasoning_effort is not None and effort_of_word(given.reasoning_effort) is None:
        unknown["reasoning_effort"] = members["reasoning_effort"]  # a word of one provider: Groq's `default`
    return unknown


def _reasoning(given: OpenAIRequestIn) -> Reasoning | None:
    if given.reasoning_effort is not None:
        effort = effort_of_word(given.reasoning_effort)
        return None if effort is None else Reasoning(effort)
    wish = given.reasoning
    if wish is not None:
        if wish.enabled is False:
            return Reasoning(Effort.NONE)
        shown = None if wish.exclude is None else not wish.exclude
        effort = effort_of_word(wish.effort) if wish.effort is not None else None
        if effort is None and wish.max_tokens is None:
            effort = Effort.MEDIUM  # what OpenRouter takes `enabled` for
        return Reasoning(effort, wish.max_tokens, shown, wish.summary)
    switch = given.thinking
    if switch is None or switch.type is None:
        return None
    if switch.type == "disabled":
        return Reasoning(Effort.NONE)
    return Reasoning(None if switch.budget_tokens is not None else Effort.MEDIUM, switch.budget_tokens)
