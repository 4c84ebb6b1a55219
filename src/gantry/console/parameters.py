"""Query parameters in the description of a route: what each is, as a type, and what it means, in words.

Law: as with shapes, this describes and never converts; endpoints read their parameters themselves and refuse by name.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from gantry.core.vocabulary import Environment

Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]  # ISO 8601


class Parameter(Struct, frozen=True):
    name: str
    kind: Any  # a type that msgspec can describe, or the words that it may be
    words: str


ENVIRONMENTS: Final = (
    Parameter("environment", Environment, "Default: the API key's own."),
    Parameter("is_test", bool, "true for `test`, false for `prod`."),
    Parameter("all_envs", bool, "true for both environments."),
)


def documented(*parameters: Parameter) -> dict[str, Any]:
    """Return what a route's `openapi_extra` says of its query parameters."""
    return {
        "parameters": [
            {"name": one.name, "in": "query", "description": one.words, "schema": _schema(one.kind)}
            for one in parameters
        ]
    }


def _schema(kind: Any) -> dict[str, Any]:
    """Return a schema that stands by itself: an enum in it, and not a reference to one."""
    if isinstance(kind, tuple):
        return {"type": "string", "enum": list(kind)}
    (schema,), components = msgspec.json.schema_components([kind], ref_template="{name}")
    inlined: dict[str, Any] = components[schema["$ref"]] if "$ref" in schema else schema
    return inlined
