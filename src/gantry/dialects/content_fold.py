"""The fold of a message's content: strings, and Mistral's lists of chunks, in any mixture over the deltas of a stream.

Law: neighbours of one kind are one chunk, whatever the fragments were; a chunk of a kind not known here is kept as it
was sent. Fragments stay in lists until the end, so a long answer is joined once and not once per delta.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Raw

from gantry.dialects.chat_chunk import decode_content_part
from gantry.dialects.chat_shapes import ContentPart
from gantry.dialects.members import UNREADABLE


class _Text:
    __slots__ = ("pieces",)

    def __init__(self) -> None:
        self.pieces: list[str] = []

    def assembled(self) -> dict[str, Any]:
        return {"type": "text", "text": "".join(self.pieces)}


class _Thinking:
    __slots__ = ("closed", "runs", "signature")

    def __init__(self) -> None:
        self.runs: list[_Text | Raw] = []
        self.signature: str | None = None
        self.closed: bool | None = None

    def add(self, item: ContentPart) -> Iterator[str]:
        """Take the thinking of one chunk and yield its texts."""
        for piece in _thinking_pieces(item):
            if isinstance(piece, Raw):
                self.runs.append(piece)
                continue
            last = self.runs[-1] if self.runs else None
            if not isinstance(last, _Text):
                last = _Text()
                self.runs.append(last)
            last.pieces.append(piece)
            yield piece
        self.signature = item.signature if item.signature is not None else self.signature
        self.closed = item.closed if item.closed is not None else self.closed

    def assembled(self) -> dict[str, Any]:
        runs = [run if isinstance(run, Raw) else run.assembled() for run in self.runs]
        chunk: dict[str, Any] = {"type": "thinking", "thinking": runs}
        if self.signature is not None:
            chunk["signature"] = self.signature
        if self.closed is not None:
            chunk["closed"] = self.closed
        return chunk


class ContentFold:
    """Content as far as it came. `text` is what a reader reads; thinking stands apart."""

    __slots__ = ("_chunks", "_seen", "_text", "_thinking")

    def __init__(self) -> None:
        self._seen = False
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._chunks: list[_Text | _Thinking | Raw] | None = None

    def add(self, content: str | list[Raw]) -> None:
        self._seen = True
        if isinstance(content, str):
            self._add_text(content)
        else:
            self._add_items(content)

    @property
    def text(self) -> str | None:
        return "".join(self._text) if self._seen else None

    @property
    def thinking(self) -> str:
        return "".join(self._thinking)

    def assembled(self) -> str | list[Any] | None:
        """Return the content as a whole message would carry it."""
        if self._chunks is None:
            return self.text
        return [chunk if isinstance(chunk, Raw) else chunk.assembled() for chunk in self._chunks]

    def _add_text(self, text: str) -> None:
        if not text:
            return
        self._text.append(text)
        if self._chunks is not None:
            last = self._chunks[-1] if self._chunks else None
            if not isinstance(last, _Text):
                last = _Text()
                self._chunks.append(last)
            last.pieces.append(text)

    def _add_items(self, items: Iterable[Raw]) -> None:
        if self._chunks is None:
            before = _Text()
            before.pieces = list(self._text)
            self._chunks = [before] if before.pieces else []
        for raw in items:
            item = _read_item(raw)
            if item.type == "text" and item.text is not None:
                self._add_text(item.text)
            elif item.type == "thinking":
                self._add_thinking(item, self._chunks)
            else:
                self._chunks.append(Raw(bytes(raw)))

    def _add_thinking(self, item: ContentPart, chunks: list[_Text | _Thinking | Raw]) -> None:
        last = chunks[-1] if chunks else None
        if not isinstance(last, _Thinking):
            last = _Thinking()
            chunks.append(last)
        self._thinking.extend(last.add(item))


def _thinking_pieces(item: ContentPart) -> Iterator[str | Raw]:
    if isinstance(item.thinking, str):
        yield item.thinking
        return
    for raw in item.thinking or ():
        inner = _read_item(raw)
        yield inner.text if inner.type == "text" and inner.text is not None else Raw(bytes(raw))


def _read_item(raw: Raw) -> ContentPart:
    try:
        return decode_content_part(raw)
    except UNREADABLE:
        return ContentPart()
