"""Errors as the console tells them: `{"detail": …}`, the shape that Respan's clients read."""

from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from gantry.core.errors import GatewayError, Unauthenticated

_CLIENT_GONE: Final = 499


def install_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(GatewayError, _answer_gateway_error)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.add_exception_handler(RequestValidationError, _answer_validation_error)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)


async def _answer_gateway_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError)
    content: dict[str, Any] = {"detail": error.message}
    if error.param is not None:
        content["param"] = error.param
    headers = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after)))
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(content, error.status, headers)


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = error.detail
    if error.status_code == 404:
        detail = f"There is nothing at {request.scope['path']}. The paths are listed in /api/openapi.json."
    return JSONResponse({"detail": detail}, error.status_code, error.headers)


async def _answer_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors: dict[str, list[str]] = {}
    for fault in error.errors():
        errors.setdefault(".".join(str(part) for part in fault["loc"][1:]), []).append(fault["msg"])
    return JSONResponse({"detail": "Validation error", "errors": errors}, 422)


async def _answer_nobody(request: Request, error: Exception) -> Response:
    """The client left while it sent its body; the answer is for the access log of whoever relays."""
    return Response(status_code=_CLIENT_GONE)
