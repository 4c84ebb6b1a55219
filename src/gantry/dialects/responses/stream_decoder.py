"""A provider's stream of response events as the canonical ones.

Law: deltas are taken as they come, and a text that goes on after another part began goes on in a new one; what never
came as a delta is taken from the item when it is done, and what never came as an item from the response that ends the
stream, so that a server that skips events loses nothing. An event type that is not known here is passed over: progress
of hosted tools, padding, whatever comes next year.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.chat import NativePart, Part, Refusal, Text, Thinking, ToolCall
from gantry.core.chat_events import (
    ENDED,
    AnswerBegan,
    AnswerFailed,
    CallAdded,
    CallBegan,
    ChatEvent,
    ChoiceFinished,
    CitationAdded,
    LogprobsAdded,
    NativeAdded,
    RefusalAdded,
    TextAdded,
    ThinkingAdded,
    ThinkingSealed,
    UsageReported,
)
from gantry.core.usage import NO_USAGE
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.chat_decoder import ChatStreamDecoder
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.responses.decode_answer import ResponseShape, decode_response, finish_of
from gantry.dialects.responses.errors import inner_error
from gantry.dialects.responses.items import (
    SEPARATOR,
    citation,
    kind_of,
    logprobs_of,
    said_by_assistant,
    says_something,
)
from gantry.dialects.responses.logprobs import joined_logprobs
from gantry.dialects.responses.shapes import decode_head
from gantry.wire.sse import SSEEvent

_DONE: Final = b"[DONE]"
_ENDS: Final = frozenset(("response.completed", "response.incomplete", "response.done"))
_FAILURES: Final = frozenset(("response.failed", "response.cancelled", "error"))


class _Event(Struct, gc=False):
    type: str = ""
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    delta: str = ""
    logprobs: list[Raw] | None = None
    item: Raw = ABSENT
    annotation: Raw = ABSENT
    response: Raw = ABSENT
    error: Raw = ABSENT


class _EventHead(Struct, gc=False):
    type: str = ""


class _Spoken:
    """One text or refusal of a message, as far as it came."""

    __slots__ = ("citations", "part", "said")

    def __init__(self, part: int) -> None:
        self.part = part
        self.said = False
        self.citations = 0


class _Item:
    """One output item as far as it came: the parts of a message, or the one part of a reasoning or a call."""

    __slots__ = ("contents", "done", "from_content", "is_call", "logprobs", "part", "pieces", "section")

    def __init__(self) -> None:
        self.contents: dict[int, _Spoken] = {}
        self.part: int | None = None
        self.pieces: list[str] = []  # of a call's arguments
        self.section: int | None = None  # of a reasoning
        self.from_content = False
        self.logprobs = False
        self.is_call = False
        self.done = False


class ResponsesStreamDecoder(ChatStreamDecoder):
    """A stream of response events in, canonical events out."""

    __slots__ = ("_began", "_called", "_items", "_parts")

    def __init__(self) -> None:
        super().__init__()
        self._began = False
        self._called = False
        self._items: dict[int, _Item] = {}
        self._parts = 0

    def decode(self, event: SSEEvent) -> list[ChatEvent]:
        if event.data == _DONE:
            return []
        try:
            found = _decode_event(event.data)
        except msgspec.ValidationError:
            if _decode_event_head(event.data).type in _READERS:
                raise
            return []
        reader = _READERS.get(found.type)
        if reader is not None:
            events = reader(self, found)
            if events and not self._began and not isinstance(events[0], AnswerFailed):
                self._began = True
                events.insert(0, AnswerBegan())
            return events
        if found.type in _ENDS:
            return self._end(found)
        if found.type in _FAILURES or (not found.type and has_value(found.error)):
            whole = Raw(event.data)
            return [AnswerFailed(inner_error(found.response if has_value(found.response) else whole))]
        return self._begin(found) if has_value(found.response) else []

    def _begin(self, event: _Event) -> list[ChatEvent]:
        return [] if self._began else [self._beginning(decode_response(event.response))]

    def _beginning(self, response: ResponseShape) -> AnswerBegan:
        self._began = True
        return AnswerBegan(response.id, response.model, response.created(), response.service_tier)

    def _end(self, event: _Event) -> list[ChatEvent]:
        response = decode_response(event.response)
        if response.failed():
            return [AnswerFailed(inner_error(response.error))]
        events: list[ChatEvent] = [] if self._began else [self._beginning(response)]
        for index, raw in enumerate(response.output or ()):
            events += self._complete(index, raw)
        events.append(ChoiceFinished(0, finish_of(response, called=self._called)))
        usage = response.read_usage()
        if usage != NO_USAGE:
            events.append(UsageReported(usage))
        events.append(ENDED)
        return events

    def _add_text(self, event: _Event) -> list[ChatEvent]:
        item = self._item(event.output_index)
        events: list[ChatEvent] = []
        if event.delta:
            spoken = self._spoken(item, event.content_index)
            events.append(self._say(spoken, TextAdded, event.delta))
        if event.logprobs:
            item.logprobs = True
            events.append(LogprobsAdded(0, joined_logprobs(event.logprobs)))
        return events

    def _add_refusal(self, event: _Event) -> list[ChatEvent]:
        if not event.delta:
            return []
        spoken = self._spoken(self._item(event.output_index), event.content_index)
        return [self._say(spoken, RefusalAdded, event.delta)]

    def _add_citation(self, event: _Event) -> list[ChatEvent]:
        if not has_value(event.annotation):
            return []
        spoken = self._spoken(self._item(event.output_index), event.content_index)
        spoken.citations += 1
        return [CitationAdded(0, spoken.part, citation(event.annotation))]

    def _add_summary(self, event: _Event) -> list[ChatEvent]:
        return self._add_thinking(event, event.summary_index, from_content=False)

    def _add_reasoning(self, event: _Event) -> list[ChatEvent]:
        return self._add_thinking(event, event.content_index, from_content=True)

    def _add_thinking(self, event: _Event, section: int, *, from_content: bool) -> list[ChatEvent]:
        item = self._item(event.output_index)
        if not event.delta or (item.section is not None and item.from_content is not from_content):
            return []  # a summary beside the reasoning that it sums up
        apart = SEPARATOR if item.section is not None and section != item.section else ""
        item.section, item.from_content = section, from_content
        if item.part != self._parts - 1:
            item.part = None
        return [ThinkingAdded(0, self._part(item), apart + event.delta)]

    def _add_item(self, event: _Event) -> list[ChatEvent]:
        if not has_value(event.item):
            return []
        item = self._item(event.output_index)
        kind = kind_of(decode_head(event.item))
        if item.part is not None or kind not in ("function_call", "custom_tool_call"):
            return []
        return self._begin_call(item, self._call_in(event))

    def _call_in(self, event: _Event) -> ToolCall:
        [call] = said_by_assistant(event.item, event.output_index)
        assert isinstance(call, ToolCall)
        return call

    def _begin_call(self, item: _Item, call: ToolCall) -> list[ChatEvent]:
        self._called = item.is_call = True
        item.part = self._next()
        return [CallBegan(0, item.part, call.id, call.name, call.custom)]

    def _add_arguments(self, event: _Event) -> list[ChatEvent]:
        item = self._item(event.output_index)
        if not event.delta:
            return []
        if item.part is not None and not item.is_call:
            raise ValueError("arguments for what is no call")
        item.pieces.append(event.delta)
        # Without the item that names the call they wait for it.
        return [] if item.part is None else [CallAdded(0, item.part, event.delta)]

    def _finish_item(self, event: _Event) -> list[ChatEvent]:
        return self._complete(event.output_index, event.item) if has_value(event.item) else []

    def _complete(self, index: int, raw: Raw) -> list[ChatEvent]:
        """Return what a whole item says that did not come yet."""
        item = self._item(index)
        if item.done:
            return []
        item.done = True
        events: list[ChatEvent] = []
        for number, part in enumerate(said_by_assistant(raw, index)):
            events += self._complete_part(item, number, part)
        if not item.logprobs:
            entries = logprobs_of(raw)
            if entries:
                events.append(LogprobsAdded(0, joined_logprobs(entries)))
        return events

    def _complete_part(self, item: _Item, number: int, part: Part) -> list[ChatEvent]:
        match part:
            case Text() | Refusal():
                return self._complete_spoken(item, number, part) if says_something(part) else []
            case Thinking():
                return self._complete_thinking(item, part)
            case ToolCall():
                return self._complete_call(item, part)
            case NativePart(dialect, raw):
                return [NativeAdded(0, self._next(), dialect, raw)]
            case _:
                return []

    def _complete_spoken(self, item: _Item, number: int, part: Text | Refusal) -> list[ChatEvent]:
        spoken = self._spoken(item, number)
        if isinstance(part, Refusal):
            return [] if spoken.said else [self._say(spoken, RefusalAdded, part.text)]
        events: list[ChatEvent] = [CitationAdded(0, spoken.part, one) for one in part.citations[spoken.citations :]]
        if part.text and not spoken.said:
            events.append(self._say(spoken, TextAdded, part.text))
        return events

    def _complete_thinking(self, item: _Item, part: Thinking) -> list[ChatEvent]:
        number = self._next() if item.is_call else self._part(item)
        events: list[ChatEvent] = []
        if part.text and item.section is None:
            events.append(ThinkingAdded(0, number, part.text))
        if part.dialect is not None:
            events.append(ThinkingSealed(0, number, part.dialect, part.signature, part.sealed, part.id))
        return events

    def _complete_call(self, item: _Item, call: ToolCall) -> list[ChatEvent]:
        came = "".join(item.pieces)
        if not item.is_call:
            events = self._begin_call(item, call)
            rest = call.arguments or came
        else:
            events = []
            rest = call.arguments[len(came) :] if call.arguments.startswith(came) else ""
        return [*events, CallAdded(0, self._part(item), rest)] if rest else events

    def _item(self, index: int) -> _Item:
        item = self._items.get(index)
        if item is None:
            item = self._items[index] = _Item()
        return item

    def _spoken(self, item: _Item, index: int) -> _Spoken:
        spoken = item.contents.get(index)
        if spoken is None:
            spoken = item.contents[index] = _Spoken(self._next())
        return spoken

    def _say(self, spoken: _Spoken, kind: type[TextAdded | RefusalAdded], text: str) -> ChatEvent:
        spoken.said = True
        if spoken.part != self._parts - 1:
            spoken.part = self._next()
        return kind(0, spoken.part, text)

    def _part(self, item: _Item) -> int:
        if item.part is None:
            item.part = self._next()
        return item.part

    def _next(self) -> int:
        self._parts += 1
        return self._parts - 1


_Reader = Callable[[ResponsesStreamDecoder, _Event], list[ChatEvent]]
_READERS: Final[dict[str, _Reader]] = {
    "response.output_text.delta": ResponsesStreamDecoder._add_text,
    "response.refusal.delta": ResponsesStreamDecoder._add_refusal,
    "response.output_text.annotation.added": ResponsesStreamDecoder._add_citation,
    "response.reasoning_summary_text.delta": ResponsesStreamDecoder._add_summary,
    "response.reasoning_text.delta": ResponsesStreamDecoder._add_reasoning,
    "response.function_call_arguments.delta": ResponsesStreamDecoder._add_arguments,
    "response.custom_tool_call_input.delta": ResponsesStreamDecoder._add_arguments,
    "response.output_item.added": ResponsesStreamDecoder._add_item,
    "response.output_item.done": ResponsesStreamDecoder._finish_item,
}
_decode_event: Final = msgspec.json.Decoder(_Event).decode
_decode_event_head: Final = msgspec.json.Decoder(_EventHead).decode
