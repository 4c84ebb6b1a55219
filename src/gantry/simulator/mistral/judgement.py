"""Moderations and classifications: scores that depend on the text alone."""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import json

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.mistral.bodies import decode
from gantry.simulator.mistral.catalog import lookup
from gantry.simulator.mistral.errors import capability
from gantry.simulator.mistral.requests import (
    AnyMessage,
    ChatClassificationRequest,
    ChatModerationRequest,
    ClassifierRequest,
    Dialogue,
)
from gantry.simulator.oracle import count_tokens, digest
from gantry.simulator.routes import Call, Table

_CATEGORIES = (
    "sexual",
    "hate_and_discrimination",
    "violence_and_threats",
    "dangerous_and_criminal_content",
    "selfharm",
    "health",
    "financial",
    "law",
    "pii",
)
_TEXTS = json.Decoder(ClassifierRequest)
_MODERATED = json.Decoder(ChatModerationRequest)
_CLASSIFIED = json.Decoder(ChatClassificationRequest)


def moderation(text: str) -> dict[str, Any]:
    """Judge a text: it offends where it names the category."""
    lowered = text.lower()
    scores = {name: _score(text, name) / 100 for name in _CATEGORIES}
    for name in _CATEGORIES:
        if name.split("_")[0] in lowered:
            scores[name] = 0.98
    return {"categories": {name: score > 0.5 for name, score in scores.items()}, "category_scores": scores}


def _moderate(call: Call) -> Answer:
    request = decode(_TEXTS, call.request.body)
    _check_moderator(request.model)
    return _answer(call, request.model, _listed(request.input), moderation)


def _moderate_chat(call: Call) -> Answer:
    request = decode(_MODERATED, call.request.body)
    _check_moderator(request.model)
    nested = [_text(item) for item in request.input if isinstance(item, list)]
    return _answer(call, request.model, nested or [_text(request.input)], moderation)


def _classify(call: Call) -> Answer:
    request = decode(_TEXTS, call.request.body)
    lookup(request.model)
    return _answer(call, request.model, _listed(request.input), _classification)


def _classify_chat(call: Call) -> Answer:
    request = decode(_CLASSIFIED, call.request.body)
    lookup(request.model)
    dialogues = [request.input] if isinstance(request.input, Dialogue) else request.input
    return _answer(call, request.model, [_text(dialogue.messages) for dialogue in dialogues], _classification)


def _answer(call: Call, model: str, texts: Sequence[str], judge: Callable[[str], dict[str, Any]]) -> Answer:
    tokens = sum(count_tokens(text) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0, "request_count": len(texts)}
    results = [judge(text) for text in texts]
    return json_answer({"id": digest(call.request.body), "usage": usage, "model": model, "results": results})


def _check_moderator(model: str) -> None:
    if not lookup(model).moderation:
        raise capability(model, "moderation")


def _listed(given: str | list[str]) -> list[str]:
    return [given] if isinstance(given, str) else given


def _text(messages: Any) -> str:
    dialogue: list[AnyMessage] = messages
    return json.encode(dialogue).decode()


def _classification(text: str) -> dict[str, Any]:
    agreement = _score(text, "yes")
    return {"label": {"scores": {"yes": agreement, "no": 1 - agreement}}}


def _score(text: str, label: str) -> float:
    return int(digest(text, label)[:4], 16) / 0xFFFF


TABLE: Table = (
    ("POST", "/v1/moderations", _moderate),
    ("POST", "/v1/chat/moderations", _moderate_chat),
    ("POST", "/v1/classifications", _classify),
    ("POST", "/v1/chat/classifications", _classify_chat),
)
