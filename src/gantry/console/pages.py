"""Pages as Respan numbers them: `?page=` from 1 on, `?page_size=`, and links to the pages beside."""

from typing import Annotated, Any, Final

from fastapi import Request
from msgspec import Meta, Struct

from gantry.console.parameters import Parameter, documented
from gantry.core.errors import InvalidRequest
from gantry.store.log_query import MAX_PAGE_SIZE

MOST_PAGES: Final = 10**9


class Page(Struct, frozen=True):
    number: int
    size: int


def page_parameters(usual: int, *also: Parameter, largest: int = MAX_PAGE_SIZE) -> dict[str, Any]:
    """Return what the description of a route says of its pages, and of other parameters."""
    return documented(
        Parameter("page", Annotated[int, Meta(ge=1, le=MOST_PAGES)], "From 1 on."),
        Parameter("page_size", Annotated[int, Meta(ge=1, le=largest)], f"At most {largest}. Default: {usual}."),
        *also,
    )


def page_of(request: Request, usual: int) -> Page:
    """Return the page that is asked for. Raises InvalidRequest."""
    return Page(read_number(request, "page", 1, MOST_PAGES), read_number(request, "page_size", usual, MAX_PAGE_SIZE))


def paged(request: Request, page: Page, items: list[Any], count: int, *, exact: bool) -> dict[str, Any]:
    """Return a page as it is answered; where the count is not exact, there are at least so many."""
    more = page.number * page.size < count or (not exact and len(items) == page.size)
    return {
        "count": count,
        "next": page_link(request, page.number + 1) if more else None,
        "previous": page_link(request, page.number - 1) if page.number > 1 else None,
        "results": items,
    }


def read_number(request: Request, name: str, usual: int, largest: int) -> int:
    """Return a parameter that is a number from 1 on. Raises InvalidRequest."""
    text = request.query_params.get(name)
    if text is None:
        return usual
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0
    if not 1 <= number <= largest:
        raise InvalidRequest(f"`{name}` must be a number from 1 to {largest}.", param=name)
    return number


def page_link(request: Request, number: int) -> str:
    """Return the address of another page of what is asked for."""
    return str(request.url.replace(path=request.scope["path"] + "/").include_query_params(page=number))
