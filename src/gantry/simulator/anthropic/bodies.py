"""Reading JSON bodies, with Anthropic's refusals: the place with its tags, then what is wrong there."""

from typing import Any, TypeVar

import msgspec

from gantry.simulator.anthropic.errors import invalid, misplaced
from gantry.simulator.misfit import Fault, Place, misfit, value_at

_Body = TypeVar("_Body")
_UNTAGGED = ("format", "input_schema", "schema")
_TOOLS = "tools"


def decode(decoder: "msgspec.json.Decoder[_Body]", body: bytes) -> _Body:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as failure:
        found = misfit(failure)
        given = msgspec.json.decode(body)
        if found.fault is Fault.UNKNOWN_TAG:
            where, tag = found.where[:-1], value_at(given, found.where)
            text = f"Input tag '{tag}' found using 'type' does not match any of the expected tags"
            raise misplaced(_tagged(given, where), text) from None
        raise misplaced(_tagged(given, found.where), found.phrase) from None
    except msgspec.MsgspecError as failure:
        raise invalid(f"The request body is not valid JSON: {failure}") from None


def _tagged(given: Any, where: Place) -> Place:
    """Name the kind of each typed object on the way, as a server that tells them apart by it does."""
    tagged: list[str | int] = []
    for index, step in enumerate(where):
        inside = value_at(given, where[:index])
        tag = inside.get("type") if isinstance(inside, dict) else None
        listed = index == 2 and where[0] == _TOOLS
        if index and step != "type" and where[index - 1] not in _UNTAGGED:
            tagged += [tag] if isinstance(tag, str) else ["custom"] if listed else []
        tagged.append(step)
    return tuple(tagged)
