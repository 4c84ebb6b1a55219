"""Events as ConverseStream's binary stream, in whole messages.

Law: a part is a block of content; one is open at a time, because clients read a call from its start to its stop. Text
and thinking have no start event. `messageStop` comes before `metadata`, which ends the stream.
"""

from typing import Any, Final, assert_never

import msgspec

from gantry.core.chat import Finish, Media, ProviderError
from gantry.core.chat_events import (
    AnswerBegan,
    CallAdded,
    CallBegan,
    CitationAdded,
    MediaAdded,
    NativeAdded,
    PartEvent,
    RefusalAdded,
    TextAdded,
    ThinkingAdded,
    ThinkingSealed,
)
from gantry.core.vocabulary import Dialect
from gantry.dialects.bedrock.answer import answer_block
from gantry.dialects.bedrock.blocks import SIGNERS, citation_value
from gantry.dialects.bedrock.errors import stream_error
from gantry.dialects.bedrock.finish import finish_word
from gantry.dialects.bedrock.shapes import decode_block
from gantry.dialects.bedrock.usage import usage_value
from gantry.dialects.part_encoder import PartEncoder
from gantry.wire.aws_event_stream import CONTENT_TYPE, encode_message, text_headers

_encode: Final = msgspec.json.Encoder().encode
_HEADERS: Final = {
    kind: text_headers(((":event-type", kind), (":content-type", "application/json"), (":message-type", "event")))
    for kind in (
        "messageStart",
        "contentBlockStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    )
}
_DELTA: Final = _HEADERS["contentBlockDelta"]


class BedrockStreamEncoder(PartEncoder):
    """Events in, a client's stream out."""

    __slots__ = ("_index", "_tier")

    content_type: Final = CONTENT_TYPE

    def __init__(self) -> None:
        super().__init__()
        self._index = -1  # of the block of the open part
        self._tier: str | None = None

    def begin(self, event: AnswerBegan) -> None:
        self._tier = event.service_tier
        self._send("messageStart", {"role": "assistant"})

    def go_on(self, text: str) -> None:
        payload = b'{"contentBlockIndex":%d,"delta":{"text":%b}}' % (self._index, _encode(text))
        self._out.append(encode_message(_DELTA, payload))

    def write(self, event: PartEvent) -> None:
        match event:
            case TextAdded(_, part, text) | RefusalAdded(_, part, text):
                self._switch(part)
                self.go_on(text)
            case CallAdded(_, part, arguments):
                self._switch(part)
                self._delta({"toolUse": {"input": arguments}})
            case ThinkingAdded(_, part, text):
                self._switch(part)
                self._delta({"reasoningContent": {"text": text}})
            case ThinkingSealed():
                self._seal(event)
            case CallBegan(_, part, call_id, name):
                self._switch(part)
                self._start({"toolUse": {"toolUseId": call_id, "name": name}})
            case CitationAdded(_, part, citation):
                self._switch(part)
                self._delta({"citation": citation_value(citation)})
            case MediaAdded(_, part, media):
                self._media(part, media)
            case NativeAdded():
                self._native(event)
            case _:
                assert_never(event)

    def _seal(self, event: ThinkingSealed) -> None:
        if event.dialect in SIGNERS and event.signature is not None:
            self._switch(event.part)
            self._delta({"reasoningContent": {"signature": event.signature}})
        elif event.dialect is Dialect.BEDROCK and event.sealed is not None:
            self._switch(event.part)
            self._delta({"reasoningContent": {"redactedContent": event.sealed}})

    def _media(self, part: int, media: Media) -> None:
        block = answer_block(media)
        if block is not None and "image" in block:
            self._switch(part)
            self._start({"image": {"format": block["image"]["format"]}})
            self._delta({"image": {"source": block["image"]["source"]}})

    def _native(self, event: NativeAdded) -> None:
        if event.dialect is not Dialect.BEDROCK:
            return
        block = decode_block(event.raw)
        if block.tool_use is not None:
            use = block.tool_use
            self._switch(event.part)
            self._start({"toolUse": {"toolUseId": use.tool_use_id, "name": use.name, "type": use.type}})
            self._delta({"toolUse": {"input": bytes(use.input).decode()}})
        elif block.tool_result is not None:
            result = block.tool_result
            start = {"toolUseId": result.tool_use_id, "type": result.type, "status": result.status}
            self._switch(event.part)
            self._start({"toolResult": {name: value for name, value in start.items() if value is not None}})
            self._delta({"toolResult": result.content})

    def _switch(self, part: int) -> None:
        if part != self._open:
            self._close()
            self._open = part
            self._index += 1

    def _close(self) -> None:
        if self._open is not None:
            self._send("contentBlockStop", {"contentBlockIndex": self._index})
        self._open = None

    def end(self, finish: Finish) -> None:
        self._close()
        stop: dict[str, Any] = {"stopReason": finish_word(finish)}
        if finish.sequence is not None:
            stop["additionalModelResponseFields"] = {"stop_sequence": finish.sequence}
        self._send("messageStop", stop)
        metadata: dict[str, Any] = {"usage": usage_value(self._usage), "metrics": {"latencyMs": 0}}
        if self._tier is not None:
            metadata["serviceTier"] = {"type": self._tier}
        self._send("metadata", metadata)

    def fail(self, error: ProviderError) -> None:
        self._out.append(stream_error(error))

    def _start(self, start: dict[str, Any]) -> None:
        self._send("contentBlockStart", {"contentBlockIndex": self._index, "start": start})

    def _delta(self, delta: dict[str, Any]) -> None:
        self._send("contentBlockDelta", {"contentBlockIndex": self._index, "delta": delta})

    def _send(self, kind: str, payload: dict[str, Any]) -> None:
        self._out.append(encode_message(_HEADERS[kind], _encode(payload)))
