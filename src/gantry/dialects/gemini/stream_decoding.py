"""A stream of Gemini's: each event is a whole answer that holds a piece. It ends in silence; a `[DONE]` is borne."""

from typing import Final

from gantry.core.chat_events import ENDED, ChatEvent
from gantry.dialects.chat_decoder import ChatStreamDecoder
from gantry.dialects.gemini.answer_decoding import AnswerMachine
from gantry.dialects.gemini.answer_wire import decode_response
from gantry.wire.sse import SSEEvent

_DONE: Final = b"[DONE]"


class GeminiStreamDecoder(ChatStreamDecoder):
    __slots__ = ("_machine",)

    def __init__(self) -> None:
        super().__init__()
        self._machine = AnswerMachine()

    def decode(self, event: SSEEvent) -> list[ChatEvent]:
        if event.data == _DONE:
            return self.finish()
        return self._machine.take(decode_response(event.data))

    def finish(self) -> list[ChatEvent]:
        """Return the end: the answer's where a reason to finish was seen, else what is known of its usage."""
        events = self._machine.end()
        return [*events, ENDED] if self._machine.finished else events
