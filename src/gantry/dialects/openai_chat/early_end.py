"""Ending a stream of chunks, OpenAI's or Mistral's: a last chunk for each choice, the usage, `[DONE]`.

Law: the envelope is that of the stream's own chunks. Mistral tells the usage in the last chunk that finishes a choice;
OpenAI in one by itself, and only where the request asked for it.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect
from gantry.dialects.early_end import EventEarlyEnd
from gantry.dialects.frames import DONE, data_frame
from gantry.dialects.members import UNREADABLE
from gantry.dialects.openai_chat.usage import write_usage
from gantry.wire.sse import SSEEvent

_DONE: Final = b"[DONE]"
_LENGTH: Final = "length"
_ENVELOPE: Final = ("id", "object", "created", "model", "system_fingerprint", "service_tier", "provider")


class _Choice(Struct, gc=False):
    index: int | None = 0
    finish_reason: str | None = None


class _Chunk(Struct, gc=False):
    choices: list[_Choice] | None = None


class _Options(Struct, gc=False):
    include_usage: bool | None = None


class _Request(Struct, gc=False):
    stream_options: _Options | None = None


_decode: Final = msgspec.json.Decoder(_Chunk).decode
_decode_members: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_request: Final = msgspec.json.Decoder(_Request).decode


class ChunksEarlyEnd(EventEarlyEnd):
    """`request` is what the provider was asked."""

    __slots__ = ("_dialect", "_envelope", "_open", "_request")

    def __init__(self, dialect: Dialect, request: bytes) -> None:
        super().__init__()
        self._dialect = dialect
        self._request = request
        self._envelope: dict[str, Any] = {}
        self._open: dict[int, bool] = {}  # each choice that began, and whether it goes on

    def take(self, event: SSEEvent) -> None:
        if event.data.startswith(_DONE):
            self.finished = True
            return
        chunk = _decode(event.data)
        if chunk.choices and not self._envelope:
            members = _decode_members(event.data)
            self._envelope = {name: members[name] for name in _ENVELOPE if name in members}
        for choice in chunk.choices or ():
            index = choice.index or 0
            self._open[index] = self._open.get(index, True) and not choice.finish_reason
        self.finished = bool(self._open) and not any(self._open.values())

    def end(self, usage: Usage) -> bytes:
        unfinished = [index for index, goes_on in sorted(self._open.items()) if goes_on] or [0]
        is_mistral = self._dialect is Dialect.MISTRAL
        delta = {"content": ""} if is_mistral else {}
        chunks = [
            {**self._envelope, "choices": [{"index": index, "delta": delta, "finish_reason": _LENGTH}]}
            for index in unfinished
        ]
        if is_mistral:
            chunks[-1]["usage"] = write_usage(usage)
        elif self._tells_usage():
            chunks.append({**self._envelope, "choices": [], "usage": write_usage(usage)})
        return b"".join(map(data_frame, chunks)) + DONE

    def _tells_usage(self) -> bool:
        try:
            options = _decode_request(self._request).stream_options
        except UNREADABLE:
            return False
        return options is not None and options.include_usage is True
