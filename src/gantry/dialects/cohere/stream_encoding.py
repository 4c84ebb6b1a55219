"""Events as Cohere's stream: named server-sent events, each part with its start and its end, `[DONE]` at last.

Law: text is content even before calls, because a stream does not know yet that they will come. Items of content and
calls are numbered apart.
"""

from enum import Enum
from typing import Any, Final, assert_never

import msgspec

from gantry.core.chat import Citation, Finish, ProviderError
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
from gantry.dialects.codec import Asking
from gantry.dialects.cohere.citations import citation_value
from gantry.dialects.cohere.errors import stream_error
from gantry.dialects.cohere.finish import finish_word
from gantry.dialects.cohere.usage import usage_value
from gantry.dialects.frames import DONE, EVENT_STREAM, named_frame
from gantry.dialects.part_encoder import PartEncoder

_TEXT_HEAD: Final = (
    b'event: content-delta\ndata: {"type":"content-delta","index":%d,"delta":{"message":{"content":{"text":'
)
_TEXT_TAIL: Final = b"}}}}\n\n"
_encode: Final = msgspec.json.Encoder().encode


class _Kind(Enum):
    TEXT = "text"
    THINKING = "thinking"
    CALL = "call"


class CohereStreamEncoder(PartEncoder):
    """Events in, a client's stream out, in whole server-sent events."""

    __slots__ = ("_asking", "_call_index", "_citations", "_early", "_index", "_indexes", "_kind", "_text_head")

    content_type: Final = EVENT_STREAM

    def __init__(self, asking: Asking) -> None:
        super().__init__()
        self._asking = asking
        self._kind = _Kind.TEXT
        self._index = -1  # of content
        self._indexes: dict[int, int] = {}  # of the parts that are content
        self._text_head = b""  # of a delta of the open item
        self._call_index = -1
        self._citations = 0
        self._early: dict[int, list[Citation]] = {}  # citations that came before their text: Cohere sends them after it

    def begin(self, event: AnswerBegan) -> None:
        message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        start = {"id": event.id or self._asking.id, "type": "message-start", "delta": {"message": message}}
        self._out.append(named_frame("message-start", start))

    def go_on(self, text: str) -> None:
        self._out.append(self._text_head + _encode(text) + _TEXT_TAIL)

    def write(self, event: PartEvent) -> None:
        match event:
            case TextAdded(_, part, text) | RefusalAdded(_, part, text):
                self._open_content(part, _Kind.TEXT)
                self.go_on(text)
            case CallAdded(_, _, arguments):
                self._send("tool-call-delta", self._call_index, {"tool_calls": {"function": {"arguments": arguments}}})
            case ThinkingAdded(_, part, text):
                self._open_content(part, _Kind.THINKING)
                self._send("content-delta", self._index, {"content": {"thinking": text}})
            case CallBegan(_, part, call_id, name):
                self._open_call(part, call_id, name)
            case CitationAdded(_, part, citation):
                if part in self._indexes:
                    self._cite(citation, self._indexes[part])
                else:
                    self._early.setdefault(part, []).append(citation)
            case ThinkingSealed() | MediaAdded() | NativeAdded():
                pass  # no event of the format holds it
            case _:
                assert_never(event)

    def _open_content(self, part: int, kind: _Kind) -> None:
        if part == self._open:
            return
        self._close()
        self._open = part
        self._kind = kind
        self._index += 1
        self._indexes[part] = self._index
        self._text_head = _TEXT_HEAD % self._index
        self._send("content-start", self._index, {"content": {"type": kind.value, kind.value: ""}})

    def _open_call(self, part: int, call_id: str, name: str) -> None:
        self._close()
        self._open = part
        self._kind = _Kind.CALL
        self._call_index += 1
        call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
        self._send("tool-call-start", self._call_index, {"tool_calls": call})

    def _cite(self, citation: Citation, index: int) -> None:
        self._send("citation-start", self._citations, {"citations": citation_value(citation, index)})
        self._send("citation-end", self._citations)
        self._citations += 1

    def _close(self) -> None:
        if self._open is None:
            return
        for citation in self._early.pop(self._open, ()):
            self._cite(citation, self._index)
        self._open = None
        if self._kind is _Kind.CALL:
            self._send("tool-call-end", self._call_index)
        else:
            self._send("content-end", self._index)

    def end(self, finish: Finish) -> None:
        self._close()
        delta = {"finish_reason": finish_word(finish), "usage": usage_value(self._usage)}
        self._out += (named_frame("message-end", {"type": "message-end", "delta": delta}), DONE)

    def fail(self, error: ProviderError) -> None:
        self._out += (stream_error(error.message), DONE)

    def _send(self, kind: str, index: int, message: dict[str, Any] | None = None) -> None:
        event: dict[str, Any] = {"type": kind, "index": index}
        if message is not None:
            event["delta"] = {"message": message}
        self._out.append(named_frame(kind, event))
