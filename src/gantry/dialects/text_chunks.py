"""Events of a stream that differ from the one before in their text alone: they need no reading.

Law: nothing is guessed. An event is such a one when it is, byte for byte, the event before it with another JSON string
in the place of its text; so it says the same but for that string. Most events of most streams are. What pads an event
to hide the length of its text (Mistral's `p`, OpenAI's `obfuscation`) says nothing and may differ too.
"""

import re
from typing import Final

import msgspec

from gantry.core.chat_events import ChatEvent, TextAdded
from gantry.dialects.members import UNREADABLE, decode_text

_MOST_IN_VAIN: Final = 8
_padding: Final = re.compile(rb',"(?:p|obfuscation)":"\w*"\}').fullmatch
_encode: Final = msgspec.json.Encoder().encode


class TextChunks:
    """What the last event of text had before its text and behind it, and where its text went.

    `key` is the name of the member that holds a text, as the format writes it: `"content":`.
    """

    __slots__ = ("_choice", "_head", "_in_vain", "_key", "_part", "_tail")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._head = b""  # nothing was learned
        self._tail = b""
        self._choice = 0
        self._part = 0
        self._in_vain = 0  # events learned since one was told by what was learned

    def read(self, data: bytes) -> TextAdded | None:
        """Return the text of an event; None when it has to be read."""
        head, tail = self._head, self._tail
        if not head or not data.startswith(head):
            return None
        said = _unpadded(data)
        if not said.endswith(tail):
            return None
        try:
            text = decode_text(said[len(head) : -len(tail)])
        except UNREADABLE:
            return None
        self._in_vain = 0
        return TextAdded(self._choice, self._part, text) if text else None

    def learn(self, data: bytes, events: list[ChatEvent]) -> None:
        """Remember an event that was read, if all that it says is a text. Not for ever where no two are alike."""
        self._head = b""
        if len(events) != 1 or self._in_vain > _MOST_IN_VAIN:
            return
        event = events[0]
        if not isinstance(event, TextAdded) or data.count(self._key) != 1:
            return
        head, key, rest = _unpadded(data).partition(self._key)
        written = _encode(event.text)
        if rest.startswith(written):
            self._in_vain += 1
            self._head, self._tail = head + key, rest[len(written) :]
            self._choice, self._part = event.choice, event.part


def _unpadded(data: bytes) -> bytes:
    if data.endswith(b'"}'):
        place = data.rfind(b',"')
        if _padding(data, place):
            return data[:place]
    return data
