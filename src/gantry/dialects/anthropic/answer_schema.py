"""The form of the answer: a JSON schema as Anthropic compiles it, or an instruction where there is none to compile.

Law: every object must forbid other properties, and bounds on numbers, texts and lists are refused. What is taken out of
a caller's schema is told to the model in the schema's description, so that it is still asked for.
https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from gantry.core.chat import AnswerFormat, ChatRequest, FormatKind
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.anthropic.generation import Generation
from gantry.dialects.caller_names import caller_name
from gantry.dialects.changes import Change, converted
from gantry.dialects.instructions import ANY_JSON, BY_SCHEMA, instructed
from gantry.dialects.members import UNREADABLE

_REFUSED: Final = frozenset(
    """minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength maxItems uniqueItems
    minProperties maxProperties""".split()
)
_CHILDREN: Final = ("properties", "$defs", "definitions")
_ALTERNATIVES: Final = ("anyOf", "allOf", "oneOf", "prefixItems")


def write_format(
    request: ChatRequest, generation: Generation, changes: list[Change]
) -> tuple[dict[str, Any] | None, str | None]:
    """Return `output_config.format`, and an instruction for the system prompt. Raises InvalidRequest."""
    wish = request.format
    if wish is None or wish.kind is FormatKind.TEXT:
        return None, None
    if request.dialect is Dialect.ANTHROPIC:
        return {"type": "json_schema", "schema": wish.schema}, None
    name = caller_name(request.dialect, "format")
    if wish.kind is FormatKind.JSON or wish.schema is None:
        changes.append(instructed(name))
        return None, ANY_JSON
    if not generation.schemas:
        changes.append(instructed(name))
        return None, BY_SCHEMA + bytes(wish.schema).decode("utf-8", "replace")
    return {"type": "json_schema", "schema": _compilable(wish, wish.schema, name, changes)}, None


def _compilable(wish: AnswerFormat, raw: Raw, name: str, changes: list[Change]) -> dict[str, Any]:
    try:
        schema = msgspec.json.decode(raw, type=dict[str, Any])
        before = msgspec.json.encode(schema)
        mended: dict[str, Any] = _mended(schema)
    except UNREADABLE:
        raise InvalidRequest(f"the schema in `{name}` must be a JSON schema object", param=name) from None
    if wish.description is not None:
        mended.setdefault("description", wish.description)
    if msgspec.json.encode(mended) != before:
        changes.append(converted(name, "to the subset of JSON schema that Anthropic compiles"))
    return mended


def _listed(types: Any) -> list[Any]:
    return types if isinstance(types, list) else []


def _mended(schema: Any) -> Any:
    """Return a schema with its objects closed, and with the bounds that Anthropic refuses as words."""
    if not isinstance(schema, dict):
        return schema
    mended = {key: value for key, value in schema.items() if key not in _REFUSED}
    taken = {key: value for key, value in schema.items() if key in _REFUSED}
    if taken:
        bounds = ", ".join(f"{key}: {value}" for key, value in taken.items())
        mended["description"] = f"{schema.get('description', '')} ({bounds})".lstrip()
    if "properties" in schema or "object" in (schema.get("type"), *_listed(schema.get("type"))):
        mended["additionalProperties"] = False
    for key in _CHILDREN:
        if isinstance(schema.get(key), dict):
            mended[key] = {name: _mended(child) for name, child in schema[key].items()}
    for key in _ALTERNATIVES:
        if isinstance(schema.get(key), list):
            mended[key] = [_mended(child) for child in schema[key]]
    if "items" in schema:
        mended["items"] = _mended(schema["items"])
    return mended
