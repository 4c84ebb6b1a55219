"""What routes take and answer, as types: `@shaped(takes=…, answers=…)` on an endpoint, for `/api/openapi.json`.

Law: a shape describes and never converts: endpoints read and write bytes themselves, so a shape costs a request
nothing. That it is true is seen by the tests of the console, which hold every answer against it
(`tests/console/conftest.py`), and clients of the API are generated from it.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from msgspec import Struct

E = TypeVar("E", bound=Callable[..., Any])

JSON: Final = "application/json"
_ATTRIBUTE: Final = "gantry_shape"


class Shape(Struct, frozen=True):
    """Types that msgspec can describe. None: no body, or one that is no JSON, whose media types `media` says.

    `also` is a second status with the same answer: 200 where what a POST asks for was there already.
    """

    takes: Any = None
    answers: Any = None
    media: tuple[str, ...] = (JSON,)
    also: int | None = None


def shaped(
    *, takes: Any = None, answers: Any = None, media: str | tuple[str, ...] = JSON, also: int | None = None
) -> Callable[[E], E]:
    """Declare what an endpoint takes and what it answers when all goes well."""

    def declare(endpoint: E) -> E:
        setattr(endpoint, _ATTRIBUTE, Shape(takes, answers, (media,) if isinstance(media, str) else media, also))
        return endpoint

    return declare


def shape_of(endpoint: Callable[..., Any]) -> Shape | None:
    """Return what was declared of an endpoint; None when nothing was."""
    shape: Shape | None = getattr(endpoint, _ATTRIBUTE, None)
    return shape
