"""A request for Gemini. The model and the wish to stream go into the path, so the body holds neither."""

from typing import Any, Final

import msgspec
from msgspec import Raw

from gantry.core.chat import ChatRequest, FormatKind
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.caller_names import caller_name
from gantry.dialects.changes import Change, converted, dropped
from gantry.dialects.codec import EncodedRequest, Target
from gantry.dialects.gemini.config_decoding import COUNTS, FLOATS, GENERATION, TOOLS
from gantry.dialects.gemini.content_encoding import Conversation
from gantry.dialects.gemini.request_decoding import STANDARD_TIER
from gantry.dialects.gemini.thinking import encode_thinking
from gantry.dialects.gemini.tools import encode_choice, encode_tools
from gantry.dialects.members import asks_nothing

_MOST_STOPS: Final = 5
_SEED_BITS: Final = 0x7FFF_FFFF
_JSON: Final = "application/json"
_PLAIN: Final = "text/plain"
_TIERS: Final = {"default": "standard", "flex": "flex", "priority": "priority"}
_UNSAYABLE: Final = ("min_p", "verbosity", "user", "cache_key", "metadata")
_NESTED: Final = (f"{GENERATION}.", f"{TOOLS}.")

_encode: Final = msgspec.json.Encoder().encode


def encode_request(request: ChatRequest, target: Target) -> EncodedRequest:
    """Return the body for Gemini. Raises InvalidRequest for what it cannot say and the caller would miss."""
    changes: list[Change] = []
    conversation = Conversation(request, target.model, changes)
    body: dict[str, Any] = {"contents": conversation.contents}
    if conversation.system:
        body["systemInstruction"] = {"parts": conversation.system}
    tools = encode_tools(request, changes)
    if tools:
        body["tools"] = tools
    choice = encode_choice(request)
    if choice is not None:
        body[TOOLS] = {"functionCallingConfig": choice}
    generation = _generation(request, target, changes)
    if generation:
        body[GENERATION] = generation
    _add_tier(request, body, changes)
    _add_extra(request, body, changes)
    _name_unsayable(request, changes)
    return EncodedRequest(_encode(body), changes)


def _generation(request: ChatRequest, target: Target, changes: list[Change]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for wire, name in {**FLOATS, **COUNTS}.items():
        value = getattr(request, name)
        if value is not None:
            config[wire] = value
    if request.choices == 1:
        del config["candidateCount"]
    if request.seed is not None and request.seed != request.seed & _SEED_BITS and request.dialect is not Dialect.GEMINI:
        config["seed"] = request.seed & _SEED_BITS
        changes.append(
            converted(caller_name(request.dialect, "seed"), f"to {config['seed']}, for Gemini's has 32 bits")
        )
    if request.stop:
        config["stopSequences"] = _stops(request)
    if request.logprobs:
        config["responseLogprobs"] = True
    config |= _format(request, changes)
    if request.reasoning is not None:
        thinking = encode_thinking(request.reasoning, request.dialect, target.model, changes)
        if thinking:
            config["thinkingConfig"] = thinking
    return config


def _stops(request: ChatRequest) -> list[str]:
    if len(request.stop) > _MOST_STOPS:
        name = caller_name(request.dialect, "stop")
        raise InvalidRequest(
            f"`{name}` holds {len(request.stop)} sequences, and Gemini takes {_MOST_STOPS}. Leave some out.", param=name
        )
    return list(request.stop)


def _format(request: ChatRequest, changes: list[Change]) -> dict[str, Any]:
    wanted = request.format
    if wanted is None:
        return {}
    if wanted.description is not None:
        changes.append(dropped(f"{caller_name(request.dialect, 'format')} description"))
    match wanted.kind:
        case FormatKind.TEXT:
            return {"responseMimeType": _PLAIN} if request.dialect is Dialect.GEMINI else {}
        case FormatKind.JSON:
            return {"responseMimeType": _JSON}
        case FormatKind.JSON_SCHEMA:
            config: dict[str, Any] = {"responseMimeType": _JSON}
            if wanted.schema is not None:
                config["responseJsonSchema"] = wanted.schema
            return config


def _add_tier(request: ChatRequest, body: dict[str, Any], changes: list[Change]) -> None:
    tier = request.service_tier
    if tier is None or tier == "auto":
        return
    if request.dialect is Dialect.GEMINI:
        body["serviceTier"] = {ours: word for word, ours in STANDARD_TIER.items()}.get(tier, tier)
    elif tier in _TIERS:
        body["serviceTier"] = _TIERS[tier]
    else:
        changes.append(dropped("service_tier", f"Gemini has none that is called {tier}"))


def _add_extra(request: ChatRequest, body: dict[str, Any], changes: list[Change]) -> None:
    own = request.dialect is Dialect.GEMINI
    for name, value in request.extra.items():
        if own and name.startswith(_NESTED):
            _put(body, name.split("."), value)
        elif own and "[" not in name:
            body[name] = value
        elif not asks_nothing(value):
            changes.append(dropped(name))


def _put(body: dict[str, Any], path: list[str], value: Raw) -> None:
    *above, last = path
    for name in above:
        body = body.setdefault(name, {})
    body[last] = value


def _name_unsayable(request: ChatRequest, changes: list[Change]) -> None:
    for name in _UNSAYABLE:
        value = getattr(request, name)
        if value is not None and not (isinstance(value, Raw) and asks_nothing(value)):
            changes.append(dropped(caller_name(request.dialect, name)))
    parts = (part for message in request.messages for part in message.parts)
    marks = [request.cache, *(getattr(item, "cache", None) for item in (*parts, *request.tools))]
    if any(mark is not None for mark in marks):
        changes.append(dropped("cache_control", "Gemini caches by itself what it has read before"))
