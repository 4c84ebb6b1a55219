"""Reading bodies as OpenAI does: what is wrong with a parameter is a 400 that names it."""

import re
from typing import TypeVar

import msgspec

from gantry.simulator.openai.errors import invalid
from gantry.simulator.routes import Refusal

_Body = TypeVar("_Body")
_PATH = re.compile(r"^(.*?)(?: - at `\$\.?(.*)`)?$", re.DOTALL)
_BOUNDS = {" <= ": "above_max_value", " >= ": "below_min_value", " > ": "below_min_value"}


def decode(decoder: "msgspec.json.Decoder[_Body]", body: bytes) -> _Body:
    try:
        return decoder.decode(body or b"{}")
    except msgspec.ValidationError as failure:
        raise _refusal(str(failure)) from None
    except msgspec.MsgspecError:
        message = "We could not parse the JSON body of your request."
        raise invalid(message, None) from None


def missing(name: str) -> Refusal:
    return invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")


def _refusal(failure: str) -> Refusal:
    found = _PATH.match(failure)
    text, path = (found[1], found[2] or "") if found else (failure, "")
    quoted = re.search(r"`([^`]+)`", text)
    name = ".".join(part for part in (path, quoted[1] if quoted else "") if part)
    if text.startswith("Object contains unknown field"):
        return invalid(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    if text.startswith("Object missing required field"):
        return missing(name)
    for mark, code in _BOUNDS.items():
        if mark in text:
            return invalid(f"Invalid '{path}': {text}.", path, f"decimal_{code}")
    if text.startswith(("Invalid enum value", "Invalid value")):
        return invalid(f"Invalid value for '{path}': {text}.", path, "invalid_value")
    return invalid(f"Invalid type for '{path}': {text}.", path, "invalid_type")
