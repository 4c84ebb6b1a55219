"""Ending a stream of response events: every open part and item is closed, and `response.incomplete` holds them all.

Law: what closes a part says exactly what its deltas said, under the ids and places that the stream gave. Items that
were done stay as they were told; the others are incomplete.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.usage import Usage
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.early_end import EventEarlyEnd
from gantry.dialects.responses.output_items import Frames
from gantry.dialects.responses.usage import usage_fields
from gantry.wire.sse import SSEEvent

_LAST: Final = frozenset(
    (
        "response.completed",
        "response.incomplete",
        "response.failed",
        "response.cancelled",
        "response.done",
        "error",
    )
)
_INCOMPLETE: Final = "incomplete"
_SUMMARY: Final = "summary_text"
# A part by its type: the member that holds its text, and the event that ends the text.
_TEXTS: Final = {
    "output_text": ("text", "response.output_text.done"),
    "refusal": ("refusal", "response.refusal.done"),
    "reasoning_text": ("text", "response.reasoning_text.done"),
    _SUMMARY: ("text", "response.reasoning_summary_text.done"),
}
_DELTAS: Final = {
    "response.output_text.delta": "output_text",
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "reasoning_text",
    "response.reasoning_summary_text.delta": _SUMMARY,
}
_TEXTS_DONE: Final = frozenset(name for _, name in _TEXTS.values())
_PARTS_ADDED: Final = frozenset(("response.content_part.added", "response.reasoning_summary_part.added"))
_PARTS_DONE: Final = frozenset(("response.content_part.done", "response.reasoning_summary_part.done"))
# A call by its type: the member that holds what it is given, and the event that ends that.
_CALLS: Final = {
    "function_call": ("arguments", "response.function_call_arguments.done"),
    "custom_tool_call": ("input", "response.custom_tool_call_input.done"),
}
_CALL_DELTAS: Final = frozenset(("response.function_call_arguments.delta", "response.custom_tool_call_input.delta"))
_CALLS_DONE: Final = frozenset(name for _, name in _CALLS.values())

Place = tuple[bool, int]  # whether it is of the summary, and its number


class _Event(Struct, gc=False):
    type: str = ""
    sequence_number: int | None = None
    output_index: int = 0
    content_index: int = 0
    summary_index: int | None = None
    item_id: str = ""
    delta: str = ""
    item: Raw = ABSENT
    part: Raw = ABSENT
    annotation: Raw = ABSENT
    response: Raw = ABSENT


_decode: Final = msgspec.json.Decoder(_Event).decode
_decode_members: Final = msgspec.json.Decoder(dict[str, Any]).decode


class _Part:
    """A text as far as it came. `said`: the event that ends it has passed."""

    __slots__ = ("annotations", "done", "members", "pieces", "said")

    def __init__(self, members: dict[str, Any]) -> None:
        self.members = members
        self.pieces: list[str] = []
        self.annotations: list[Raw] = []
        self.said = False
        self.done = False

    def whole(self) -> dict[str, Any]:
        if self.done:
            return self.members
        kind = self.members.get("type", "")
        whole = dict(self.members)
        if kind in _TEXTS:
            whole[_TEXTS[kind][0]] = "".join(self.pieces)
        if self.annotations:
            whole["annotations"] = self.annotations
        return whole


class _Item:
    """An output item as far as it came. `said`: the event that ends a call's arguments has passed."""

    __slots__ = ("done", "members", "parts", "pieces", "said")

    def __init__(self, members: dict[str, Any]) -> None:
        self.members = members
        self.parts: dict[Place, _Part] = {}
        self.pieces: list[str] = []
        self.said = False
        self.done = False


class ResponsesEarlyEnd(EventEarlyEnd):
    __slots__ = ("_items", "_next", "_response")

    notes_texts = True

    def __init__(self) -> None:
        super().__init__()
        self._response: Raw = ABSENT
        self._items: dict[int, _Item] = {}
        self._next = 0

    def take(self, event: SSEEvent) -> None:
        found = _decode(event.data)
        if found.sequence_number is not None:
            self._next = found.sequence_number + 1
        kind = found.type
        if kind in _DELTAS:
            self._part(found, _DELTAS[kind]).pieces.append(found.delta)
        elif kind in _CALL_DELTAS:
            self._item(found).pieces.append(found.delta)
        elif kind in _LAST:
            self.finished = True
        elif has_value(found.response):
            self._response = found.response.copy()
        else:
            self._take_whole(found)

    def _take_whole(self, found: _Event) -> None:
        """Take what begins or ends a part or an item."""
        match found.type:
            case "response.output_item.added":
                self._items[found.output_index] = _Item(_decode_members(found.item))
            case "response.output_item.done":
                item = self._item(found)
                item.members, item.done = _decode_members(found.item), True
            case "response.output_text.annotation.added":
                self._part(found, "output_text").annotations.append(found.annotation.copy())
            case kind if kind in _PARTS_ADDED:
                self._item(found).parts[_place(found)] = _Part(_decode_members(found.part))
            case kind if kind in _PARTS_DONE:
                part = self._part(found, "")
                part.members, part.done = _decode_members(found.part), True
            case kind if kind in _TEXTS_DONE:
                self._part(found, "").said = True
            case kind if kind in _CALLS_DONE:
                self._item(found).said = True
            case _:
                pass  # the progress of a tool of the provider's

    def _item(self, found: _Event) -> _Item:
        item = self._items.get(found.output_index)
        if item is None:  # a server that leaves its beginning out
            members = {"id": found.item_id, "type": "message", "status": "in_progress", "role": "assistant"}
            item = self._items[found.output_index] = _Item(members)
        return item

    def _part(self, found: _Event, kind: str) -> _Part:
        item, place = self._item(found), _place(found)
        part = item.parts.get(place)
        if part is None:
            part = item.parts[place] = _Part({"type": kind})
        return part

    def end(self, usage: Usage) -> bytes:
        frames = Frames(self._next)
        output = [_close(index, item, frames) for index, item in sorted(self._items.items())]
        begun = _decode_members(self._response) if has_value(self._response) else {"id": "", "object": "response"}
        response = {
            **begun,
            "status": _INCOMPLETE,
            "incomplete_details": {"reason": "max_output_tokens"},
            "output": output,
            "usage": usage_fields(usage),
        }
        frames.add("response.incomplete", response=response)
        return frames.taken()


def _place(found: _Event) -> Place:
    index = found.summary_index
    return (False, found.content_index) if index is None else (True, index)


def _close(index: int, item: _Item, frames: Frames) -> dict[str, Any]:
    """Write what closes an item, and return it whole."""
    if item.done:
        return item.members
    kind = item.members.get("type", "")
    where = {"item_id": item.members.get("id", ""), "output_index": index}
    whole = {**item.members, "status": _INCOMPLETE}
    if kind in _CALLS:
        name, ending = _CALLS[kind]
        whole[name] = "".join(item.pieces) or item.members.get(name, "")
        if not item.said:
            called = {"name": item.members.get("name", "")} if kind == "function_call" else {}
            frames.add(ending, **where, **called, **{name: whole[name]})
    for place, part in sorted(item.parts.items()):
        _close_part({**where, ("summary_index" if place[0] else "content_index"): place[1]}, part, frames)
    for name, of_summary in (("content", False), ("summary", True)):
        parts = [part.whole() for place, part in sorted(item.parts.items()) if place[0] is of_summary]
        if parts:
            whole[name] = parts
    frames.add("response.output_item.done", output_index=index, item=whole)
    return whole


def _close_part(where: dict[str, Any], part: _Part, frames: Frames) -> None:
    if part.done:
        return
    whole = part.whole()
    kind = whole.get("type", "")
    if kind in _TEXTS and not part.said:
        name, ending = _TEXTS[kind]
        beside: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
        frames.add(ending, **where, **{name: whole[name]}, **beside)
    of = "reasoning_summary_part" if kind == _SUMMARY else "content_part"
    frames.add(f"response.{of}.done", **where, part=whole)
