"""Cohere's stream as events.

Law: an item of content, the plan and each call are parts, numbered when they first say something; a text that goes on
after another part began goes on in a new one. `null` as a call's
arguments, in however many pieces, is none: a piece that may be its beginning is held until it is not.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.chat import ProviderError
from gantry.core.chat_events import (
    ENDED,
    AnswerBegan,
    AnswerFailed,
    CallAdded,
    CallBegan,
    ChatEvent,
    ChoiceFinished,
    CitationAdded,
    TextAdded,
    ThinkingAdded,
    UsageReported,
)
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.chat_decoder import SECOND_ANSWER, ChatStreamDecoder
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.cohere.answer import read_arguments
from gantry.dialects.cohere.citations import is_of_text, read_citation
from gantry.dialects.cohere.finish import read_finish
from gantry.dialects.cohere.shapes import Call
from gantry.dialects.cohere.usage import UsageShape, read_usage
from gantry.wire.sse import SSEEvent


class _Content(Struct, gc=False):
    text: str | None = None
    thinking: str | None = None


class _Message(Struct, gc=False):
    content: _Content | list[Raw] | None = None
    tool_plan: str | None = None
    tool_calls: Call | list[Raw] | None = None
    citations: Raw = ABSENT


class _Delta(Struct, gc=False):
    message: _Message | None = None
    finish_reason: str | None = None
    usage: UsageShape | None = None
    error: str | None = None


class _Event(Struct, gc=False):
    type: str = ""
    id: str | None = None
    index: int = 0
    delta: _Delta | None = None
    message: str | None = None  # of an error that is no event of the format


_decode: Final = msgspec.json.Decoder(_Event).decode
_DONE: Final = b"[DONE]"
_NULL: Final = "null"


class _Call:
    """A call as far as it came; `held` are arguments that may yet turn out to be `null`."""

    __slots__ = ("held", "part", "said")

    def __init__(self, part: int) -> None:
        self.part = part
        self.held = ""
        self.said = False


class CohereStreamDecoder(ChatStreamDecoder):
    """A provider's stream in, events out."""

    __slots__ = ("_began", "_calls", "_content", "_item", "_kinds", "_parts", "_plan")

    def __init__(self) -> None:
        super().__init__(text_key=b'"text":')
        self._began = False
        self._parts = 0
        self._plan: int | None = None
        self._item: int | None = None  # the last item of content, to which citations belong
        self._content: dict[int, int] = {}  # the part that an item goes on in
        self._kinds: dict[int, type[TextAdded | ThinkingAdded]] = {}
        self._calls: dict[int, _Call] = {}

    def decode(self, event: SSEEvent) -> list[ChatEvent]:
        if event.data == _DONE:
            return []
        found = _decode(event.data)
        delta = found.delta or _Delta()
        message = delta.message or _Message()
        match found.type:
            case "content-delta" | "content-start":
                return self._add_content(found.index, message)
            case "tool-call-delta":
                return self._add_arguments(found.index, message)
            case "tool-plan-delta":
                return self._add_plan(message.tool_plan)
            case "tool-call-start":
                return self._begin_call(found.index, message)
            case "tool-call-end":
                call = self._calls.pop(found.index, None)
                return [] if call is None else _close(call)
            case "citation-start":
                return self._cite(message.citations)
            case "message-start":
                return self._begin(found.id)
            case "message-end":
                return self._end(delta)
            case "" if found.message is not None:
                return [AnswerFailed(ProviderError(502, found.message))]
            case _:
                return []  # ends of parts, and what was not known when this was written

    def _begin(self, answer_id: str | None) -> list[ChatEvent]:
        if self._parts:
            return [AnswerFailed(SECOND_ANSWER)]
        if self._began:
            return []
        self._began = True
        return [AnswerBegan(answer_id)]

    def _next(self) -> int:
        part = self._parts
        self._parts += 1
        return part

    def _add_content(self, index: int, message: _Message) -> list[ChatEvent]:
        self._item = index
        content = message.content
        if not isinstance(content, _Content):
            return []
        text = content.text or content.thinking
        if not text:
            return []
        kind: type[TextAdded | ThinkingAdded] = TextAdded if content.text else ThinkingAdded
        if self._content.get(index) != self._parts - 1 or self._kinds.get(index, kind) is not kind:
            self._content[index] = self._next()
        self._kinds[index] = kind
        return [kind(0, self._parts - 1, text)]

    def _part_of(self, index: int) -> int:
        part = self._content.get(index)
        if part is None:
            part = self._content[index] = self._next()
        return part

    def _add_plan(self, plan: str | None) -> list[ChatEvent]:
        if not plan:
            return []
        if self._plan != self._parts - 1:
            self._plan = self._next()
        return [TextAdded(0, self._parts - 1, plan)]

    def _begin_call(self, index: int, message: _Message) -> list[ChatEvent]:
        if not isinstance(message.tool_calls, Call):
            raise ValueError("a call begins without being named")
        found = message.tool_calls
        call = self._calls[index] = _Call(self._next())
        return [CallBegan(0, call.part, found.id, found.function.name), *_add(call, found.function.arguments or "")]

    def _add_arguments(self, index: int, message: _Message) -> list[ChatEvent]:
        call = self._calls.get(index)
        if call is None or not isinstance(message.tool_calls, Call):
            raise ValueError("arguments of a call that did not begin")
        return _add(call, message.tool_calls.function.arguments or "")

    def _cite(self, raw: Raw) -> list[ChatEvent]:
        if not has_value(raw):
            return []
        citation, cited = read_citation(raw)
        index = self._item if cited.content_index is None else cited.content_index
        if index is None or not is_of_text(cited):
            return []
        return [CitationAdded(0, self._part_of(index), citation)]

    def _end(self, delta: _Delta) -> list[ChatEvent]:
        if delta.error:
            return [AnswerFailed(ProviderError(502, delta.error))]
        events = [event for call in self._calls.values() for event in _close(call)]
        self._calls.clear()
        if delta.finish_reason is not None:
            events.append(ChoiceFinished(0, read_finish(delta.finish_reason)))
        if delta.usage is not None:
            events.append(UsageReported(read_usage(delta.usage)))
        return [*events, ENDED]


def _add(call: _Call, piece: str) -> list[ChatEvent]:
    if not call.said:
        call.held += piece
        if _NULL.startswith(call.held.strip()):
            return []
        call.said = True
        piece = call.held
    return [CallAdded(0, call.part, piece)] if piece else []


def _close(call: _Call) -> list[ChatEvent]:
    if call.said:
        return []
    return [CallAdded(0, call.part, read_arguments(call.held))]
