"""Anthropic's stream: a message begins, its blocks come one after another, its end and usage follow.

Law: a block is known from `content_block_start` to `content_block_stop`, or to the message's end; deltas name it by its
index. A part of our own is numbered when it first says something, and a text goes on in its part until another begins.
A block of a kind we do not know is put together from its deltas and handed on whole.
https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.chat_events import (
    ENDED,
    AnswerBegan,
    AnswerFailed,
    CallAdded,
    CallBegan,
    ChatEvent,
    ChoiceFinished,
    CitationAdded,
    NativeAdded,
    TextAdded,
    ThinkingAdded,
    ThinkingSealed,
    UsageReported,
)
from gantry.core.vocabulary import Dialect
from gantry.dialects.anthropic.answer import Block, read_block
from gantry.dialects.anthropic.citations import read_citation
from gantry.dialects.anthropic.errors import read_stream_error
from gantry.dialects.anthropic.finish import read_finish
from gantry.dialects.anthropic.signature import read_signed
from gantry.dialects.anthropic.usage import UsageReader
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.chat_decoder import SECOND_ANSWER, ChatStreamDecoder
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.tool_terms import arguments_object, mint_call_id
from gantry.wire.sse import SSEEvent


class _Delta(Struct, gc=False):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    citation: Raw = ABSENT
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _Message(Struct):
    id: str | None = None
    model: str | None = None
    usage: Raw = ABSENT


class _Event(Struct):
    type: str
    index: int = 0
    delta: _Delta | None = None
    content_block: Raw = ABSENT
    message: _Message | None = None
    usage: Raw = ABSENT


class _Whole(Struct):
    delta: dict[str, Any]


_decode: Final = msgspec.json.Decoder(_Event).decode
_decode_whole: Final = msgspec.json.Decoder(_Whole).decode
_decode_native: Final = msgspec.json.Decoder(dict[str, Any]).decode


_Said = TextAdded | ThinkingAdded


class _OpenBlock:
    """A block between its start and its stop; `part` is None until it says something, and `kind` is what it says."""

    __slots__ = ("answered", "block", "kind", "native", "part", "pieces")

    def __init__(self, block: Block | None, native: dict[str, Any] | None) -> None:
        self.block = block
        self.native = native
        self.part: int | None = None
        self.kind: type[_Said] | None = None
        self.answered = False  # arguments came as deltas
        self.pieces: list[str] = []  # of a native block's input

    @property
    def is_call(self) -> bool:
        return self.block is not None and self.block.type == "tool_use"


class AnthropicStreamDecoder(ChatStreamDecoder):
    __slots__ = ("_began", "_finished", "_id", "_open", "_parts", "_usage")

    def __init__(self) -> None:
        super().__init__(text_key=b'"text":')
        self._began = False
        self._open: dict[int, _OpenBlock] = {}
        self._parts = 0
        self._usage = UsageReader()
        self._id = ""
        self._finished = False

    def decode(self, event: SSEEvent) -> list[ChatEvent]:
        found = _decode(event.data)
        match found.type:
            case "content_block_delta":
                return self._add(found, event.data)
            case "content_block_start":
                return [*self._stop(found.index), *self._start(found)]
            case "content_block_stop":
                return self._stop(found.index)
            case "message_start":
                return self._begin(found.message or _Message())
            case "message_delta":
                return self._finish(found)
            case "message_stop":
                return [*self._stop_all(), ENDED]
            case "error":
                return [AnswerFailed(read_stream_error(event.data))]
            case _:
                return []  # ping, and what is yet to come

    def finish(self) -> list[ChatEvent]:
        """A look-alike may leave `message_stop` out: what says why it ended has ended."""
        return [ENDED] if self._finished else []

    def _begin(self, message: _Message) -> list[ChatEvent]:
        if self._parts or self._open:
            return [AnswerFailed(SECOND_ANSWER)]
        usage = self._usage.add(message.usage)
        events: list[ChatEvent] = []
        if not self._began:
            self._began = True
            self._id = message.id or ""
            events.append(AnswerBegan(message.id, message.model, service_tier=self._usage.service_tier))
        if has_value(message.usage):
            events.append(UsageReported(usage))
        return events

    def _finish(self, found: _Event) -> list[ChatEvent]:
        events: list[ChatEvent] = []
        if has_value(found.usage):
            events.append(UsageReported(self._usage.add(found.usage)))
        finish = None if found.delta is None else read_finish(found.delta.stop_reason, found.delta.stop_sequence)
        if finish is not None and not self._finished:
            self._finished = True
            events += [*self._stop_all(), ChoiceFinished(0, finish)]
        return events

    def _stop_all(self) -> list[ChatEvent]:
        return [event for index in sorted(self._open) for event in self._stop(index)]

    def _number(self, opened: _OpenBlock) -> int:
        if opened.part is None:
            opened.part = self._parts
            self._parts += 1
        return opened.part

    def _say(self, opened: _OpenBlock, kind: type[_Said], text: str) -> ChatEvent:
        if opened.is_call:
            raise ValueError("a call says something")
        if opened.part != self._parts - 1 or opened.kind not in (None, kind):
            opened.part = None
        opened.kind = kind
        return kind(0, self._number(opened), text)

    def _start(self, found: _Event) -> list[ChatEvent]:
        raw = found.content_block
        block = read_block(raw)
        opened = _OpenBlock(block, _decode_native(raw) if block is None else None)
        self._open[found.index] = opened
        if block is None:
            return []
        match block.type:
            case "text":
                events: list[ChatEvent] = [self._cite(opened, citation) for citation in block.citations or ()]
                return [*events, self._say(opened, TextAdded, block.text)] if block.text else events
            case "thinking":
                return self._think(opened, block.thinking, block.signature)
            case "redacted_thinking":
                return [ThinkingSealed(0, self._number(opened), Dialect.ANTHROPIC, sealed=block.data or "")]
            case _:
                number = self._number(opened)
                return [CallBegan(0, number, block.id or mint_call_id(self._id, number), block.name or "")]

    def _add(self, found: _Event, data: bytes) -> list[ChatEvent]:
        opened, delta = self._open.get(found.index), found.delta
        if opened is None:
            raise ValueError("a block goes on that did not begin")
        if delta is None:
            return []
        if opened.native is not None:
            _add_native(opened, delta, data)
            return []
        if delta.text is not None:
            return [self._say(opened, TextAdded, delta.text)] if delta.text else []
        if delta.partial_json is not None:
            if not delta.partial_json:
                return []
            if not opened.is_call:
                raise ValueError("arguments for what is no call")
            opened.answered = True
            return [CallAdded(0, self._number(opened), delta.partial_json)]
        if has_value(delta.citation):
            return [self._cite(opened, delta.citation)]
        return self._think(opened, delta.thinking, delta.signature)

    def _think(self, opened: _OpenBlock, text: str | None, signature: str | None) -> list[ChatEvent]:
        events: list[ChatEvent] = []
        if text:
            events.append(self._say(opened, ThinkingAdded, text))
        signed = read_signed("", signature)
        if signed.dialect is not None:
            if opened.kind is TextAdded:
                opened.part = None  # a text is not what is proved
            number = self._number(opened)
            events.append(ThinkingSealed(0, number, signed.dialect, signed.signature, signed.sealed, signed.id))
        return events

    def _cite(self, opened: _OpenBlock, raw: Raw) -> ChatEvent:
        return CitationAdded(0, self._number(opened), read_citation(raw.copy()))

    def _stop(self, index: int) -> list[ChatEvent]:
        opened = self._open.pop(index, None)
        if opened is None:
            return []
        if opened.native is not None:
            native = Raw(msgspec.json.encode(_whole(opened.native, opened.pieces)))
            return [NativeAdded(0, self._number(opened), Dialect.ANTHROPIC, native)]
        block = opened.block
        if block is None or not opened.is_call or opened.answered:
            return []
        return [CallAdded(0, self._number(opened), block.arguments())]


def _add_native(opened: _OpenBlock, delta: _Delta, data: bytes) -> None:
    """Add a delta to a block we do not know: its input as JSON text, any other text to the member of its name."""
    if delta.partial_json is not None:
        opened.pieces.append(delta.partial_json)
        return
    native = opened.native
    if native is None:
        return
    for name, value in _decode_whole(data).delta.items():
        if name == "type":
            continue
        before = native.get(name)
        native[name] = before + value if isinstance(before, str) and isinstance(value, str) else value


def _whole(native: dict[str, Any], pieces: list[str]) -> dict[str, Any]:
    text = "".join(pieces)
    if not text:
        return native
    return {**native, "input": arguments_object(text)}
