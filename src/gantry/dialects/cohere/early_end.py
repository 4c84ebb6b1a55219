"""Ending a stream of Cohere's: `message-end` says why, and what was used. Parts that are open end with it."""

from typing import Final

import msgspec
from msgspec import Struct

from gantry.core.usage import Usage
from gantry.dialects.cohere.usage import usage_value
from gantry.dialects.early_end import EventEarlyEnd
from gantry.dialects.frames import DONE, named_frame
from gantry.wire.sse import SSEEvent

_DONE: Final = b"[DONE]"


class _Event(Struct, gc=False):
    type: str = ""


_decode: Final = msgspec.json.Decoder(_Event).decode


class CohereEarlyEnd(EventEarlyEnd):
    __slots__ = ()

    def take(self, event: SSEEvent) -> None:
        if event.data.startswith(_DONE) or _decode(event.data).type in ("message-end", ""):
            self.finished = True

    def end(self, usage: Usage) -> bytes:
        delta = {"finish_reason": "MAX_TOKENS", "usage": usage_value(usage)}
        return named_frame("message-end", {"type": "message-end", "delta": delta}) + DONE
