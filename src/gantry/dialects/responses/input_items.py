"""What a response that is kept was asked, as a list of items, and its page.

Law: pure. The list is the conversation up to the answer, what it went on from included, as OpenAI's is
(https://platform.openai.com/docs/api-reference/responses/input-items). An item without an id of its own gets one that
stays the same, for pages go on from it.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.chat import Message
from gantry.core.errors import InvalidRequest
from gantry.dialects.responses.encode_answer import COMPLETED, ItemIds
from gantry.dialects.responses.encode_input import InputWriter, Item
from gantry.dialects.responses.items import OWN

_LARGEST_PAGE: Final = 100
_ORDERS: Final = ("asc", "desc")
_PREFIXES: Final = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fc",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctc",
}


class _Told(Struct, gc=False):
    output: list[Raw] = []


class Page(Struct, frozen=True):
    """Which items are wanted."""

    limit: int = 20
    newest_first: bool = True
    after: str | None = None


def read_page(query: dict[str, str]) -> Page:
    """Return the page that a query asks for. Raises InvalidRequest."""
    limit, order = query.get("limit", "20"), query.get("order", "desc")
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= _LARGEST_PAGE):
        raise InvalidRequest(f"`limit` must be a number from 1 to {_LARGEST_PAGE}", param="limit")
    if order not in _ORDERS:
        raise InvalidRequest("`order` must be asc or desc", param="order")
    return Page(int(limit), order == "desc", query.get("after"))


def list_input_items(response_id: str, messages: Sequence[Message], told: bytes, page: Page) -> bytes:
    """Return a page of what led to a response; `messages` is its conversation, `told` the response as it was answered.

    Raises InvalidRequest.
    """
    writer = InputWriter(OWN)
    says_something = bool(msgspec.json.decode(told, type=_Told).output)
    for number, message in enumerate(messages[:-1] if says_something else messages):
        writer.add(message, f"input[{number}]")
    ids = ItemIds(f"{response_id}_in")
    items = [_listed(item, ids, place) for place, item in enumerate(writer.items)]
    if page.newest_first:
        items.reverse()
    if page.after is not None:
        names = [item["id"] for item in items]
        if page.after not in names:
            raise InvalidRequest(f"`after`: {response_id} has no input item with the id {page.after}", param="after")
        items = items[names.index(page.after) + 1 :]
    shown = items[: page.limit]
    return msgspec.json.encode(
        {
            "object": "list",
            "data": shown,
            "first_id": shown[0]["id"] if shown else None,
            "last_id": shown[-1]["id"] if shown else None,
            "has_more": len(items) > len(shown),
        }
    )


def _listed(item: Item, ids: ItemIds, place: int) -> dict[str, Any]:
    """Return an item with an id and a status, and what is said by the assistant with its (no) sources."""
    members: dict[str, Any] = msgspec.json.decode(item) if isinstance(item, Raw) else item
    kind = str(members.get("type"))
    if kind == "message" and members.get("role") == "assistant":
        members = {**members, "content": [_spoken(part) for part in members["content"]]}
    return {"id": ids.at(_PREFIXES.get(kind, "item"), place), "status": COMPLETED, **members}


def _spoken(part: dict[str, Any]) -> dict[str, Any]:
    return {"annotations": [], **part} if part.get("type") == "output_text" else part
