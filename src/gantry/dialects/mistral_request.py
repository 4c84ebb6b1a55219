"""An OpenAI chat request as Mistral takes it: the allow-list of its closed schema, and the rule of each other field.

Law: what is the same keeps its bytes; a request of which everything is the same is the same object. Mistral refuses
fields it does not know (422), so a tuning knob that it lacks is dropped and reported, and what asks for something it
cannot do is a 400 naming the field. Null is absent, as in both families' SDKs.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.errors import InvalidRequest
from gantry.dialects.changes import Change, clamped, converted, dropped, renamed
from gantry.dialects.fields import object_members
from gantry.dialects.members import (
    NULL,
    Members,
    asks_nothing,
    encode,
    has,
    is_text,
    read_members,
    read_number,
    read_text,
)
from gantry.dialects.mistral_messages import adapt_messages
from gantry.dialects.mistral_reasoning import Reasoning, nearest_effort, reasoning_of
from gantry.dialects.mistral_tools import TOOL_FIELDS, adapt_tools

MAX_TEMPERATURE: Final = 1.5
SMALLEST_TOP_P: Final = 0.0001
_SCHEMA_KEYS: Final = ("name", "schema", "description", "strict")
_STANDARD_TIER: Final = "standard_only"
_TIERS: Final = {"auto": "auto", "priority": "auto", "fast": "auto", _STANDARD_TIER: _STANDARD_TIER}
_TRUE: Final = Raw(b"true")


class MistralRequest(Struct, frozen=True):
    """The request for Mistral, what was changed in it, and whether the caller asked for usage in a stream."""

    body: bytes
    changes: list[Change]
    include_usage: bool


class _Draft:
    """A request while its fields are read one by one."""

    __slots__ = ("adapted", "changes", "given")

    def __init__(self, given: Members) -> None:
        self.given = given
        self.adapted: Members = {}
        self.changes: list[Change] = []

    @property
    def model(self) -> str:
        raw = self.given.get("model", NULL)
        return read_text(raw, "model") if raw != NULL else ""


_Rule = Callable[[Raw, _Draft], None]


def to_mistral(body: bytes) -> MistralRequest:
    """Return an OpenAI chat request for Mistral. Raises InvalidRequest."""
    given = object_members(body, "a chat request")
    draft = _Draft(given)
    adapted = draft.adapted
    for name, value in given.items():
        if value == NULL or name in TOOL_FIELDS:
            continue
        if name in _SAME:
            adapted[name] = value
            continue
        rule = _RULES.get(name)
        if rule is None:
            _drop(name, value, draft)
        else:
            rule(value, draft)
    if "messages" not in adapted:
        raise InvalidRequest("`messages` is missing", param="messages")
    if not TOOL_FIELDS.isdisjoint(given):
        adapt_tools(given, adapted, draft.changes)
    same = adapted == given
    return MistralRequest(body if same else msgspec.json.encode(adapted), draft.changes, _wants_usage(given))


def _wants_usage(given: Members) -> bool:
    if not has(given, "stream_options"):
        return False
    return read_members(given["stream_options"], "stream_options").get("include_usage", NULL) == _TRUE


def _drop(name: str, value: Raw, draft: _Draft) -> None:
    if not asks_nothing(value):
        draft.changes.append(dropped(name))


def _messages(value: Raw, draft: _Draft) -> None:
    draft.adapted["messages"] = adapt_messages(value, draft.changes, lambda: _shows_thinking(draft.model))


def _shows_thinking(model: str) -> bool:
    return reasoning_of(model) in (Reasoning.EFFORT, Reasoning.PROMPT_MODE)


def _max_tokens(value: Raw, draft: _Draft) -> None:
    if not has(draft.given, "max_completion_tokens"):
        draft.adapted["max_tokens"] = value
    elif value != draft.given["max_completion_tokens"]:
        draft.changes.append(dropped("max_tokens", "in favour of max_completion_tokens"))


def _max_completion_tokens(value: Raw, draft: _Draft) -> None:
    draft.adapted["max_tokens"] = value
    draft.changes.append(renamed("max_completion_tokens", "max_tokens"))


def _seed(value: Raw, draft: _Draft) -> None:
    digits = bytes(value)
    if digits.startswith(b"-"):
        value = Raw(digits[1:])  # any seed will do, as long as the same one gives the same
        draft.changes.append(converted("seed", f"to {digits[1:].decode()}, Mistral takes none below 0"))
    draft.adapted["random_seed"] = value
    draft.changes.append(renamed("seed", "random_seed"))


def _temperature(value: Raw, draft: _Draft) -> None:
    if read_number(value, "temperature") > MAX_TEMPERATURE:
        draft.changes.append(clamped("temperature", MAX_TEMPERATURE))
        value = encode(MAX_TEMPERATURE)
    draft.adapted["temperature"] = value


def _top_p(value: Raw, draft: _Draft) -> None:
    if read_number(value, "top_p") == 0:
        draft.changes.append(clamped("top_p", SMALLEST_TOP_P))
        value = encode(SMALLEST_TOP_P)
    draft.adapted["top_p"] = value


def _service_tier(value: Raw, draft: _Draft) -> None:
    given = read_text(value, "service_tier")
    tier = mistral_tier(given)
    if tier != given:
        draft.changes.append(converted("service_tier", f"to {tier}"))
        value = encode(tier)
    draft.adapted["service_tier"] = value


def mistral_tier(given: str) -> str:
    """Return Mistral's service tier for anybody's."""
    return _TIERS.get(given, _STANDARD_TIER)


def _reasoning_effort(value: Raw, draft: _Draft) -> None:
    wish, model = read_text(value, "reasoning_effort"), draft.model
    match reasoning_of(model):
        case Reasoning.NEVER:
            if wish != "none":
                draft.changes.append(dropped("reasoning_effort", "for a model that does not reason"))
        case Reasoning.PROMPT_MODE:
            if wish != "none":
                draft.adapted.setdefault("prompt_mode", encode("reasoning"))
            draft.changes.append(converted("reasoning_effort", "to prompt_mode"))
        case Reasoning.EFFORT | Reasoning.UNKNOWN:
            effort = nearest_effort(model, wish)
            if effort != wish:
                draft.changes.append(converted("reasoning_effort", f"to {effort}"))
                value = encode(effort)
            draft.adapted["reasoning_effort"] = value


def _prediction(value: Raw, draft: _Draft) -> None:
    members = read_members(value, "prediction")
    content = members.get("content", NULL)
    if content != NULL and not is_text(content):
        parts = msgspec.json.decode(content)
        if not isinstance(parts, list) or not all(isinstance(part, dict) and "text" in part for part in parts):
            raise InvalidRequest("`prediction.content` must be text", param="prediction.content")
        value = encode({**members, "content": "".join(str(part["text"]) for part in parts)})
        draft.changes.append(converted("prediction.content", "to one string"))
    draft.adapted["prediction"] = value


def _response_format(value: Raw, draft: _Draft) -> None:
    members = read_members(value, "response_format")
    if has(members, "json_schema"):
        schema = read_members(members["json_schema"], "response_format.json_schema")
        kept = {name: schema[name] for name in _SCHEMA_KEYS if has(schema, name)}
        if kept != schema:
            for name, item in schema.items():
                if name not in _SCHEMA_KEYS:
                    _drop(f"response_format.json_schema.{name}", item, draft)
            value = encode({**members, "json_schema": encode(kept)})
    draft.adapted["response_format"] = value


def _modalities(value: Raw, draft: _Draft) -> None:
    if bytes(value).translate(None, b" \t\r\n") not in (b'["text"]', b"[]"):
        raise InvalidRequest("`modalities` other than text are not made by Mistral's chat models", param="modalities")


def _refusing(name: str, reason: str) -> _Rule:
    def refuse(value: Raw, draft: _Draft) -> None:
        if not asks_nothing(value):
            raise InvalidRequest(f"`{name}` {reason}", param=name)

    return refuse


def _take_silently(value: Raw, draft: _Draft) -> None:
    """Take a field whose meaning is carried elsewhere."""


# What Mistral's schema has under the same name and with the same meaning. Tools have a module of their own.
_SAME: Final = frozenset(
    """
    model stream min_tokens stop random_seed metadata presence_penalty frequency_penalty repetition_penalty top_k n
    prompt_logprobs top_prompt_logprobs prompt_mode guardrails prompt_cache_key safe_prompt
    """.split()
)
_RULES: Final[dict[str, _Rule]] = {
    "messages": _messages,
    "max_tokens": _max_tokens,
    "max_completion_tokens": _max_completion_tokens,
    "seed": _seed,
    "temperature": _temperature,
    "top_p": _top_p,
    "service_tier": _service_tier,
    "reasoning_effort": _reasoning_effort,
    "prediction": _prediction,
    "response_format": _response_format,
    "stream_options": _take_silently,
    "modalities": _modalities,
    "audio": _refusing("audio", "output is not made by Mistral's chat models"),
    "web_search_options": _refusing("web_search_options", "asks for a search, which Mistral's chat does not make"),
    "moderation": _refusing("moderation", "is not taken by Mistral; its own safety checks are called `guardrails`"),
}
