"""The body of a request as a struct. An unknown field is refused by its name."""

from typing import TypeVar

import msgspec
from fastapi import Request, Response
from msgspec import Struct

from gantry.console.request_logs import read_bounded
from gantry.core.errors import InvalidRequest
from gantry.core.person_form import FormRefused

F = TypeVar("F", bound=Struct)

_LARGEST_BODY = 64 * 1024


async def read_form(request: Request, shape: type[F]) -> F:
    """Return what a request's body says. Raises InvalidRequest."""
    body = await read_bounded(request, _LARGEST_BODY)
    try:
        return msgspec.json.decode(body or b"{}", type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is not what is asked for: {error}.") from None


def form_refused(error: FormRefused) -> InvalidRequest:
    return InvalidRequest(f"`{error.param}` {error}.", param=error.param)


def answer_item(item: Struct | list[Struct], status: int = 200) -> Response:
    """Answer a struct as JSON; nobody keeps it."""
    return Response(
        msgspec.json.encode(item), status, media_type="application/json", headers={"cache-control": "no-store"}
    )
