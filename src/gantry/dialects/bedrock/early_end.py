"""Ending a stream of Converse: `messageStop` says why, and `metadata` what was used. An open block ends with it."""

from typing import Any, Final

import msgspec

from gantry.core.usage import Usage
from gantry.dialects.bedrock.usage import usage_value
from gantry.dialects.early_end import EarlyEnd
from gantry.wire.aws_event_stream import EventStreamParser, encode_message, text_headers

_LAST: Final = ("messageStop", "metadata")
_encode: Final = msgspec.json.Encoder().encode


class BedrockEarlyEnd(EarlyEnd):
    __slots__ = ("_parser",)

    def __init__(self) -> None:
        super().__init__()
        self._parser = EventStreamParser()

    def see(self, data: bytes) -> None:
        for message in self._parser.feed(data):
            if message.text(":message-type") != "event" or message.text(":event-type") in _LAST:
                self.finished = True
        if self._parser.fault is not None:
            self.finished = True

    def end(self, usage: Usage) -> bytes:
        metadata = {"usage": usage_value(usage), "metrics": {"latencyMs": 0}}
        return _message("messageStop", {"stopReason": "max_tokens"}) + _message("metadata", metadata)


def _message(kind: str, payload: dict[str, Any]) -> bytes:
    headers = text_headers(((":event-type", kind), (":content-type", "application/json"), (":message-type", "event")))
    return encode_message(headers, _encode(payload))
