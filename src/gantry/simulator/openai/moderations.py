"""Moderations as OpenAI words them: a text offends where it names the category."""

from typing import Any

import msgspec
from msgspec import Struct

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.openai.bodies import decode
from gantry.simulator.openai.catalog import check_model
from gantry.simulator.oracle import digest
from gantry.simulator.routes import Call, Table

_CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


class ModerationRequest(Struct, frozen=True, forbid_unknown_fields=True):
    input: str | list[str | dict[str, Any]]
    model: str = "omni-moderation-latest"


_DECODER = msgspec.json.Decoder(ModerationRequest)


def _moderate(call: Call) -> Answer:
    request = decode(_DECODER, call.request.body)
    check_model(request.model)
    body = {"id": "modr-" + digest(call.request.body), "model": request.model}
    return json_answer({**body, "results": [_judge(text) for text in _texts(request.input)]})


def _texts(given: str | list[str | dict[str, Any]]) -> list[str]:
    """Return the texts; parts with a type are one input together."""
    if isinstance(given, str):
        return [given]
    parts = [item for item in given if isinstance(item, dict)]
    return [" ".join(str(part.get("text", "")) for part in parts)] if parts else [str(item) for item in given]


def _judge(text: str) -> dict[str, Any]:
    lowered = text.lower()
    scores = {name: int(digest(text, name)[:4], 16) / 0xFFFFFF for name in _CATEGORIES}
    scores |= {name: 0.97 for name in _CATEGORIES if name.replace("/", " ") in lowered}
    categories = {name: score > 0.5 for name, score in scores.items()}
    return {
        "flagged": any(categories.values()),
        "categories": categories,
        "category_scores": scores,
        "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
    }


TABLE: Table = (("POST", "/v1/moderations", _moderate),)
