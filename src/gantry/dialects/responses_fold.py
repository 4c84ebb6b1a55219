"""The fold of a Responses answer: output items from their deltas or their whole forms, or the whole response.

Law: the whole form of an item wins over its deltas, and the response that ends a stream over both, unless its output is
empty, as some servers send it. For reading, the items become one chat message.
"""

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Raw, Struct
from msgspec.structs import replace

from gantry.core.usage import NO_USAGE, Usage
from gantry.dialects.chat_chunk import has_value, read_chunk, read_shape
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.error_message import error_message
from gantry.dialects.fold import Answer, Envelope, encode

_TEXT: Final = frozenset(("response.output_text.delta", "response.refusal.delta"))
_REASONING: Final = frozenset(("response.reasoning_text.delta", "response.reasoning_summary_text.delta"))
_ARGUMENTS: Final = frozenset(("response.function_call_arguments.delta", "response.custom_tool_call_input.delta"))
_ENDS: Final = frozenset(("completed", "incomplete", "failed", "cancelled"))
_SEPARATOR: Final = "\n\n"
_SEARCH: Final = "search"  # opening a page or looking into one is no search, and is not billed
_BILLED_CALLS: Final = frozenset(("file_search_call",))  # of the provider's tools, by the call


class _Part(Struct, gc=False):
    """A part of a message's content or of a reasoning."""

    text: str | None = None
    refusal: str | None = None


class _ItemShape(Struct, gc=False):
    type: str | None = None
    role: str | None = None
    content: list[_Part] | None = None
    summary: list[_Part] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None  # of a custom tool's call
    action: Raw = ABSENT  # of a web search's call


class _Action(Struct, gc=False):
    type: str = _SEARCH


class _Details(Struct, gc=False):
    reason: str | None = None


class _Requests(Struct, gc=False):
    num_requests: int | None = None


class _ToolUsage(Struct, gc=False):
    web_search: _Requests | None = None


class _Response(Struct, gc=False):
    output: list[Raw] | None = None
    tool_usage: _ToolUsage | None = None
    status: str | None = None
    incomplete_details: _Details | None = None


class _Event(Struct, gc=False):
    type: str | None = None
    response: Raw = ABSENT
    item: Raw = ABSENT
    output_index: int = 0
    delta: str | None = None


class _Item:
    """One output item as far as it came."""

    __slots__ = ("deltas", "raw", "shape")

    def __init__(self) -> None:
        self.raw: Raw = ABSENT
        self.shape = _ItemShape()
        self.deltas: list[str] = []

    def take(self, raw: Raw) -> None:
        shape = read_shape(_ItemShape, raw)
        if shape is not None:
            self.shape, self.raw = shape, raw

    def add_delta(self, type_: str, text: str) -> None:
        self.shape.type = self.shape.type or type_
        self.deltas.append(text)

    @property
    def text(self) -> str:
        """What the item says: the text of a message, the arguments of a call, the thoughts of a reasoning."""
        shape = self.shape
        said = shape.arguments or shape.input
        if not said:
            parts = [part.text or part.refusal or "" for part in (*(shape.summary or ()), *(shape.content or ()))]
            said = (_SEPARATOR if shape.type == "reasoning" else "").join(filter(None, parts))
        return said or "".join(self.deltas)

    def is_search(self) -> bool:
        if self.shape.type != "web_search_call":
            return False
        action = read_shape(_Action, self.shape.action) if has_value(self.shape.action) else None
        return action is None or action.type == _SEARCH

    def call(self) -> dict[str, Any]:
        kind, said = ("custom", "input") if self.shape.type == "custom_tool_call" else ("function", "arguments")
        identity = {"id": self.shape.call_id} if self.shape.call_id else {}
        return {**identity, "type": kind, kind: {"name": self.shape.name or "", said: self.text}}

    def assembled(self) -> dict[str, Any] | Raw:
        """Return the item as a whole response carries it."""
        if has_value(self.raw) and not self.deltas:
            return self.raw
        shape = self.shape
        if shape.type in ("function_call", "custom_tool_call"):
            said = "arguments" if shape.type == "function_call" else "input"
            return {"type": shape.type, "call_id": shape.call_id, "name": shape.name, said: self.text}
        if shape.type == "reasoning":
            return {"type": "reasoning", "summary": [{"type": "summary_text", "text": self.text}]}
        return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": self.text}]}


class ResponsesFold(Envelope):
    """A response as far as it came."""

    __slots__ = ("_items", "_reason", "_searches", "_status")

    def __init__(self, streamed: bool) -> None:
        super().__init__()
        self._items: dict[int, _Item] = {}
        self._status: str | None = None
        self._reason: str | None = None
        self._searches: int | None = None  # as the provider counts them; else they are counted among the items

    def add(self, document: bytes) -> bool:
        event = read_shape(_Event, document)
        if event is None:
            return False
        type_ = event.type or ""
        if has_value(event.response):
            self._take_response(event.response)
        elif has_value(event.item):
            item = self._item(event.output_index)
            item.take(event.item)
            if type_ == "response.output_item.done":
                item.deltas.clear()
        elif event.delta is not None:
            self._add_delta(type_, event)
        elif not type_.startswith("response."):
            self._take_response(Raw(document))  # a whole answer, or an error
        return True

    def answer(self, ended: bool, warnings: Iterable[str] = ()) -> Answer:
        message, calls, reasoning = self._message()
        answer = self.conclude(
            complete=ended or self._status in _ENDS,
            warnings=warnings,
            message=encode(message) if self._items else None,
            tool_calls=encode(calls) if calls else None,
            finish_reason=self._reason or self._status,
            text=message["content"],
            reasoning=reasoning,
        )
        return replace(answer, usage=self._with_tools(answer.usage))

    def _with_tools(self, usage: Usage) -> Usage:
        """Return the usage with the calls of the provider's own tools."""
        searches = self._searches
        if searches is None:
            searches = sum(item.is_search() for item in self._items.values())
        billed = sum(item.shape.type in _BILLED_CALLS for item in self._items.values())
        if usage == NO_USAGE or not (searches or billed):
            return usage
        if usage.web_searches is None and usage.billed_tool_calls is not None:  # of all tools, these among them
            billed = max(usage.billed_tool_calls - searches, 0)
        return replace(usage, web_searches=usage.web_searches or searches or None, billed_tool_calls=billed or None)

    def whole(self) -> bytes:
        output = [item.assembled() for _, item in sorted(self._items.items())]
        error = {} if self.error is None else {"error": {"message": error_message(self.error)}}
        details = {"incomplete_details": {"reason": self._reason}} if self._reason else {}
        return encode(
            {**self.members(), "object": "response", "status": self._status, "output": output, **details, **error}
        )

    def _item(self, index: int) -> _Item:
        return self._items.setdefault(index, _Item())

    def _add_delta(self, type_: str, event: _Event) -> None:
        if type_ in _TEXT:
            self._item(event.output_index).add_delta("message", event.delta or "")
        elif type_ in _ARGUMENTS:
            self._item(event.output_index).add_delta("function_call", event.delta or "")
        elif type_ in _REASONING:
            self._item(event.output_index).add_delta("reasoning", event.delta or "")

    def _take_response(self, raw: Raw) -> None:
        chunk, response = read_chunk(bytes(raw)), read_shape(_Response, raw)
        if chunk is None or response is None:
            return
        self.take(chunk)
        self._status = response.status or self._status
        if response.tool_usage is not None and response.tool_usage.web_search is not None:
            self._searches = response.tool_usage.web_search.num_requests
        if response.incomplete_details is not None:
            self._reason = response.incomplete_details.reason
        if response.output:
            self._items.clear()
            for index, item in enumerate(response.output):
                self._item(index).take(item)

    def _message(self) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
        """Return the items as a chat message, its tool calls and its reasoning."""
        said: list[str] = []
        thought: list[str] = []
        calls: list[dict[str, Any]] = []
        for _, item in sorted(self._items.items()):
            if item.shape.type in ("function_call", "custom_tool_call"):
                calls.append(item.call())
            elif item.shape.type == "reasoning":
                thought.append(item.text)
            elif item.shape.type == "message":
                said.append(item.text)
        message: dict[str, Any] = {"role": "assistant", "content": "".join(said) if said else None}
        reasoning = _SEPARATOR.join(filter(None, thought))
        if reasoning:
            message["reasoning_content"] = reasoning
        if calls:
            message["tool_calls"] = calls
        return message, calls, reasoning
