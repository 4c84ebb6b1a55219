"""The models the simulated OpenAI serves."""

from fnmatch import fnmatchcase
from typing import Any

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.faults import base_model
from gantry.simulator.openai.errors import error, invalid, unknown_model
from gantry.simulator.oracle import CREATED
from gantry.simulator.routes import Call, Refusal, Table

_LISTED = (
    "gpt-5.5",
    "gpt-5-mini",
    "gpt-4o",
    "gpt-4o-mini",
    "o4-mini",
    "gpt-4o-transcribe",
    "gpt-4o-mini-tts",
    "whisper-1",
    "tts-1",
    "omni-moderation-latest",
    "text-embedding-3-small",
    "text-embedding-3-large",
)
_SERVED = (
    "gpt-[0-9]*",
    "chatgpt-*",
    "o1*",
    "o3*",
    "o4*",
    "text-embedding-*",
    "whisper-*",
    "tts-*",
    "omni-moderation-*",
    "text-moderation-*",
    "ft:*",
    "sim-*",
)
_RESTING = ("gpt-5.[1-4]*",)  # these reason only when asked to
_REASONING = ("gpt-5*", "o1*", "o3*", "o4*")


def check_model(name: str) -> None:
    """Raises Refusal with OpenAI's 404 if no model is called so."""
    if not _matches(name, _SERVED):
        raise unknown_model(name)


def check_response_model(name: str) -> None:
    """Raises Refusal with the 400 that Responses answers if no model is called so."""
    if not _matches(name, _SERVED):
        raise invalid(f"The requested model '{name}' does not exist.", "model", "model_not_found")


def reasons(name: str) -> bool:
    """Return whether a model counts its tokens as a reasoning one."""
    return _matches(name, _REASONING)


def usual_effort(name: str) -> str | None:
    """Return the effort of reasoning where none is asked for, as recorded of each; None if a model has none."""
    if not reasons(name):
        return None
    return "none" if _matches(name, _RESTING) else "medium"


def transcribes_by_duration(name: str) -> bool:
    return _matches(name, ("whisper-*", "sim-*"))


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(base_model(name), pattern) for pattern in patterns)


def _list(_: Call) -> Answer:
    return json_answer({"object": "list", "data": [_card(name) for name in _LISTED]})


def _retrieve(call: Call) -> Answer:
    check_model(call.parameter)
    return json_answer(_card(call.parameter))


def _delete(call: Call) -> Answer:
    check_model(call.parameter)
    if not call.parameter.startswith("ft:"):
        text = "You have insufficient permissions for this operation."
        raise Refusal(error(403, text, "invalid_request_error"))
    return json_answer({"id": call.parameter, "object": "model", "deleted": True})


def _card(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "system"}


TABLE: Table = (
    ("GET", "/v1/models", _list),
    ("GET", "/v1/models/{id...}", _retrieve),
    ("DELETE", "/v1/models/{id...}", _delete),
)
