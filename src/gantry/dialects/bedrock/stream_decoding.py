"""ConverseStream's binary stream as events.

Law: a block of content is a part, numbered when it first says something; blocks come one after another, but each event
names its own, so any order is read: a text goes on in its part until another begins, then in a new one. The stream is
whole with `metadata`; where that is missing but `messageStop` came, with the end of the bytes. What only makes sense
whole (a signature, a picture, a tool of the provider's) is held until its block stops.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct, field

from gantry.core.chat import Media, MediaKind, ProviderError
from gantry.core.chat_events import (
    ENDED,
    AnswerBegan,
    AnswerFailed,
    CallAdded,
    CallBegan,
    ChatEvent,
    ChoiceFinished,
    CitationAdded,
    MediaAdded,
    NativeAdded,
    TextAdded,
    ThinkingAdded,
    ThinkingSealed,
    UsageReported,
)
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.bedrock.answer import Tier
from gantry.dialects.bedrock.blocks import read_citation
from gantry.dialects.bedrock.errors import read_stream_error
from gantry.dialects.bedrock.finish import read_finish
from gantry.dialects.bedrock.usage import UsageShape, read_usage
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.chat_decoder import SECOND_ANSWER
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.members import UNREADABLE, decode_members
from gantry.wire.aws_event_stream import EventMessage, EventStreamParser


class _UseStart(Struct, rename="camel"):
    tool_use_id: str
    name: str
    type: str | None = None


class _ImageStart(Struct):
    format: str | None = None


class _Start(Struct, rename="camel"):
    tool_use: _UseStart | None = None
    tool_result: Raw = ABSENT
    image: _ImageStart | None = None


class _BlockStart(Struct, rename="camel"):
    start: _Start
    content_block_index: int = 0


class _Input(Struct, gc=False):
    input: str = ""


class _Reasoning(Struct, rename="camel", gc=False):
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class _ImageSource(Struct):
    data: str = field(name="bytes", default="")


class _Image(Struct):
    source: _ImageSource = field(default_factory=_ImageSource)


class _Delta(Struct, rename="camel", gc=False):
    text: str | None = None
    tool_use: _Input | None = None
    reasoning_content: _Reasoning | None = None
    citation: Raw = ABSENT
    tool_result: list[Raw] | None = None
    image: _Image | None = None


class _BlockDelta(Struct, rename="camel", gc=False):
    delta: _Delta
    content_block_index: int = 0


class _BlockStop(Struct, rename="camel"):
    content_block_index: int = 0


class _MessageStop(Struct, rename="camel"):
    stop_reason: str
    additional_model_response_fields: Raw = ABSENT


class _Metadata(Struct, rename="camel"):
    usage: UsageShape | None = None
    service_tier: Tier | None = None


_decode_start: Final = msgspec.json.Decoder(_BlockStart).decode
_decode_delta: Final = msgspec.json.Decoder(_BlockDelta).decode
_decode_stop: Final = msgspec.json.Decoder(_BlockStop).decode
_decode_message_stop: Final = msgspec.json.Decoder(_MessageStop).decode
_decode_metadata: Final = msgspec.json.Decoder(_Metadata).decode
_UNREADABLE: Final = (*UNREADABLE, InvalidRequest)
_BROKE_OFF: Final = ProviderError(502, "the provider's stream ended before the answer did")
_UNREADABLE_EVENT: Final = ProviderError(502, "the provider's stream holds an event that cannot be read")


_Said = TextAdded | ThinkingAdded


class _Block:
    """What is held of a block until it stops."""

    __slots__ = ("arguments", "call", "image", "kind", "native", "part", "pieces", "signature")

    def __init__(self) -> None:
        self.part: int | None = None
        self.kind: type[_Said] | None = None  # what it says, if it says something
        self.call: _UseStart | None = None
        self.arguments = False  # any came
        self.native: dict[str, Any] | None = None  # a tool of the provider's, or its result
        self.image: _ImageStart | None = None
        self.pieces: list[Any] = []
        self.signature = ""


class BedrockStreamDecoder:
    """A provider's stream in, events out."""

    __slots__ = ("_began", "_blocks", "_finished", "_over", "_parser", "_parts")

    def __init__(self) -> None:
        self._parser = EventStreamParser()
        self._began = False
        self._blocks: dict[int, _Block] = {}
        self._parts = 0
        self._finished = False
        self._over = False

    def feed(self, data: bytes) -> list[ChatEvent]:
        """Return the events that these bytes complete."""
        events: list[ChatEvent] = []
        for message in self._parser.feed(data):
            if self._over:
                break
            self._take(message, events)
        if self._parser.fault is not None:
            self._end(events, AnswerFailed(ProviderError(502, self._parser.fault)))
        return events

    def close(self) -> list[ChatEvent]:
        """Return what the end of the bytes completes; `AnswerFailed` when the answer had not ended."""
        events: list[ChatEvent] = []
        self._parser.close()
        whole = self._finished and self._parser.fault is None
        self._end(events, ENDED if whole else AnswerFailed(_BROKE_OFF))
        return events

    def _end(self, events: list[ChatEvent], last: ChatEvent) -> None:
        if not self._over:
            self._over = True
            events.append(last)

    def _take(self, message: EventMessage, events: list[ChatEvent]) -> None:
        if message.text(":message-type") in ("exception", "error"):
            self._end(events, AnswerFailed(read_stream_error(message)))
            return
        before = len(events)
        try:
            self._read(message.text(":event-type"), message.payload, events)
        except _UNREADABLE:
            del events[before:]
            self._end(events, AnswerFailed(_UNREADABLE_EVENT))

    def _read(self, kind: str, payload: bytes, events: list[ChatEvent]) -> None:
        match kind:
            case "contentBlockDelta":
                change = _decode_delta(payload)
                self._delta(self._block(change.content_block_index), change.delta, events)
            case "contentBlockStart":
                start = _decode_start(payload)
                self._start(self._block(start.content_block_index), start.start, events)
            case "contentBlockStop":
                block = self._blocks.pop(_decode_stop(payload).content_block_index, None)
                if block is not None:
                    self._stop(block, events)
            case "messageStart":
                self._begin(events)
            case "messageStop":
                self._message_stop(_decode_message_stop(payload), events)
            case "metadata":
                self._metadata(_decode_metadata(payload), events)
            case _:
                pass  # a kind of event that was not known when this was written

    def _begin(self, events: list[ChatEvent]) -> None:
        if self._parts or self._blocks:
            self._end(events, AnswerFailed(SECOND_ANSWER))
        elif not self._began:
            self._began = True
            events.append(AnswerBegan())

    def _block(self, index: int) -> _Block:
        block = self._blocks.get(index)
        if block is None:
            block = self._blocks[index] = _Block()
        return block

    def _part(self, block: _Block) -> int:
        if block.part is None:
            block.part = self._parts
            self._parts += 1
        return block.part

    def _say(self, block: _Block, kind: type[_Said], text: str, events: list[ChatEvent]) -> None:
        if block.call is not None:
            raise ValueError("a call says something")
        if block.part != self._parts - 1 or block.kind not in (None, kind):
            block.part = None
        block.kind = kind
        events.append(kind(0, self._part(block), text))

    def _proof_part(self, block: _Block) -> int:
        if block.kind is TextAdded:
            block.part = None  # a text is not what is proved
        return self._part(block)

    def _start(self, block: _Block, start: _Start, events: list[ChatEvent]) -> None:
        if start.tool_use is not None:
            block.call = start.tool_use
            if start.tool_use.type == "server_tool_use":
                block.native = {"toolUseId": start.tool_use.tool_use_id, "name": start.tool_use.name}
                block.native["type"] = start.tool_use.type
            else:
                events.append(CallBegan(0, self._part(block), start.tool_use.tool_use_id, start.tool_use.name))
        elif has_value(start.tool_result):
            block.native = dict(decode_members(start.tool_result))
        elif start.image is not None:
            block.image = start.image

    def _delta(self, block: _Block, delta: _Delta, events: list[ChatEvent]) -> None:
        if delta.text is not None:
            if delta.text:
                self._say(block, TextAdded, delta.text, events)
        elif delta.tool_use is not None:
            self._input(block, delta.tool_use.input, events)
        elif delta.reasoning_content is not None:
            self._reasoning(block, delta.reasoning_content, events)
        elif has_value(delta.citation):
            events.append(CitationAdded(0, self._part(block), read_citation(delta.citation, "citation")))
        elif delta.tool_result is not None:
            if block.native is None or block.call is not None:
                raise ValueError("a result for what is none")
            block.pieces += delta.tool_result
        elif delta.image is not None:
            if block.native is not None:
                raise ValueError("a picture in a tool's block")
            block.image = block.image or _ImageStart()
            block.pieces.append(delta.image.source.data)

    def _input(self, block: _Block, piece: str, events: list[ChatEvent]) -> None:
        if block.call is None:
            raise ValueError("arguments for what is no call")
        if block.native is not None:
            block.pieces.append(piece)
        elif piece:
            block.arguments = True
            events.append(CallAdded(0, self._part(block), piece))

    def _reasoning(self, block: _Block, piece: _Reasoning, events: list[ChatEvent]) -> None:
        if piece.text:
            self._say(block, ThinkingAdded, piece.text, events)
        if piece.signature:
            block.signature += piece.signature
        if piece.redacted_content is not None:
            events.append(ThinkingSealed(0, self._proof_part(block), Dialect.BEDROCK, sealed=piece.redacted_content))

    def _stop(self, block: _Block, events: list[ChatEvent]) -> None:
        if block.signature:
            events.append(ThinkingSealed(0, self._proof_part(block), Dialect.ANTHROPIC, signature=block.signature))
        if block.native is not None:
            events.append(NativeAdded(0, self._part(block), Dialect.BEDROCK, _native(block)))
        elif block.call is not None and not block.arguments:
            events.append(CallAdded(0, self._part(block), "{}"))
        elif block.image is not None:
            mime = None if block.image.format is None else f"image/{block.image.format}"
            media = Media(MediaKind.IMAGE, mime, data=_joined(block.pieces))
            events.append(MediaAdded(0, self._part(block), media))

    def _message_stop(self, stop: _MessageStop, events: list[ChatEvent]) -> None:
        for index in sorted(self._blocks):
            self._stop(self._blocks[index], events)
        self._blocks.clear()
        if not self._finished:
            self._finished = True
            events.append(ChoiceFinished(0, read_finish(stop.stop_reason, stop.additional_model_response_fields)))

    def _metadata(self, metadata: _Metadata, events: list[ChatEvent]) -> None:
        if metadata.usage is not None:
            events.append(UsageReported(read_usage(metadata.usage)))
        if self._finished:
            self._end(events, ENDED)


def _native(block: _Block) -> Raw:
    value = dict(block.native or {})
    if block.call is not None:
        value["input"] = Raw(("".join(block.pieces) or "{}").encode())
        decode_members(value["input"])
        return Raw(msgspec.json.encode({"toolUse": value}))
    value["content"] = block.pieces
    return Raw(msgspec.json.encode({"toolResult": value}))


def _joined(pieces: list[str]) -> str:
    """Return base64 of all the bytes that the pieces are base64 of."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return b2a_base64(b"".join(map(a2b_base64, pieces)), newline=False).decode("ascii")
    except Base64Error as error:
        raise ValueError("not base64") from error
