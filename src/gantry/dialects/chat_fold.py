"""The fold that turns a chat answer into a message: chunk by chunk, or the whole answer as its only chunk.

Law: `assemble(stream)` says the same as the answer that was not streamed; both go through `ChatFold.add`. A message
that came whole keeps its own bytes, so nothing of it that is not understood here is lost.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from gantry.dialects.call_fold import CallFold
from gantry.dialects.chat_chunk import has_value, read_chunk, read_message
from gantry.dialects.chat_shapes import ChoicePart, Chunk, MessagePart, ToolCallPart
from gantry.dialects.content_fold import ContentFold
from gantry.dialects.error_message import error_message
from gantry.dialects.fold import Answer, Envelope, encode


class ChoiceFold:
    """One choice as far as it came."""

    __slots__ = (
        "_reasoning",
        "_reasoning_key",
        "_refusal",
        "_role",
        "_whole",
        "calls",
        "content",
        "finish_reason",
    )

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self.content = ContentFold()
        self.calls = CallFold()
        self._role = "assistant"
        self._reasoning: list[str] = []
        self._reasoning_key = "reasoning_content"
        self._refusal: list[str] = []
        self._whole: bytes | None = None

    def add(self, choice: ChoicePart, streamed: bool) -> None:
        """Take a choice. Where a provider writes both a delta and a message, the delta adds up a stream."""
        if choice.finish_reason:
            self.finish_reason = choice.finish_reason
        if choice.delta is not None and (streamed or not has_value(choice.message)):
            self._whole = None
            self._add_part(choice.delta)
        elif has_value(choice.message):
            self._whole = bytes(choice.message)
            self._add_part(read_message(choice.message))
        elif choice.text is not None:
            self.content.add(choice.text)

    @property
    def reasoning(self) -> str:
        return "".join(self._reasoning) + self.content.thinking

    def message(self) -> bytes:
        """Return the message as JSON: as it was sent, or assembled from its deltas."""
        if self._whole is not None:
            return self._whole
        message: dict[str, Any] = {"role": self._role, "content": self.content.assembled()}
        if self._reasoning:
            message[self._reasoning_key] = "".join(self._reasoning)
        if self._refusal:
            message["refusal"] = "".join(self._refusal)
        if self.calls:
            message["tool_calls"] = self.calls.assembled()
        return msgspec.json.encode(message)

    def _add_part(self, part: MessagePart) -> None:
        if part.role:
            self._role = part.role
        if part.content is not None:
            self.content.add(part.content)
        if part.tool_calls:
            self.calls.add(part.tool_calls)
        elif part.function_call is not None:
            self.calls.add((ToolCallPart(index=0, type="function", function=part.function_call),))
        if part.refusal:
            self._refusal.append(part.refusal)
        # Gateways that write both spellings repeat the same text in them.
        if part.reasoning_content:
            self._reasoning.append(part.reasoning_content)
        elif part.reasoning:
            self._reasoning_key = "reasoning"
            self._reasoning.append(part.reasoning)


class ChatFold(Envelope):
    """A whole answer, whatever the number of its choices."""

    __slots__ = ("_streamed", "choices")

    def __init__(self, streamed: bool) -> None:
        super().__init__()
        self._streamed = streamed
        self.choices: dict[int, ChoiceFold] = {}

    def add(self, document: bytes) -> bool:
        chunk = read_chunk(document)
        if chunk is None:
            return False
        self.add_chunk(chunk)
        return True

    def add_chunk(self, chunk: Chunk) -> None:
        self.take(chunk)
        for choice in chunk.choices or ():
            fold = self.choices.get(choice.index)
            if fold is None:
                fold = self.choices[choice.index] = ChoiceFold()
            fold.add(choice, self._streamed)

    def answer(self, ended: bool, warnings: Iterable[str] = ()) -> Answer:
        choices = self.choices
        if not choices:
            return self.conclude(complete=ended, warnings=warnings)
        first = choices[min(choices)]
        messages = None
        if len(choices) > 1:
            messages = b"[" + b",".join(choices[index].message() for index in sorted(choices)) + b"]"
        return self.conclude(
            complete=ended or all(choice.finish_reason for choice in choices.values()),
            warnings=warnings,
            message=first.message(),
            messages=messages,
            tool_calls=encode(first.calls.assembled()) if first.calls else None,
            finish_reason=first.finish_reason,
            text=first.content.text,
            reasoning=first.reasoning,
        )

    def whole(self) -> bytes:
        choices = [
            {"index": index, "message": Raw(choice.message()), "finish_reason": choice.finish_reason}
            for index, choice in sorted(self.choices.items())
        ]
        error = {} if self.error is None else {"error": {"message": error_message(self.error)}}
        return encode({**self.members(), "object": "chat.completion", "choices": choices, **error})
