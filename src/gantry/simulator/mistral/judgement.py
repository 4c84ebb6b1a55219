"""Moderations and classifications: scores that depend on the text alone."""

from typing import Any

from msgspec import json

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.mistral.bodies import decode
from gantry.simulator.mistral.catalog import lookup
from gantry.simulator.mistral.requests import Closed
from gantry.simulator.oracle import count_tokens, digest
from gantry.simulator.routes import Call

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


class JudgementRequest(Closed, frozen=True):
    model: str
    input: Any
    metadata: Any = None


_DECODER = json.Decoder(JudgementRequest)


def moderate(call: Call) -> Answer:
    return _answer(call, _moderation)


def classify(call: Call) -> Answer:
    return _answer(
        call, lambda text: {"label": {"scores": {"yes": _score(text, "yes"), "no": 1 - _score(text, "yes")}}}
    )


def _answer(call: Call, judge: Any) -> Answer:
    request = decode(_DECODER, call.request.body)
    lookup(request.model)
    texts = _texts(request.input)
    tokens = sum(count_tokens(text) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0, "request_count": len(texts)}
    results = [judge(text) for text in texts]
    return json_answer({"id": digest(call.request.body), "usage": usage, "model": request.model, "results": results})


def _texts(given: Any) -> list[str]:
    """Return one text for each thing to judge: a string, a conversation, or a list of either."""
    if isinstance(given, str):
        return [given]
    if isinstance(given, dict):
        return [json.encode(given).decode()]
    if given and all(isinstance(item, dict) and "role" in item for item in given):
        return [json.encode(given).decode()]
    return [item if isinstance(item, str) else json.encode(item).decode() for item in given]


def _moderation(text: str) -> dict[str, Any]:
    lowered = text.lower()
    scores = {name: _score(text, name) / 100 for name in _CATEGORIES}
    for name in _CATEGORIES:
        if name.split("_")[0] in lowered:
            scores[name] = 0.98
    return {"categories": {name: score > 0.5 for name, score in scores.items()}, "category_scores": scores}


def _score(text: str, label: str) -> float:
    return int(digest(text, label)[:4], 16) / 0xFFFF
