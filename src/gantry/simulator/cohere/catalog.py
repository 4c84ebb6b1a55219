"""The models the simulated Cohere serves."""

from fnmatch import fnmatchcase
from typing import Any

from gantry.simulator.cohere.errors import unknown_model
from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.faults import base_model
from gantry.simulator.routes import Call, Table

_CHAT = ("command-a-03-2025", "command-a-plus-05-2026", "command-a-reasoning-08-2025", "command-r7b-12-2024")
_EMBED = {
    "embed-v4.0": 1536,
    "embed-english-v3.0": 1024,
    "embed-multilingual-v3.0": 1024,
    "embed-english-light-v3.0": 384,
}
_RERANK = ("rerank-v3.5", "rerank-v4.0-pro", "rerank-v4.0-fast", "rerank-english-v3.0", "rerank-multilingual-v3.0")
_THINKING = ("command-a-reasoning-*", "command-a-plus-*")


def check_model(name: str, endpoint: str) -> None:
    """Raises Refusal with a 404 if no model of this endpoint is called so."""
    base = base_model(name)
    if not base.startswith("sim-") and base not in {"chat": _CHAT, "embed": _EMBED, "rerank": _RERANK}[endpoint]:
        raise unknown_model(name)


def thinks(name: str) -> bool:
    """Return whether a model thinks unless it is told not to."""
    return any(fnmatchcase(base_model(name), pattern) for pattern in _THINKING)


def dimension(name: str) -> int:
    return _EMBED.get(base_model(name), 1024)


def _list(_: Call) -> Answer:
    cards = [_card(name, "chat") for name in _CHAT]
    cards += [_card(name, "embed") for name in _EMBED] + [_card(name, "rerank") for name in _RERANK]
    return json_answer({"models": cards})


def _retrieve(call: Call) -> Answer:
    for endpoint, names in (("chat", _CHAT), ("embed", tuple(_EMBED)), ("rerank", _RERANK)):
        if call.parameter in names:
            return json_answer(_card(call.parameter, endpoint))
    raise unknown_model(call.parameter)


def _card(name: str, endpoint: str) -> dict[str, Any]:
    return {
        "name": name,
        "endpoints": [endpoint],
        "finetuned": False,
        "context_length": 256_000,
        "is_deprecated": False,
    }


TABLE: Table = (("GET", "/v1/models", _list), ("GET", "/v1/models/{id}", _retrieve))
