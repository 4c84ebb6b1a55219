"""The models the simulated OpenAI serves."""

from fnmatch import fnmatchcase
from typing import Any

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.faults import base_model
from gantry.simulator.openai.errors import unknown_model
from gantry.simulator.oracle import CREATED
from gantry.simulator.routes import Call

_LISTED = (
    "gpt-5.5",
    "gpt-5-mini",
    "gpt-4o",
    "gpt-4o-mini",
    "o4-mini",
    "text-embedding-3-small",
    "text-embedding-3-large",
)
_SERVED = ("gpt-[0-9]*", "chatgpt-*", "o1*", "o3*", "o4*", "text-embedding-*", "sim-*")


def check_model(name: str) -> None:
    """Raises Refusal with OpenAI's 404 if no model is called so."""
    base = base_model(name)
    if not any(fnmatchcase(base, pattern) for pattern in _SERVED):
        raise unknown_model(name)


def list_models(_: Call) -> Answer:
    return json_answer({"object": "list", "data": [_card(name) for name in _LISTED]})


def retrieve_model(call: Call) -> Answer:
    check_model(call.parameter)
    return json_answer(_card(call.parameter))


def _card(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "system"}
