"""A client of the console that holds every answer against what its route declares.

Law: an answer is its shape when nothing is lost on the way through it. So a field that the shape does not name is a
fault, as is one that is missing though the shape does not say that it may be. Spared is what a caller may ask for
beside the shape: fewer or more fields of a log, rows of a dashboard alone; and what users posted beside the fields
that a log has.
"""

from typing import Any, Final

import httpx2
import msgspec
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.testclient import TestClient
from starlette.routing import Match

from gantry.console.openapi import Failure
from gantry.console.paths import canonical_path
from gantry.console.request_log_item import FullLog
from gantry.console.shapes import Shape, shape_of

_OPEN: Final = (FullLog,)
_ENCODED: Final = "application/x-protobuf"  # the same answer in another encoding
_CHOOSING: Final = ("exclude", "include_fields")


class ShapedClient(TestClient):
    def request(self, *args: Any, **options: Any) -> httpx2.Response:
        response = super().request(*args, **options)
        check_answer(self.app, response)
        return response


def check_answer(app: Any, response: httpx2.Response) -> None:
    """Raise AssertionError for an answer that is not as its route declares."""
    asked = f"{response.request.method} {response.request.url.path}: {response.status_code}"
    media = response.headers.get("content-type", "").partition(";")[0]
    if response.status_code >= 400:
        if media == "application/json":
            _check(response.content, Failure, asked)
        return
    shape = _shape_asked(app, response.request)
    if shape is None:
        return
    if shape.answers is None:
        assert media != "application/json", f"{asked} has a body that nothing is said of"
    elif media != _ENCODED and not _chooses(response.request):
        _check(response.content, shape.answers, asked)


def _chooses(request: httpx2.Request) -> bool:
    if "/dashboard" in request.url.path and b'"start_time"' in request.content:
        return True
    return any(name in request.url.params for name in _CHOOSING)


def _check(content: bytes, shape: Any, asked: str) -> None:
    try:
        read = msgspec.json.decode(content, type=shape)
    except msgspec.DecodeError as error:
        raise AssertionError(f"{asked} is not its shape: {error}: {content[:1000]!r}") from None
    if shape not in _OPEN:
        told, kept = msgspec.json.decode(content), msgspec.json.decode(msgspec.json.encode(read))
        assert told == kept, f"{asked} is more or less than its shape"


def _shape_asked(app: Any, request: httpx2.Request) -> Shape | None:
    scope = {"type": "http", "method": request.method, "path": canonical_path(request.url.path), "root_path": ""}
    for context in iter_route_contexts(app.routes):
        route = context.route
        if isinstance(route, APIRoute) and route.matches(scope)[0] is Match.FULL:
            return shape_of(route.endpoint)
    return None
