"""A provider's answer as events, whether it comes whole or in pieces.

Law: there is one machine for both: a whole answer is a stream of one. Text goes on in the open part until something
else comes; what is signed stands alone, before and behind. Reasons to finish, sources and usage are told at the end,
because Gemini may say each of them more than once and the last time counts.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import Enum

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from gantry.core.chat import ChatAnswer, Finish, Media
from gantry.core.chat_events import (
    ENDED,
    AnswerBegan,
    AnswerFailed,
    CallAdded,
    CallBegan,
    ChatEvent,
    ChoiceFinished,
    CitationAdded,
    LogprobsAdded,
    MediaAdded,
    NativeAdded,
    TextAdded,
    ThinkingAdded,
    ThinkingSealed,
    UsageReported,
)
from gantry.core.errors import UpstreamBroke
from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import Dialect
from gantry.dialects.assemble import assemble
from gantry.dialects.gemini.answer_wire import (
    Candidate,
    FunctionCall,
    Part,
    Response,
    decode_part,
    decode_response,
    decode_responses,
)
from gantry.dialects.gemini.citations import Said, count_searches, read_citations
from gantry.dialects.gemini.errors import error_in
from gantry.dialects.gemini.finish import blocked, finish_of
from gantry.dialects.gemini.logprobs import logprobs_of
from gantry.dialects.gemini.media import media_of_blob, media_of_uri
from gantry.dialects.gemini.partial_args import StreamedCall
from gantry.dialects.gemini.request_decoding import STANDARD_TIER
from gantry.dialects.gemini.usage import read_usage
from gantry.dialects.members import NULL, UNREADABLE
from gantry.dialects.tool_terms import mint_call_id

_NOTHING_SAID = frozenset((b"null", b"{}"))


class Open(Enum):
    """What a piece that comes now would go on with."""

    NOTHING = 0
    TEXT = 1
    THINKING = 2


_TEXT = Open.TEXT  # Python 3.11 reads an enum's member through a descriptor


class AnswerMachine:
    """An answer as far as it came."""

    __slots__ = ("_began", "_choices", "_id", "_read", "_usage")

    def __init__(self) -> None:
        self._began = False
        self._choices: dict[int, _Choice] = {}
        self._id: str | None = None
        self._usage: Raw = NULL
        self._read: tuple[Raw, Usage] = (NULL, NO_USAGE)  # the usage that was read last, for the first may be the last

    @property
    def finished(self) -> bool:
        return any(choice.finish is not None for choice in self._choices.values())

    def take(self, response: Response) -> list[ChatEvent]:
        """Return what one answer says, or one piece of a stream. Raises msgspec's errors or ValueError."""
        if response.error is not NULL and response.error != NULL:
            return [*self._report_usage(), AnswerFailed(error_in(response.error, 502))]
        events: list[ChatEvent] = []
        if response.usage_metadata is not NULL and response.usage_metadata != NULL:
            self._usage = response.usage_metadata
        if not self._began:
            self._began = True
            self._begin(response, events)
        for number, candidate in enumerate(response.candidates or ()):
            self._choice(number if candidate.index is None else candidate.index).take(candidate, events)
        feedback = response.prompt_feedback
        if not response.candidates and feedback is not None and feedback.block_reason is not None:
            self._choice(0).finish = blocked(feedback.block_reason)
        return events

    def end(self) -> list[ChatEvent]:
        """Return what the end of the bytes completes: usage always, the rest if the answer is whole."""
        events: list[ChatEvent] = []
        for index, choice in sorted(self._choices.items()):
            choice.close(events)
            if choice.finish is not None:
                events.append(ChoiceFinished(index, choice.finish))
        events += self._report_usage()
        return events

    def _begin(self, response: Response, events: list[ChatEvent]) -> None:
        self._id = response.response_id
        usage, tier = read_usage(self._usage)
        self._read = self._usage, usage
        tier = STANDARD_TIER.get(tier, tier) if tier is not None else None
        events.append(AnswerBegan(self._id, response.model_version, _seconds(response.create_time), tier))
        if usage.input_tokens is not None:
            # Some clients are told the input before the first word. What else is known now will not be true later.
            events.append(
                UsageReported(Usage(input_tokens=usage.input_tokens, cached_input_tokens=usage.cached_input_tokens))
            )

    def _choice(self, index: int) -> "_Choice":
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice(index, self._id)
        return choice

    def _report_usage(self) -> Iterable[ChatEvent]:
        raw, usage = self._read
        if raw is not self._usage:
            usage, _ = read_usage(self._usage)
        if usage == NO_USAGE:
            return []
        searches = sum(count_searches(choice.sources) for choice in self._choices.values())
        return [UsageReported(replace(usage, web_searches=searches) if searches else usage)]


class _Choice:
    __slots__ = ("_calls", "_id", "_index", "_open", "_parts", "_recitals", "_said", "_streamed", "finish", "sources")

    def __init__(self, index: int, answer_id: str | None) -> None:
        self._index = index
        self._id = answer_id
        self._open = Open.NOTHING
        self._parts = 0
        self._calls = 0
        self._streamed: StreamedCall | None = None
        self._said: list[tuple[int, list[str]]] = []
        self.sources: Raw = NULL
        self._recitals: Raw = NULL
        self.finish: Finish | None = None

    def take(self, candidate: Candidate, events: list[ChatEvent]) -> None:
        if candidate.content is not None:
            for raw in candidate.content.parts or ():
                self._take_part(decode_part(raw), raw, events)
        if candidate.logprobs_result is not NULL and candidate.logprobs_result != NULL:
            logprobs = logprobs_of(candidate.logprobs_result)
            if logprobs is not None:
                events.append(LogprobsAdded(self._index, logprobs))
        if _says(candidate.grounding_metadata):
            self.sources = candidate.grounding_metadata
        if _says(candidate.citation_metadata):
            self._recitals = candidate.citation_metadata
        if candidate.finish_reason is not None:
            self.finish = finish_of(candidate.finish_reason, called=self._calls > 0)

    def close(self, events: list[ChatEvent]) -> None:
        if self._streamed is not None and self.finish is not None:
            self._end_streamed(self._streamed, events)
        if self.sources == NULL and self._recitals == NULL:
            return
        said = [Said(part, "".join(pieces)) for part, pieces in self._said]
        for part, citation in read_citations(self.sources, self._recitals, said):
            events.append(CitationAdded(self._index, part, citation))

    def _take_part(self, part: Part, raw: Raw, events: list[ChatEvent]) -> None:
        if part.function_call is not None:
            self._take_call(part.function_call, part.thought_signature, events)
        elif part.text is not None:
            if part.thought:
                self._think(part.text, part.thought_signature, events)
            elif part.thought_signature is None:
                self._say(part.text, events)
            else:
                self._say_signed(part.text, part.thought_signature, raw, events)
        elif part.inline_data is not None and not part.thought:
            blob = part.inline_data
            self._show(media_of_blob(blob.mime_type, blob.data), part.thought_signature, events)
        elif part.file_data is not None and not part.thought:
            file = part.file_data
            self._show(media_of_uri(file.file_uri, file.mime_type), part.thought_signature, events)
        elif part.thought and part.inline_data is None and part.file_data is None:
            self._think("", part.thought_signature, events)
        elif bytes(raw) != b"{}":
            events.append(NativeAdded(self._index, self._next(), Dialect.GEMINI, raw))

    def _next(self, opens: Open = Open.NOTHING) -> int:
        self._open = opens
        number = self._parts
        self._parts = number + 1
        return number

    def _say(self, text: str, events: list[ChatEvent]) -> None:
        if not text:
            return
        if self._open is not _TEXT:
            self._said.append((self._next(_TEXT), []))
        part, pieces = self._said[-1]
        pieces.append(text)
        events.append(TextAdded(self._index, part, text))

    def _say_signed(self, text: str, signature: str, raw: Raw, events: list[ChatEvent]) -> None:
        if not text:
            events.append(NativeAdded(self._index, self._next(), Dialect.GEMINI, raw))
            return
        self._seal(signature, events)
        self._say(text, events)
        self._open = Open.NOTHING

    def _show(self, media: Media, signature: str | None, events: list[ChatEvent]) -> None:
        if signature is not None:
            self._seal(signature, events)
        events.append(MediaAdded(self._index, self._next(), media))

    def _seal(self, signature: str, events: list[ChatEvent]) -> None:
        events.append(ThinkingSealed(self._index, self._next(), Dialect.GEMINI, sealed=signature))

    def _think(self, text: str, signature: str | None, events: list[ChatEvent]) -> None:
        if not text and signature is None:
            return
        if self._open is not Open.THINKING:
            self._next(Open.THINKING)
        part = self._parts - 1
        if text:
            events.append(ThinkingAdded(self._index, part, text))
        if signature is not None:
            events.append(ThinkingSealed(self._index, part, Dialect.GEMINI, signature=signature))
            self._open = Open.NOTHING

    def _take_call(self, call: FunctionCall, signature: str | None, events: list[ChatEvent]) -> None:
        if call.name is not None:
            if self._streamed is not None:
                self._end_streamed(self._streamed, events)
            part = self._next()
            call_id = call.id or self._mint(call)
            self._calls += 1
            events.append(CallBegan(self._index, part, call_id, call.name, signature=signature))
            if call.will_continue or call.partial_args is not None:
                self._streamed = StreamedCall(part)
            elif call.args != NULL:
                events.append(CallAdded(self._index, part, bytes(call.args).decode()))
        streamed = self._streamed
        if streamed is not None:
            streamed.add(call.partial_args or ())
            if not call.will_continue:
                self._end_streamed(streamed, events)

    def _end_streamed(self, call: StreamedCall, events: list[ChatEvent]) -> None:
        self._streamed = None
        events.append(CallAdded(self._index, call.part, call.arguments()))

    def _mint(self, call: FunctionCall) -> str:
        seed = self._id or f"{call.name}{bytes(call.args).decode()}"
        return mint_call_id(f"{seed}/{self._index}", self._calls)


def decode_answer(body: bytes) -> ChatAnswer:
    """Return a provider's whole answer, or the pieces of one in a list. Raises UpstreamBroke when it is none."""
    machine = AnswerMachine()
    events: list[ChatEvent] = []
    try:
        for response in decode_responses(body) if body.lstrip()[:1] == b"[" else (decode_response(body),):
            if not _is_answer(response):
                raise UpstreamBroke("the provider's answer is none of Gemini's: it has no candidates")
            events += machine.take(response)
    except UNREADABLE:
        raise UpstreamBroke("the provider's answer cannot be read as one of Gemini's") from None
    return assemble(Dialect.GEMINI, [*events, *machine.end(), ENDED])


def _says(raw: Raw) -> bool:
    return raw is not NULL and bytes(raw) not in _NOTHING_SAID


def _is_answer(response: Response) -> bool:
    return response.error == NULL and (
        response.candidates is not None or response.prompt_feedback is not None or response.usage_metadata != NULL
    )


def _seconds(time: str | None) -> int | None:
    """Return the seconds since the epoch of a time as Google writes it: `2025-12-19T23:45:33.943266Z`."""
    if time is None:
        return None
    try:
        return int(msgspec.convert(time, datetime).timestamp())
    except (msgspec.ValidationError, ValueError, OverflowError):
        return None
