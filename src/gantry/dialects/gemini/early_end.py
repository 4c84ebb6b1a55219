"""Ending a stream of Gemini's: a last piece with the reason and the usage. Nothing follows it."""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.usage import Usage
from gantry.dialects.early_end import EventEarlyEnd
from gantry.dialects.gemini.usage import encode_usage
from gantry.dialects.members import NULL
from gantry.wire.sse import SSEEvent

_ABOUT: Final = ("modelVersion", "createTime", "responseId")


class _Candidate(Struct, rename="camel", gc=False):
    index: int | None = None
    finish_reason: str | int | None = None


class _Piece(Struct, gc=False):
    candidates: list[_Candidate] | None = None
    error: Raw = NULL


_decode: Final = msgspec.json.Decoder(_Piece).decode
_decode_members: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_encode: Final = msgspec.json.Encoder().encode


class GeminiEarlyEnd(EventEarlyEnd):
    __slots__ = ("_about", "_open")

    notes_texts = True  # the last of them may say that it is the last

    def __init__(self) -> None:
        super().__init__()
        self._about: dict[str, Any] = {}
        self._open: dict[int, bool] = {}  # each candidate that began, and whether it goes on

    def take(self, event: SSEEvent) -> None:
        piece = _decode(event.data)
        if piece.error != NULL:
            self.finished = True
            return
        if not self._about:
            members = _decode_members(event.data)
            self._about = {name: members[name] for name in _ABOUT if name in members}
        for number, candidate in enumerate(piece.candidates or ()):
            index = number if candidate.index is None else candidate.index
            self._open[index] = self._open.get(index, True) and candidate.finish_reason is None
        self.finished = bool(self._open) and not any(self._open.values())

    def end(self, usage: Usage) -> bytes:
        candidates = [
            {"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "MAX_TOKENS", "index": index}
            for index, goes_on in sorted(self._open.items() or [(0, True)])
            if goes_on
        ]
        piece = {"candidates": candidates, "usageMetadata": encode_usage(usage) or {}, **self._about}
        return b"data: %b\r\n\r\n" % _encode(piece)
