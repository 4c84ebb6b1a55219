"""The rules of contents: who speaks, whose results these are, and signatures that came back. Raises Refusal."""

from collections.abc import Sequence
from typing import Any

from gantry.simulator.gemini import signatures
from gantry.simulator.gemini.catalog import Model
from gantry.simulator.gemini.errors import invalid, misplaced

_ROLES = (None, "", "user", "model", "function")
_DATA = (
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
)


def check_contents(contents: Sequence[dict[str, Any]], model: Model) -> None:
    if not contents:
        raise misplaced("contents", "contents is not specified")
    for index, content in enumerate(contents):
        _check_content(content, f"contents[{index}]")
    _check_calls(contents)
    if model.levels:
        _check_signatures(contents)


def parts_of(content: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [part for part in content.get("parts") or () if kind in part]


def _check_content(content: dict[str, Any], place: str) -> None:
    if content.get("role") not in _ROLES:
        raise invalid("Please use a valid role: user, model.")
    parts = content.get("parts") or []
    if not parts:
        raise misplaced(f"{place}.parts", "contents.parts must not be empty.")
    for index, part in enumerate(parts):
        if sum(kind in part for kind in _DATA) > 1:
            raise invalid(f"Invalid value at '{place}.parts[{index}]' (oneof), oneof field 'data' is already set.")
        if not any(kind in part for kind in _DATA):
            text = "required oneof field 'data' must have one initialized field"
            raise misplaced(f"{place}.parts[{index}].data", text)
        for kind in ("functionCall", "functionResponse"):
            if kind in part and not part[kind].get("name"):
                named = "function_call" if kind == "functionCall" else "function_response"
                raise misplaced(f"{place}.parts[{index}].{named}.name", "Name cannot be empty.")
        if "thoughtSignature" in part and not signatures.is_signature(part["thoughtSignature"]):
            raise invalid("Corrupted thought signature.")


def _check_calls(contents: Sequence[dict[str, Any]]) -> None:
    """A turn of calls follows a user's, and is followed by as many results."""
    before: dict[str, Any] = {}
    for content in contents:
        calls, results = parts_of(content, "functionCall"), parts_of(content, "functionResponse")
        if calls and (not before or before.get("role") == "model"):
            text = "comes immediately after a user turn or after a function response turn."
            raise invalid(f"Please ensure that function call turn {text}")
        called = parts_of(before, "functionCall") if before else []
        if results and not called:
            text = "comes immediately after a function call turn."
            raise invalid(f"Please ensure that function response turn {text}")
        if called and len(results) != len(called):
            text = "the number of function response parts is equal to the number of function call parts"
            raise invalid(f"Please ensure that {text} of the function call turn.")
        before = content


def _check_signatures(contents: Sequence[dict[str, Any]]) -> None:
    """In the turn under way, the first call of each step has its signature."""
    spoken = [index for index, content in enumerate(contents) if parts_of(content, "text") and _is_user(content)]
    start = spoken[-1] if spoken else 0
    for index in range(start, len(contents)):
        calls = parts_of(contents[index], "functionCall")
        if calls and "thoughtSignature" not in calls[0]:
            name = calls[0]["functionCall"]["name"]
            text = "Function call is missing a thought_signature in functionCall parts. This is required for tools to"
            more = "work correctly, and missing thought_signature may lead to degraded model performance. Additional"
            where = f"data, function call `default_api:{name}` , position {index + 1}."
            see = "Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
            raise invalid(" ".join((text, more, where, see)))


def _is_user(content: dict[str, Any]) -> bool:
    return content.get("role") in (None, "", "user")
