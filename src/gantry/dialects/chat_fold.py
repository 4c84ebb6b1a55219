"""The fold that turns a chat answer into a message: chunk by chunk, or the whole answer as its only chunk.

Law: `assemble(stream)` says the same as the answer that was not streamed; both go through `ChatFold.add`. A message
that came whole keeps its own bytes, so nothing of it that is not understood here is lost.
"""

from typing import Any

import msgspec

from gantry.dialects.call_fold import CallFold
from gantry.dialects.chat_chunk import ChoicePart, Chunk, MessagePart, ToolCallPart, has_value, read_message
from gantry.dialects.content_fold import ContentFold


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


class ChatFold:
    """A whole answer, whatever the number of its choices."""

    __slots__ = ("_streamed", "choices", "error", "model", "response_id", "service_tier", "usage")

    def __init__(self, *, streamed: bool) -> None:
        self._streamed = streamed
        self.choices: dict[int, ChoiceFold] = {}
        self.model: str | None = None
        self.response_id: str | None = None
        self.service_tier: str | None = None
        self.usage: bytes | None = None
        self.error: Chunk | None = None

    def add(self, chunk: Chunk) -> None:
        if chunk.model:
            self.model = chunk.model
        if chunk.id and self.response_id is None:
            self.response_id = chunk.id
        if chunk.service_tier:
            self.service_tier = chunk.service_tier
        usage = chunk.usage if has_value(chunk.usage) else chunk.usage_info
        if has_value(usage):
            self.usage = bytes(usage)
        elif chunk.x_groq is not None and has_value(chunk.x_groq.usage):
            self.usage = bytes(chunk.x_groq.usage)
        if has_value(chunk.error) or (not chunk.choices and (has_value(chunk.detail) or has_value(chunk.message))):
            self.error = chunk
        for choice in chunk.choices or ():
            fold = self.choices.get(choice.index)
            if fold is None:
                fold = self.choices[choice.index] = ChoiceFold()
            fold.add(choice, self._streamed)
