"""The description of the management API: what FastAPI knows of paths and parameters, and what shapes say of bodies.

Law: made from the routes themselves, when it is asked for. Shapes are called as their classes, and operations as their
functions, so that clients made from it read well; two of one name are a fault that a test finds.
"""

from collections.abc import Iterator
from typing import Any, Final, assert_never

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts
from msgspec import UNSET, Struct, UnsetType

from gantry.console.access import Gate, GuardedRoute, OpenGate, PersonGate
from gantry.console.filter_shapes import FilterTerm
from gantry.console.shapes import JSON, Shape, shape_of
from gantry.core.secret import Secret

_REFERENCE: Final = "#/components/schemas/{name}"
_NOT_OURS: Final = ("HTTPValidationError", "ValidationError")


class Failure(Struct, frozen=True):
    """Any answer from 400 on."""

    detail: str
    error: str | UnsetType = UNSET  # in Respan's words, where its clients look for them
    param: str | UnsetType = UNSET
    errors: dict[str, list[str]] | UnsetType = UNSET


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of an application."""
    document = get_openapi(title="Gantry", version=app.version, description=app.description, routes=app.routes)
    shapes = list(_shapes(app))
    types = [
        Failure,
        FilterTerm,
        *(one for _, _, shape, _ in shapes for one in (shape.takes, shape.answers) if one is not None),
    ]
    schemas, components = msgspec.json.schema_components(types, schema_hook=_schema_of, ref_template=_REFERENCE)
    by_type = {id(one): schema for one, schema in zip(types, schemas, strict=True)}
    for path, method, shape, status in shapes:
        operation = document["paths"][path][method]
        if shape.takes is not None:
            operation["requestBody"] = _content(JSON, by_type[id(shape.takes)]) | {"required": True}
        answer: dict[str, Any] = {"description": "Success"}
        if status != "204":
            schema = by_type[id(shape.answers)] if shape.answers is not None else {}
            answer["content"] = {media: {"schema": schema} for media in shape.media}
        statuses = [status] if shape.also is None else [status, str(shape.also)]
        operation["responses"] = dict.fromkeys(statuses, answer)
    failure = {"description": "Refused, or failed"} | _content(JSON, by_type[id(Failure)])
    for route in _routes(app):
        for method in route.methods or ():
            operation = document["paths"][route.path_format][method.lower()]
            operation["summary"] = operation["operationId"].replace("_", " ").capitalize()
            operation["responses"].pop("422", None)  # in FastAPI's shape, not in ours
            operation["responses"]["default"] = failure
            operation |= _access(route.gate)
    schemas_of_parameters = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _NOT_OURS:
        schemas_of_parameters.pop(name, None)
    schemas_of_parameters.update(components)
    described: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document))  # defaults are JSON's values, too
    return described


def operation_id(route: APIRoute) -> str:
    return str(route.name)  # its function's


def _access(gate: Gate | PersonGate | OpenGate) -> dict[str, Any]:
    """Return who may use an operation: `x-scopes` are those of which one is needed."""
    match gate:
        case Gate():
            key, session = {gate.scheme_name: list[str]()}, {PersonGate.SCHEME: list[str]()}
            scopes = [(scope.name or "").lower() for scope in gate.scopes]
            return {"security": [key] if gate.keys_only else [key, session], "x-scopes": scopes}
        case PersonGate():
            return {"security": [{PersonGate.SCHEME: []}], "x-scopes": []}
        case OpenGate():
            return {"security": [], "x-scopes": []}
        case _:
            assert_never(gate)


def _routes(app: FastAPI) -> Iterator[GuardedRoute]:
    for context in iter_route_contexts(app.routes):
        if isinstance(route := context.route, GuardedRoute) and route.include_in_schema:
            yield route


def _shapes(app: FastAPI) -> Iterator[tuple[str, str, Shape, str]]:
    for route in _routes(app):
        shape = shape_of(route.endpoint)
        if shape is not None:
            for method in sorted(route.methods or ()):
                yield route.path_format, method.lower(), shape, str(route.status_code or 200)


def _schema_of(kind: type) -> dict[str, Any]:
    """Return the schema of a type that msgspec does not know; its hooks say by this error that they do not either."""
    if kind is Secret:
        return {"type": "string", "format": "password", "writeOnly": True}
    raise NotImplementedError(kind)


def _content(media: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {media: {"schema": schema}}}
