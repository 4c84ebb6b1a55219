"""Output items of a streamed response while they grow: what opens each, adds to it and closes it.

Law: an item's id, its place and all that was sent of it stay with it, so that what closes it, and the response that
ends the stream, say exactly what the deltas said.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from gantry.core.chat import Citation, Thinking, ToolCall
from gantry.dialects.responses.encode_answer import (
    NO_ARGUMENTS,
    Item,
    annotation,
    call_item,
    message_item,
    reasoning_item,
    text_part,
)
from gantry.dialects.responses.namespaces import Home

_encode: Final = msgspec.json.Encoder().encode


class Frames:
    """Named events with their sequence numbers."""

    __slots__ = ("_number", "pieces")

    def __init__(self, number: int = 0) -> None:
        self._number = number
        self.pieces: list[bytes] = []

    def add(self, name: str, /, **fields: Any) -> None:
        self.add_prepared(Prepared(name, fields), b"")

    def add_prepared(self, prepared: "Prepared", delta: bytes) -> None:
        self.pieces.append(b"%b%b%b%d}\n\n" % (prepared.head, delta, prepared.tail, self._number))
        self._number += 1

    def taken(self) -> bytes:
        pieces, self.pieces = self.pieces, []
        return b"".join(pieces)


class Prepared:
    """An event that comes many times, written once but for its delta and its number."""

    __slots__ = ("head", "tail")

    def __init__(self, name: str, fields: dict[str, Any], *, delta: bool = False) -> None:
        said = _encode({"type": name, **fields})[:-1]
        self.head = b"event: %b\ndata: %b" % (name.encode(), said)
        self.tail = b',"sequence_number":'
        if delta:
            self.head += b',"delta":'


class MessageDraft:
    """A message: texts and refusals, one of them open."""

    __slots__ = (
        "_annotations",
        "_citations",
        "_content",
        "_id",
        "_index",
        "_logprobs",
        "_pieces",
        "_prepared",
        "_refuses",
        "part",
    )

    def __init__(self, item_id: str, index: int, frames: Frames) -> None:
        self._id = item_id
        self._index = index
        self._content: list[Item] = []
        self.part: int | None = None
        frames.add("response.output_item.added", output_index=index, item=message_item(item_id, "in_progress", []))

    def open(self, part: int, frames: Frames, *, refuses: bool) -> None:
        """Begin a text or a refusal, closing the one before."""
        self.close_part(frames)
        self.part = part
        self._refuses = refuses
        self._pieces: list[str] = []
        self._citations: list[Citation] = []
        self._annotations: list[Any] = []
        self._logprobs: list[Raw] = []
        where = self._where()
        frames.add("response.content_part.added", **where, part=self._whole(""))
        if refuses:
            self._prepared = Prepared("response.refusal.delta", where, delta=True)
        else:
            self._prepared = Prepared("response.output_text.delta", {**where, "logprobs": []}, delta=True)

    def add(self, text: str, frames: Frames) -> None:
        self._pieces.append(text)
        frames.add_prepared(self._prepared, _encode(text))

    def cite(self, citation: Citation) -> None:
        """Keep a source until the text is done: one that does not say of which words is of all of them."""
        self._citations.append(citation)

    def add_logprobs(self, entries: list[Raw]) -> None:
        """Keep log probabilities until the text is done: they come after the delta they belong to."""
        self._logprobs += entries

    def close_part(self, frames: Frames) -> None:
        if self.part is None:
            return
        where = self._where()
        text = "".join(self._pieces)
        self._annotations = [annotation(citation, len(text)) for citation in self._citations]
        for number, source in enumerate(self._annotations):
            frames.add("response.output_text.annotation.added", **where, annotation_index=number, annotation=source)
        whole = self._whole(text)
        if self._refuses:
            frames.add("response.refusal.done", **where, refusal=text)
        else:
            frames.add("response.output_text.done", **where, text=text, logprobs=self._logprobs)
        frames.add("response.content_part.done", **where, part=whole)
        self._content.append(whole)
        self.part = None

    def close(self, frames: Frames, status: str) -> Item:
        self.close_part(frames)
        item = message_item(self._id, status, self._content)
        frames.add("response.output_item.done", output_index=self._index, item=item)
        return item

    def _where(self) -> dict[str, Any]:
        return {"item_id": self._id, "output_index": self._index, "content_index": len(self._content)}

    def _whole(self, text: str) -> Item:
        if self._refuses:
            return {"type": "refusal", "refusal": text}
        return text_part(text, self._annotations, self._logprobs)


class ReasoningDraft:
    """A reasoning, shown as one part of a summary."""

    __slots__ = ("_id", "_index", "_pieces", "_prepared", "_sealed", "part")

    def __init__(self, item_id: str, index: int, part: int, frames: Frames) -> None:
        self._id = item_id
        self._index = index
        self._pieces: list[str] = []
        self._prepared: Prepared | None = None
        self._sealed = Thinking()
        self.part = part
        frames.add("response.output_item.added", output_index=index, item=reasoning_item(item_id, self._sealed))

    def add(self, text: str, frames: Frames) -> None:
        if self._prepared is None:
            where = self._where()
            frames.add("response.reasoning_summary_part.added", **where, part={"type": "summary_text", "text": ""})
            self._prepared = Prepared("response.reasoning_summary_text.delta", where, delta=True)
        self._pieces.append(text)
        frames.add_prepared(self._prepared, _encode(text))

    def seal(self, sealed: Thinking) -> None:
        self._sealed = sealed

    def close(self, frames: Frames) -> Item:
        text = "".join(self._pieces)
        if self._prepared is not None:
            where = self._where()
            frames.add("response.reasoning_summary_text.done", **where, text=text)
            frames.add("response.reasoning_summary_part.done", **where, part={"type": "summary_text", "text": text})
        item = reasoning_item(self._id, msgspec.structs.replace(self._sealed, text=text))
        frames.add("response.output_item.done", output_index=self._index, item=item)
        return item

    def _where(self) -> dict[str, Any]:
        return {"item_id": self._id, "output_index": self._index, "summary_index": 0}


class CallDraft:
    """A call of a tool. Calls grow side by side."""

    __slots__ = ("_call", "_home", "_id", "_index", "_pieces", "_prepared")

    def __init__(self, item_id: str, index: int, call: ToolCall, frames: Frames, home: Home | None) -> None:
        self._id = item_id
        self._index = index
        self._call = call
        self._home = home
        self._pieces: list[str] = []
        name = "response.custom_tool_call_input.delta" if call.custom else "response.function_call_arguments.delta"
        self._prepared = Prepared(name, self._where(), delta=True)
        begun = call_item(item_id, call, "in_progress", home)
        begun["input" if call.custom else "arguments"] = ""
        frames.add("response.output_item.added", output_index=index, item=begun)

    def add(self, arguments: str, frames: Frames) -> None:
        self._pieces.append(arguments)
        frames.add_prepared(self._prepared, _encode(arguments))

    def close(self, frames: Frames, status: str) -> Item:
        if not self._pieces and not self._call.custom:
            self.add(NO_ARGUMENTS, frames)
        said = "".join(self._pieces)
        if self._call.custom:
            frames.add("response.custom_tool_call_input.done", **self._where(), input=said)
        else:
            name = self._call.name if self._home is None else self._home.name
            frames.add("response.function_call_arguments.done", **self._where(), name=name, arguments=said)
        item = call_item(self._id, msgspec.structs.replace(self._call, arguments=said), status, self._home)
        frames.add("response.output_item.done", output_index=self._index, item=item)
        return item

    def _where(self) -> dict[str, Any]:
        return {"item_id": self._id, "output_index": self._index}
