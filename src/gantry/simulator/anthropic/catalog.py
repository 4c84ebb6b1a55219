"""The models the simulated Anthropic serves, and what each can."""

from typing import Any

from msgspec import Struct

from gantry.simulator.anthropic.errors import invalid, not_found
from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.faults import base_model
from gantry.simulator.routes import Call, Table

_CREATED_AT = "2026-02-24T00:00:00Z"
_LARGEST_PAGE = 1000


class Model(Struct, frozen=True):
    """`budgeted` models take `thinking.type: enabled`, `adaptive` ones the other; newer ones refuse `prefill`."""

    name: str
    title: str
    max_tokens: int = 64_000
    context: int = 200_000
    budgeted: bool = True
    adaptive: bool = False
    prefill: bool = True
    one_of_two: bool = True  # temperature or top_p
    system_turns: bool = False  # among the messages


def _newer(name: str, title: str, *, system_turns: bool = True) -> Model:
    return Model(
        name, title, 128_000, 1_000_000, budgeted=False, adaptive=True, prefill=False, system_turns=system_turns
    )


_MODELS = (
    _newer("claude-opus-5-5", "Claude Opus 5.5"),
    _newer("claude-sonnet-5-5", "Claude Sonnet 5.5"),
    _newer("claude-haiku-5-5", "Claude Haiku 5.5"),
    _newer("claude-fable-5", "Claude Fable 5"),
    _newer("claude-opus-5", "Claude Opus 5"),
    _newer("claude-sonnet-5", "Claude Sonnet 5"),
    _newer("claude-opus-4-8", "Claude Opus 4.8"),
    _newer("claude-opus-4-7", "Claude Opus 4.7", system_turns=False),
    Model("claude-opus-4-6", "Claude Opus 4.6", 128_000, 1_000_000, adaptive=True, prefill=False),
    Model("claude-sonnet-4-6", "Claude Sonnet 4.6", 64_000, 1_000_000, adaptive=True, prefill=False),
    Model("claude-opus-4-5-20251101", "Claude Opus 4.5"),
    Model("claude-haiku-4-5-20251001", "Claude Haiku 4.5"),
    Model("claude-sonnet-4-5-20250929", "Claude Sonnet 4.5"),
    Model("claude-opus-4-1-20250805", "Claude Opus 4.1", 32_000),
    Model("claude-sonnet-4-20250514", "Claude Sonnet 4", one_of_two=False),
)
_ANY = Model("sim-model", "Simulated", adaptive=True, one_of_two=False)


def lookup(name: str) -> Model:
    """Return the model called so, by its whole name or without its date. Raises Refusal with a 404."""
    base = base_model(name).replace("@", "-")
    if base.startswith("sim-"):
        return _ANY
    for model in _MODELS:
        undated = model.name if not model.name[-8:].isdigit() else model.name[:-9]
        if base in (model.name, undated, undated + "-latest", undated + "-0"):
            return model
    raise not_found(f"model: {name}")


def _list(call: Call) -> Answer:
    query = call.request.query
    limit = query.get("limit", "20")
    if not limit.isdigit() or not 1 <= int(limit) <= _LARGEST_PAGE:
        raise invalid(f"limit: Input should be a number from 1 to {_LARGEST_PAGE}")
    cards = [_card(model) for model in _MODELS]
    names = [card["id"] for card in cards]
    if query.get("after_id") in names:
        cards = cards[names.index(query["after_id"]) + 1 :]
    page = cards[: int(limit)]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
    return json_answer({"data": page, "has_more": len(cards) > len(page), **ends})


def _retrieve(call: Call) -> Answer:
    return json_answer(_card(lookup(call.parameter)))


def _card(model: Model) -> dict[str, Any]:
    kinds = {"adaptive": {"supported": model.adaptive}, "enabled": {"supported": model.budgeted}}
    features = ("batch", "citations", "image_input", "pdf_input", "structured_outputs")
    return {
        "type": "model",
        "id": model.name,
        "display_name": model.title,
        "created_at": _CREATED_AT,
        "max_input_tokens": model.context,
        "max_tokens": model.max_tokens,
        "capabilities": {
            **{name: {"supported": True} for name in features},
            "thinking": {"supported": True, "types": kinds},
        },
    }


TABLE: Table = (("GET", "/v1/models", _list), ("GET", "/v1/models/{id}", _retrieve))
