"""What the folds of all operations share: the answer they come to, and the envelope around what was said.

Law: a fold takes an answer document by document, a stream's events or a whole answer as its only one, and comes to the
same `Answer` either way. It never raises, and what it does not understand it passes over.
"""

from collections.abc import Iterable
from typing import Final, Protocol

import msgspec
from msgspec import Raw, Struct

from gantry.core.usage import NO_USAGE, Usage
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.chat_shapes import Chunk
from gantry.dialects.error_message import error_message
from gantry.dialects.usage import read_usage_and_terms


class BatchResult(Struct, frozen=True, gc=False):
    """One answered request of a batch. Its id is the same whenever the results are read."""

    id: str
    model: str | None
    service_tier: str | None
    usage: Usage


class Answer(Struct, frozen=True, gc=False):
    """What an answer says. `text` and `reasoning` are for reading and estimating; `message` is what is kept."""

    model: str | None = None
    response_id: str | None = None
    service_tier: str | None = None
    usage: Usage = NO_USAGE
    usage_raw: str | None = None
    message: str | None = None  # of choice 0, as JSON; of what is no chat, its readable form
    messages: str | None = None  # of every choice, as a JSON list, when there are several
    tool_calls: str | None = None  # of choice 0, as a JSON list
    finish_reason: str | None = None
    text: str | None = None
    reasoning: str | None = None
    error: str | None = None
    complete: bool = False  # the answer came to its end
    warnings: tuple[str, ...] = ()
    results: tuple[BatchResult, ...] = ()  # each priced for itself; `usage` is their sum


EMPTY_ANSWER: Final = Answer()


class Fold(Protocol):
    """An answer as far as it came."""

    def add(self, document: bytes) -> bool:
        """Take one document; False when it is not a JSON object."""

    def answer(self, ended: bool, warnings: Iterable[str] = ()) -> Answer:
        """Return what was said. `ended`: the bytes came to the end that their framing has."""

    def whole(self) -> bytes:
        """Return the answer as it would have come unstreamed."""


class Envelope:
    """Who answered, under which id, what it used, and the error, if it was one."""

    __slots__ = ("error", "model", "response_id", "service_tier", "usage")

    def __init__(self) -> None:
        self.model: str | None = None
        self.response_id: str | None = None
        self.service_tier: str | None = None
        self.usage: bytes | None = None
        self.error: Chunk | None = None

    def take(self, chunk: Chunk) -> None:
        """Take the envelope of a document: later values win, but for the id."""
        if chunk.model:
            self.model = chunk.model
        if chunk.id and self.response_id is None:
            self.response_id = chunk.id
        if chunk.service_tier:
            self.service_tier = chunk.service_tier
        if has_value(chunk.usage):
            self.usage = bytes(chunk.usage)
        elif has_value(chunk.usage_info):
            self.usage = bytes(chunk.usage_info)
        elif chunk.x_groq is not None and has_value(chunk.x_groq.usage):
            self.usage = bytes(chunk.x_groq.usage)
        if has_value(chunk.error) or (not chunk.choices and (has_value(chunk.detail) or has_value(chunk.message))):
            self.error = chunk

    def conclude(
        self,
        *,
        complete: bool,
        warnings: Iterable[str] = (),
        message: bytes | str | None = None,
        messages: bytes | None = None,
        tool_calls: bytes | None = None,
        finish_reason: str | None = None,
        text: str | None = None,
        reasoning: str | None = None,
    ) -> Answer:
        """Return the answer of this envelope with this in it."""
        usage, usage_raw, service_tier = NO_USAGE, None, self.service_tier
        if self.usage is not None:
            usage, terms, problems = read_usage_and_terms(self.usage)
            service_tier = terms or service_tier
            usage_raw = self.usage.decode("utf-8", "replace")
            warnings = (*warnings, *problems)
        return Answer(
            self.model,
            self.response_id,
            service_tier,
            usage,
            usage_raw,
            as_text(message),
            None if messages is None else as_text(messages),
            None if tool_calls is None else as_text(tool_calls),
            finish_reason,
            text,
            reasoning or None,
            error_message(self.error) if self.error is not None else None,
            complete and self.error is None,
            tuple(warnings),
        )

    def members(self) -> dict[str, object]:
        """Return the envelope's members as a whole answer carries them."""
        found = {
            "id": self.response_id,
            "model": self.model,
            "service_tier": self.service_tier,
            "usage": None if self.usage is None else Raw(self.usage),
        }
        return {name: value for name, value in found.items() if value is not None}


def as_text(data: bytes | str | None) -> str | None:
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else data


encode: Final = msgspec.json.Encoder().encode
