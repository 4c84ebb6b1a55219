"""Ending a stream of Anthropic's: its open blocks are closed, `message_delta` says why, and `message_stop` follows.

Deltas are what streams are made of, and say nothing of where they stand: they are not read.
"""

from typing import Final

import msgspec
from msgspec import Struct

from gantry.core.usage import Usage
from gantry.dialects.anthropic.usage import write_usage
from gantry.dialects.early_end import EventEarlyEnd
from gantry.dialects.frames import named_frame
from gantry.wire.sse import SSEEvent

_DELTA: Final = b"content_block_delta"


class _Delta(Struct, gc=False):
    stop_reason: str | None = None


class _Event(Struct, gc=False):
    type: str
    index: int = 0
    delta: _Delta | None = None


_decode: Final = msgspec.json.Decoder(_Event).decode


class AnthropicEarlyEnd(EventEarlyEnd):
    __slots__ = ("_open",)

    def __init__(self) -> None:
        super().__init__()
        self._open: set[int] = set()

    def take(self, event: SSEEvent) -> None:
        if event.event == _DELTA:
            return
        found = _decode(event.data)
        match found.type:
            case "content_block_start":
                self._open.add(found.index)
            case "content_block_stop":
                self._open.discard(found.index)
            case "message_delta":
                self.finished = found.delta is not None and found.delta.stop_reason is not None
            case "message_stop" | "error":
                self.finished = True

    def end(self, usage: Usage) -> bytes:
        stops = [
            named_frame("content_block_stop", {"type": "content_block_stop", "index": index})
            for index in sorted(self._open)
        ]
        delta = {"stop_reason": "max_tokens", "stop_sequence": None}
        counts = write_usage(usage)
        last = named_frame("message_delta", {"type": "message_delta", "delta": delta, "usage": counts})
        return b"".join((*stops, last, named_frame("message_stop", {"type": "message_stop"})))
