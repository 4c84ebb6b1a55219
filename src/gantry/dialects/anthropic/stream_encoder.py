"""A stream for a client of Anthropic's: one block at a time, numbered in order, with `message_delta` at the end.

Law: a block once closed is never written to again, so parts go out in turn (`calls_in_turn`). What comes after the
finish (OpenAI's usage) is waited for: the end is written with `AnswerEnded`. Usage that is unknown at the start is 0
there, and whole in `message_delta`, which SDKs take over.
https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

from collections.abc import Iterable
from enum import Enum, auto
from typing import Any, Final, assert_never

import msgspec
from msgspec import Raw

from gantry.core.chat import Citation, Finish, Thinking
from gantry.core.chat_events import (
    AnswerBegan,
    AnswerEnded,
    AnswerFailed,
    CallAdded,
    CallBegan,
    ChatEvent,
    ChoiceFinished,
    CitationAdded,
    LogprobsAdded,
    MediaAdded,
    NativeAdded,
    PartEvent,
    RefusalAdded,
    TextAdded,
    ThinkingAdded,
    ThinkingSealed,
    UsageReported,
)
from gantry.core.usage import NO_USAGE
from gantry.core.vocabulary import Dialect
from gantry.dialects.anthropic.answer import message_head
from gantry.dialects.anthropic.citations import write_citation
from gantry.dialects.anthropic.errors import error_body
from gantry.dialects.anthropic.finish import stop_reason
from gantry.dialects.anthropic.signature import write_signature
from gantry.dialects.anthropic.usage import write_usage
from gantry.dialects.assemble import merge_usage
from gantry.dialects.calls_in_turn import CallsInTurn
from gantry.dialects.codec import Asking
from gantry.dialects.frames import EVENT_STREAM, named_frame
from gantry.dialects.tool_terms import arguments_object, plain_tool_id

_DELTA_HEAD: Final = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":'
_TEXT: Final = b'{"type":"text_delta","text":'
_THINKING: Final = b'{"type":"thinking_delta","thinking":'
_ARGUMENTS: Final = b'{"type":"input_json_delta","partial_json":'
_SIGNATURE: Final = b'{"type":"signature_delta","signature":'
_DELTA_TAIL: Final = b"}}\n\n"
_MESSAGE_STOP: Final = named_frame("message_stop", {"type": "message_stop"})
_encode_text: Final = msgspec.json.Encoder().encode


class _State(Enum):
    NEW = auto()  # nothing is written
    BEGUN = auto()  # AnswerBegan was seen, `message_start` waits for the usage that may come with it
    STARTED = auto()
    OVER = auto()


_NEW, _BEGUN, _STARTED, _OVER = _State  # Python 3.11 reads an enum's member through a descriptor


class _Call:
    """The open block of a call: its arguments so far, and whether they are written as they come or at its end."""

    __slots__ = ("live", "pieces")

    def __init__(self, custom: bool) -> None:
        self.pieces: list[str] = []
        self.live: bool | None = False if custom else None


class AnthropicStreamEncoder:
    __slots__ = (
        "_asking",
        "_began",
        "_call",
        "_called",
        "_finish",
        "_head",
        "_in_turn",
        "_index",
        "_open",
        "_past",
        "_state",
        "_usage",
    )

    content_type = EVENT_STREAM

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._state = _NEW
        self._began = AnswerBegan()
        self._usage = NO_USAGE
        self._finish: Finish | None = None
        self._called = False
        self._index = 0  # of the open block, or of the next one
        self._head = b""  # of a delta of the open block
        self._open: int | None = None  # the part whose block is open
        self._call: _Call | None = None  # when it is a call's
        self._past = -1  # the last part whose block is closed
        self._in_turn = CallsInTurn()

    def feed(self, events: Iterable[ChatEvent]) -> bytes:
        """Return the events that these come to."""
        out: list[bytes] = []
        for event in events:
            if self._state is _OVER:
                break
            if type(event) is TextAdded and event.part == self._open and event.choice == 0 and event.text:
                out.append(self._delta(_TEXT, event.text))  # what streams are made of
            else:
                self._take(event, out)
        if self._state is _BEGUN:
            self._start(out)
        return b"".join(out)

    def _take(self, event: ChatEvent, out: list[bytes]) -> None:
        match event:
            case TextAdded() | CallAdded() | ThinkingAdded() | CallBegan() | CitationAdded():
                self._add(event, out)
            case ThinkingSealed() | RefusalAdded() | NativeAdded() | MediaAdded():
                self._add(event, out)
            case AnswerBegan():
                self._began = event
                self._state = _BEGUN
            case UsageReported(usage):
                self._usage = merge_usage(self._usage, usage)
            case ChoiceFinished(0, finish):
                self._finish = finish
            case AnswerEnded():
                self._end(out)
            case AnswerFailed(error):
                self._state = _OVER
                out.append(named_frame("error", error_body(error)))
            case ChoiceFinished() | LogprobsAdded():
                pass  # no slot for them
            case _:
                assert_never(event)

    def _start(self, out: list[bytes]) -> None:
        self._state = _STARTED
        began = self._began
        message = {
            **message_head(began.id, began.model, self._asking),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(self._usage, began.service_tier),
        }
        out.append(named_frame("message_start", {"type": "message_start", "message": message}))

    def _add(self, event: PartEvent, out: list[bytes]) -> None:
        if event.choice != 0:
            return
        if self._state is not _STARTED:
            self._start(out)
        for allowed in self._in_turn.take(event):
            self._write(allowed, out)

    def _write(self, event: PartEvent, out: list[bytes]) -> None:
        if event.part != self._open:
            if event.part <= self._past:
                return  # a source that comes too late: its text's block is closed
            self._close(out)
        match event:
            case TextAdded(_, part, text) | RefusalAdded(_, part, text):
                if not text:
                    return
                self._open_text(part, out)
                out.append(self._delta(_TEXT, text))
            case CallAdded(_, _, arguments):
                if self._call is not None:
                    self._add_arguments(self._call, arguments, out)
            case CallBegan():
                self._open_call(event, out)
            case ThinkingAdded(_, part, text):
                self._open_thinking(part, out)
                out.append(self._delta(_THINKING, text))
            case ThinkingSealed():
                self._seal(event, out)
            case CitationAdded(_, part, citation):
                self._cite(part, citation, out)
            case NativeAdded(_, part, dialect, raw):
                if dialect is Dialect.ANTHROPIC:
                    self._begin_block(part, raw, out)
            case MediaAdded():
                pass  # no block holds it
            case _:
                assert_never(event)

    def _begin_block(self, part: int, block: dict[str, Any] | Raw, out: list[bytes]) -> None:
        event = {"type": "content_block_start", "index": self._index, "content_block": block}
        out.append(named_frame("content_block_start", event))
        self._head = _DELTA_HEAD % self._index
        self._open = part

    def _open_text(self, part: int, out: list[bytes]) -> None:
        if self._open is None:
            self._begin_block(part, {"type": "text", "text": ""}, out)

    def _open_thinking(self, part: int, out: list[bytes]) -> None:
        if self._open is None:
            self._begin_block(part, {"type": "thinking", "thinking": "", "signature": ""}, out)

    def _open_call(self, event: CallBegan, out: list[bytes]) -> None:
        self._called = True
        self._call = _Call(event.custom)
        block = {"type": "tool_use", "id": plain_tool_id(event.id), "name": event.name, "input": {}}
        self._begin_block(event.part, block, out)

    def _add_arguments(self, call: _Call, arguments: str, out: list[bytes]) -> None:
        call.pieces.append(arguments)
        if call.live is None and (begun := arguments.lstrip()):
            # SDKs parse what they have so far and raise on anything but an object.
            call.live = begun.startswith("{")
        if call.live:
            out.append(self._delta(_ARGUMENTS, arguments))

    def _seal(self, event: ThinkingSealed, out: list[bytes]) -> None:
        if event.dialect is Dialect.ANTHROPIC and event.sealed is not None:
            if self._open is None:
                self._begin_block(event.part, {"type": "redacted_thinking", "data": event.sealed}, out)
            return
        signature = write_signature(Thinking("", event.signature, event.sealed, event.dialect, event.id))
        if signature:
            self._open_thinking(event.part, out)
            out.append(self._delta(_SIGNATURE, signature))

    def _cite(self, part: int, citation: Citation, out: list[bytes]) -> None:
        written = write_citation(citation)
        if written is not None:
            self._open_text(part, out)
            delta = {"type": "citations_delta", "citation": written}
            event = {"type": "content_block_delta", "index": self._index, "delta": delta}
            out.append(named_frame("content_block_delta", event))

    def _close(self, out: list[bytes]) -> None:
        if self._open is None:
            return
        call = self._call
        if call is not None and not call.live and (text := "".join(call.pieces).strip()):
            given = bytes(arguments_object(text)).decode()
            out.append(self._delta(_ARGUMENTS, given))
        out.append(b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n' % self._index)
        self._past = max(self._past, self._open)
        self._index += 1
        self._open = self._call = None

    def _end(self, out: list[bytes]) -> None:
        if self._state is not _STARTED:
            self._start(out)
        for waiting in self._in_turn.rest():
            self._write(waiting, out)
        self._close(out)
        finish = self._finish
        delta = {
            "stop_reason": stop_reason(finish, calls=self._called),
            "stop_sequence": None if finish is None else finish.sequence,
        }
        usage = write_usage(self._usage)
        out.append(named_frame("message_delta", {"type": "message_delta", "delta": delta, "usage": usage}))
        out.append(_MESSAGE_STOP)
        self._state = _OVER

    def _delta(self, kind: bytes, text: str) -> bytes:
        """Return a delta of the open block: an object that `kind` begins and a text ends."""
        return self._head + kind + _encode_text(text) + _DELTA_TAIL
