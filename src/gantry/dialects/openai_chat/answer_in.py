"""An answer of a provider that speaks OpenAI's format or Mistral's, read into events: a chunk, or a whole one.

Law: one machine reads both deliveries, so a stream assembles to the answer that came whole, and one reader serves
every provider: the same keys mean the same things, and a spelling that nobody sends costs nothing.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.chat import ChatAnswer, ProviderError
from gantry.core.chat_events import ENDED, AnswerBegan, AnswerFailed, ChatEvent, UsageReported
from gantry.core.errors import UpstreamBroke
from gantry.core.usage import NO_USAGE
from gantry.core.vocabulary import Dialect
from gantry.dialects.assemble import Assembly
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.chat_decoder import ChatStreamDecoder
from gantry.dialects.chat_shapes import ABSENT, Chunk, GroqPart
from gantry.dialects.error_message import error_message
from gantry.dialects.members import UNREADABLE
from gantry.dialects.openai_chat.annotations import read_searched
from gantry.dialects.openai_chat.choice_in import ChoiceIn, ChoiceReader
from gantry.dialects.openai_chat.errors import read_stream_error
from gantry.dialects.usage import read_usage
from gantry.wire.sse import SSEEvent

_DONE: Final = b"[DONE]"
_NUMBER: Final = (int, float)
_NULL: Final = len("null")  # a longer member is there and says something
_STOPPED: Final = ProviderError(502, "the model stopped with an error")


class AnswerIn(Struct, gc=False):
    """A chunk of a stream, or a whole answer."""

    id: str | None = None
    model: str | None = None
    created: int | float | str | None = None
    choices: list[ChoiceIn] | None = None
    usage: Raw = ABSENT
    x_groq: GroqPart | None = None
    service_tier: str | None = None
    citations: Raw = ABSENT
    search_results: Raw = ABSENT
    error: Raw = ABSENT
    message: Raw = ABSENT
    detail: Raw = ABSENT


_decode: Final = msgspec.json.Decoder(AnswerIn).decode


class AnswerReader:
    """An answer as far as it came."""

    __slots__ = ("_began", "_choices", "_dialect", "_id", "_results", "_streamed", "_urls", "is_stopped")

    def __init__(self, dialect: Dialect, *, streamed: bool) -> None:
        self._dialect = dialect
        self._streamed = streamed
        self._began = False
        self._id = ""
        self._choices: dict[int, ChoiceReader] = {}
        self._urls = ABSENT
        self._results = ABSENT
        self.is_stopped = False  # by an error, of which a stream says no more than the word

    @property
    def is_finished(self) -> bool:
        return bool(self._choices) and all(choice.finished for choice in self._choices.values())

    def take(self, given: AnswerIn) -> list[ChatEvent]:
        """Return what a chunk adds, or what a whole answer says."""
        events: list[ChatEvent] = []
        if not self._began and (given.id or given.choices):
            self._begin(given, events)
        if given.citations is not ABSENT or given.search_results is not ABSENT:
            self._urls, self._results = given.citations, given.search_results
        for choice in given.choices or ():
            index = choice.index or 0
            reader = self._choices.get(index)
            if reader is None:
                reader = self._choices[index] = ChoiceReader(self._dialect, self._id, index, streamed=self._streamed)
            has_sources = self._urls is not ABSENT or self._results is not ABSENT
            if has_sources and choice.finish_reason and index == 0 and not reader.finished:
                reader.add_sources(read_searched(self._urls, self._results))
            reader.take(choice, events)
            if choice.finish_reason == "error":
                self.is_stopped = True
        if len(given.usage) > _NULL or given.x_groq is not None:
            _report_usage(given, events)
        return events

    def _begin(self, given: AnswerIn, events: list[ChatEvent]) -> None:
        self._began = True
        self._id = given.id or ""
        created = int(given.created) if isinstance(given.created, _NUMBER) else None
        events.append(AnswerBegan(given.id or None, given.model or None, created, given.service_tier))


class FamilyStreamDecoder(ChatStreamDecoder):
    """A stream of chunks in, events out; for OpenAI's format and for Mistral's."""

    __slots__ = ("_reader",)

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(text_key=b'"content":')
        self._reader = AnswerReader(dialect, streamed=True)

    def decode(self, event: SSEEvent) -> list[ChatEvent]:
        data = event.data
        if data.startswith(_DONE):
            return [ENDED]
        given = _decode(data)
        events = self._reader.take(given)
        if given.error is not ABSENT or given.choices is None or self._reader.is_stopped:
            failure = self._failure_in(given, data)
            if failure is not None:
                events.append(AnswerFailed(failure))
        return events

    def _failure_in(self, given: AnswerIn, data: bytes) -> ProviderError | None:
        if has_value(given.error) or (given.choices is None and _sentence(given) is not None):
            return read_stream_error(data)
        return _STOPPED if self._reader.is_stopped else None

    def finish(self) -> list[ChatEvent]:
        return [ENDED] if self._reader.is_finished else []


def decode_answer(dialect: Dialect, body: bytes) -> ChatAnswer:
    """Return a whole answer. Raises UpstreamBroke when it is none."""
    try:
        given = _decode(body)
    except UNREADABLE:
        raise UpstreamBroke("the provider's answer is not a chat completion") from None
    if given.choices is None or has_value(given.error):
        said = _sentence(given)
        raise UpstreamBroke(
            "the provider's answer is not a chat completion" if said is None else f"the provider answered: {said}"
        )
    assembly = Assembly(dialect)
    try:
        events = AnswerReader(dialect, streamed=False).take(given)
    except UNREADABLE:
        raise UpstreamBroke("the provider's answer holds a part that cannot be read") from None
    for event in events:
        assembly.add(event)
    return assembly.answer()


def _report_usage(given: AnswerIn, events: list[ChatEvent]) -> None:
    raw = given.usage
    if given.x_groq is not None and not has_value(raw):
        raw = given.x_groq.usage
    if has_value(raw):
        usage, _ = read_usage(raw)
        if usage != NO_USAGE:
            events.append(UsageReported(usage))


def _sentence(given: AnswerIn) -> str | None:
    return error_message(Chunk(error=given.error, message=given.message, detail=given.detail))
