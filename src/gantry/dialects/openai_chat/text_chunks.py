"""Chunks of a stream that differ from the one before in their text alone: they need no reading.

Law: nothing is guessed. A chunk is such a one when it is, byte for byte, the chunk before it with another JSON string
in the place of its text; so it says the same but for that string. Most chunks of most streams are. What pads a chunk to
hide the length of its text (Mistral's `p`, OpenAI's `obfuscation`) says nothing and may differ too.
"""

import re
from typing import Final

import msgspec

from gantry.core.chat_events import ChatEvent, TextAdded
from gantry.dialects.chat_chunk import UNREADABLE

_KEY: Final = b'"content":'
_padding: Final = re.compile(rb',"(?:p|obfuscation)":"\w*"\}').fullmatch
_decode_text: Final = msgspec.json.Decoder(str).decode


class TextChunks:
    """What the last chunk of text had before its text and behind it, and where its text went."""

    __slots__ = ("_choice", "_head", "_part", "_tail")

    def __init__(self) -> None:
        self._head = b""  # nothing was learned
        self._tail = b""
        self._choice = 0
        self._part = 0

    def read(self, data: bytes) -> TextAdded | None:
        """Return the text of a chunk; None when it has to be read."""
        head, tail = self._head, self._tail
        if not head or not data.startswith(head):
            return None
        said = _unpadded(data)
        if not said.endswith(tail):
            return None
        try:
            text = _decode_text(said[len(head) : -len(tail)])
        except UNREADABLE:
            return None
        return TextAdded(self._choice, self._part, text) if text else None

    def learn(self, data: bytes, events: list[ChatEvent]) -> None:
        """Remember a chunk that was read, if all that it says is a text."""
        self._head = b""
        if len(events) != 1 or not isinstance(events[0], TextAdded) or data.count(_KEY) != 1:
            return
        event, said = events[0], _unpadded(data)
        head, key, rest = said.partition(_KEY)
        written = msgspec.json.encode(event.text)
        if rest.startswith(written):
            self._head, self._tail = head + key, rest[len(written) :]
            self._choice, self._part = event.choice, event.part


def _unpadded(data: bytes) -> bytes:
    if data.endswith(b'"}'):
        place = data.rfind(b',"')
        if _padding(data, place):
            return data[:place]
    return data
