"""The canonical chat as a request in this format.

Law: a request from another dialect is stateless (`store: false`), and asks for sealed reasoning when it asks for
reasoning at all: models that do not reason refuse the wish
(https://github.com/NousResearch/hermes-agent/pull/24234).
"""

from typing import Any, Final

import msgspec

from gantry.core.chat import AnswerFormat, ChatRequest, Effort, FormatKind, Message, Reasoning, Role, Text, Thinking
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.caller_names import caller_name, turn_names
from gantry.dialects.changes import Change, clamped, converted, dropped
from gantry.dialects.codec import EncodedRequest, Target
from gantry.dialects.effort import effort_of
from gantry.dialects.foreign import drop_extra
from gantry.dialects.members import asks_nothing
from gantry.dialects.responses.decode_request import LOGPROBS, SEALED_REASONING
from gantry.dialects.responses.encode_input import InputWriter
from gantry.dialects.responses.items import OWN, SEPARATOR
from gantry.dialects.responses.tools import custom_names, write_tool_choice, write_tools

_MIN_OUTPUT_TOKENS: Final = 16  # below it OpenAI refuses; other APIs take 1
_TIERS: Final = {"standard_only": "default", "standard": "default"}
_KNOWN_TIERS: Final = frozenset(("auto", "default", "flex", "priority", "scale"))
_SAME_IN_CHAT: Final = frozenset(
    ("store", "safety_identifier", "prompt_cache_retention", "prompt_cache_options", "moderation")
)
_UNSAYABLE: Final = (
    "top_k",
    "min_p",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
)


def encode_request(request: ChatRequest, target: Target) -> EncodedRequest:
    """Return a request for a provider. Raises InvalidRequest for what cannot be said."""
    changes: list[Change] = []
    body: dict[str, Any] = {"model": target.model}
    _put_conversation(body, request, changes)
    _put_tools(body, request)
    _put_knobs(body, request, changes)
    _put_text(body, request)
    _put_reasoning(body, request, changes)
    _put_state(body, request, changes)
    _drop_unsayable(request, changes)
    if request.stream:
        body["stream"] = True
    return EncodedRequest(msgspec.json.encode(body), changes)


def _put_conversation(body: dict[str, Any], request: ChatRequest, changes: list[Change]) -> None:
    instructions = _leading_instructions(request)
    if instructions is not None:
        body["instructions"] = instructions
    writer = InputWriter(request.dialect)
    for number, (message, name) in enumerate(zip(request.messages, turn_names(request), strict=True)):
        if number or instructions is None:
            writer.add(message, name)
    changes += writer.changes
    body["input"] = writer.items


def _leading_instructions(request: ChatRequest) -> str | None:
    """Return the text of the first message where it is what `instructions` says."""
    if not request.messages or (request.dialect is OWN and "instructions" not in request.extra):
        return None
    return _plain_text(request.messages[0]) if request.messages[0].role is Role.SYSTEM else None


def _plain_text(message: Message) -> str | None:
    texts = [part.text for part in message.parts if isinstance(part, Text)]
    return SEPARATOR.join(texts) if texts and len(texts) == len(message.parts) else None


def _put_tools(body: dict[str, Any], request: ChatRequest) -> None:
    if request.tools:
        body["tools"] = write_tools(request.tools, request.dialect)
    if not request.tools and request.dialect is not OWN:
        return
    if request.tool_choice is not None:
        body["tool_choice"] = write_tool_choice(request.tool_choice, custom_names(request.tools))
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls


def _put_knobs(body: dict[str, Any], request: ChatRequest, changes: list[Change]) -> None:
    bound = request.max_tokens
    if bound is not None and bound < _MIN_OUTPUT_TOKENS and request.dialect is not OWN:
        changes.append(clamped(caller_name(request.dialect, "max_tokens"), _MIN_OUTPUT_TOKENS))
        bound = _MIN_OUTPUT_TOKENS
    tier = _TIERS.get(request.service_tier or "", request.service_tier)
    if tier is not None and tier not in _KNOWN_TIERS and request.dialect is not OWN:
        changes.append(dropped("service_tier", f"{tier} is not known to the provider"))
        tier = None
    plain = {
        "max_output_tokens": bound,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_logprobs": request.top_logprobs,
        "service_tier": tier,
        "user": request.user,
        "prompt_cache_key": request.cache_key,
    }
    body.update({name: value for name, value in plain.items() if value is not None})
    if request.metadata is not None and request.dialect in (OWN, Dialect.OPENAI_CHAT):
        body["metadata"] = request.metadata
    elif request.metadata is not None and not asks_nothing(request.metadata):
        changes.append(dropped("metadata", "it is kept in the log"))


def _put_text(body: dict[str, Any], request: ChatRequest) -> None:
    text = _inner(request, "text.")
    form = None if request.format is None else _format(request.format)
    if form is not None:
        text["format"] = form
    if request.verbosity is not None:
        text["verbosity"] = request.verbosity
    if text:
        body["text"] = text


def _format(form: AnswerFormat) -> dict[str, Any] | None:
    if form.kind is FormatKind.TEXT:
        return None
    if form.kind is FormatKind.JSON or form.schema is None:
        return {"type": "json_object"}
    described = {} if form.description is None else {"description": form.description}
    strict = {} if form.strict is None else {"strict": form.strict}
    return {"type": "json_schema", "name": form.name or "answer", **described, "schema": form.schema, **strict}


def _put_reasoning(body: dict[str, Any], request: ChatRequest, changes: list[Change]) -> None:
    reasoning: dict[str, Any] = _inner(request, "reasoning.")
    asked = request.reasoning
    if asked is not None:
        effort = effort_of(asked)
        if effort is not None:
            reasoning["effort"] = effort
        if asked.effort is None and asked.budget is not None:
            changes.append(converted("reasoning", f"from a budget of {asked.budget} tokens to effort {effort}"))
        summary = asked.summary or ("auto" if asked.shown and effort is not Effort.NONE else None)
        if summary is not None:
            reasoning["summary"] = summary
    if reasoning:
        body["reasoning"] = reasoning


def _inner(request: ChatRequest, prefix: str) -> dict[str, Any]:
    """Return what `extra` holds of the inside of a parameter."""
    if request.dialect is not OWN:
        return {}
    return {name.removeprefix(prefix): raw for name, raw in request.extra.items() if name.startswith(prefix)}


def _put_state(body: dict[str, Any], request: ChatRequest, changes: list[Change]) -> None:
    if request.dialect is OWN:
        inside = ("text.", "reasoning.")
        kept = {name: raw for name, raw in request.extra.items() if not name.startswith(inside)}
        include = kept.pop("include", None)
        kept.pop("instructions", None)
        body.update(kept)
        if include is not None and not asks_nothing(include):
            body["include"] = include
            return
        sealed = include is not None
    else:
        body["store"] = False
        sealed = _reasons(request)
        _put_foreign_extra(body, request, changes)
    wanted = [*([SEALED_REASONING] if sealed else ()), *([LOGPROBS] if request.logprobs else ())]
    if wanted:
        body["include"] = wanted


def _put_foreign_extra(body: dict[str, Any], request: ChatRequest, changes: list[Change]) -> None:
    taken = _SAME_IN_CHAT if request.dialect is Dialect.OPENAI_CHAT else frozenset[str]()
    body.update({name: raw for name, raw in request.extra.items() if name in taken})
    drop_extra(request, changes, taken)


def _reasons(request: ChatRequest) -> bool:
    """Say whether the call is to a model that reasons, as far as the request shows it."""
    asked: Reasoning | None = request.reasoning
    if asked is not None and effort_of(asked) is not Effort.NONE:
        return True
    return any(
        isinstance(part, Thinking) and part.dialect is OWN and part.sealed is not None
        for message in request.messages
        for part in message.parts
    )


def _drop_unsayable(request: ChatRequest, changes: list[Change]) -> None:
    if request.choices > 1:
        name = caller_name(request.dialect, "choices")
        raise InvalidRequest(f"`{name}`: the provider of this model gives one answer to a call", param=name)
    for name in _UNSAYABLE:
        value = getattr(request, name)
        if value not in (None, ()) and (value != 0 or name == "seed"):
            changes.append(dropped(caller_name(request.dialect, name)))
