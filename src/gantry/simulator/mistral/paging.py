"""Pages of a list, as each family of operations counts them."""

from collections.abc import Sequence
from typing import Any, TypeVar

from gantry.simulator.mistral.errors import out_of_range
from gantry.simulator.routes import Call

_Item = TypeVar("_Item")


def page_of(call: Call, items: Sequence[_Item], size: int = 100) -> list[_Item]:
    """Return the page that `page` (from 0) and `page_size` ask for."""
    page, size = number(call, "page", 0), number(call, "page_size", size, least=1)
    return list(items[page * size : (page + 1) * size])


def pagination(call: Call, total: int, size: int = 100) -> dict[str, Any]:
    """Describe a page, as libraries do."""
    page, size = number(call, "page", 0), number(call, "page_size", size, least=1)
    pages = -(-total // size)
    return {
        "total_items": total,
        "total_pages": pages,
        "current_page": page,
        "page_size": size,
        "has_more": page + 1 < pages,
    }


def token_page(call: Call, items: Sequence[_Item], size: int = 20) -> tuple[list[_Item], str | None]:
    """Return the page that `page_token` and `page_size` ask for, and the token of the next."""
    size = number(call, "page_size", size, least=1)
    start = number(call, "page_token", 0)
    following = start + size
    return list(items[start:following]), str(following) if following < len(items) else None


def number(call: Call, name: str, otherwise: int, *, least: int = 0) -> int:
    """Return a number of the query. Raises Refusal with a 422."""
    given = call.request.query.get(name)
    if given is None:
        return otherwise
    if not given.isdigit() or int(given) < least:
        raise out_of_range(name, given, least)
    return int(given)
