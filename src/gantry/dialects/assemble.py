"""The fold of a stream's events into the answer they come to, and the events of an answer that came whole.

Law: `assemble(unfold(answer)) == answer` for every answer that ended, and every feature works in both deliveries
because there is one way through (law 4).
"""

from collections.abc import Iterable
from typing import Any, assert_never

from msgspec import Raw, structs

from gantry.core.chat import (
    ChatAnswer,
    Choice,
    Citation,
    Finish,
    Media,
    NativePart,
    Part,
    ProviderError,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from gantry.core.chat_events import (
    ENDED,
    AnswerBegan,
    AnswerEnded,
    AnswerFailed,
    CallAdded,
    CallBegan,
    ChatEvent,
    ChoiceEvent,
    ChoiceFinished,
    CitationAdded,
    LogprobsAdded,
    MediaAdded,
    NativeAdded,
    PartEvent,
    RefusalAdded,
    TextAdded,
    ThinkingAdded,
    ThinkingSealed,
    UsageReported,
)
from gantry.core.usage import NO_USAGE, UNITS, Usage
from gantry.core.vocabulary import Dialect
from gantry.dialects.logprobs import join_logprobs


def assemble(dialect: Dialect, events: Iterable[ChatEvent]) -> ChatAnswer:
    """Return the answer that a stream's events come to, however far they came."""
    assembly = Assembly(dialect)
    for event in events:
        assembly.add(event)
    return assembly.answer()


def merge_usage(known: Usage, reported: Usage) -> Usage:
    """Return the usage with what was reported in place of what was known before."""
    if known is NO_USAGE:  # as it is before the only report that most answers have
        return reported
    news: dict[str, Any] = {name: value for name in UNITS if (value := getattr(reported, name)) is not None}
    if reported.clamped:
        news["clamped"] = True
    return structs.replace(known, **news) if news else known


class Assembly:
    """An answer as far as it came."""

    __slots__ = ("_began", "_choices", "_dialect", "_usage", "ended", "error")

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._began = AnswerBegan()
        self._choices: dict[int, _ChoiceDraft] = {}
        self._usage = NO_USAGE
        self.ended = False
        self.error: ProviderError | None = None

    def add(self, event: ChatEvent) -> None:
        match event:
            case AnswerBegan():
                self._began = event
            case UsageReported():
                self._usage = merge_usage(self._usage, event.usage)
            case AnswerEnded():
                self.ended = True
            case AnswerFailed():
                self.error = event.error
            case _:
                draft = self._choices.get(event.choice)
                if draft is None:
                    draft = self._choices[event.choice] = _ChoiceDraft()
                draft.add(event)

    def answer(self) -> ChatAnswer:
        began = self._began
        return ChatAnswer(
            dialect=self._dialect,
            id=began.id,
            model=began.model,
            created=began.created,
            choices=tuple([draft.choice(index) for index, draft in sorted(self._choices.items())]),
            usage=self._usage,
            service_tier=began.service_tier,
        )


class _ChoiceDraft:
    """What was said in a choice, by its parts."""

    __slots__ = ("_finish", "_logprobs", "_parts")

    def __init__(self) -> None:
        self._finish: Finish | None = None
        self._logprobs: list[Raw] = []
        self._parts: dict[int, list[PartEvent]] = {}

    def add(self, event: ChoiceEvent) -> None:
        match event:
            case ChoiceFinished():
                self._finish = event.finish
            case LogprobsAdded():
                self._logprobs.append(event.raw)
            case _:
                said = self._parts.get(event.part)
                if said is None:
                    self._parts[event.part] = [event]
                else:
                    said.append(event)

    def choice(self, index: int) -> Choice:
        parts = tuple([_join_part(said) for _, said in sorted(self._parts.items())])
        logprobs = self._logprobs
        joined = logprobs[0] if len(logprobs) == 1 else join_logprobs(logprobs)
        return Choice(index, parts, self._finish, joined)


def _join_part(said: list[PartEvent]) -> Part:
    first = said[0]
    if len(said) == 1 and isinstance(first, TextAdded):  # as most parts of answers that came whole are
        return Text(first.text)
    began: type[Text | Thinking | Refusal] | CallBegan = Text
    pieces: list[str] = []
    citations: list[Citation] = []
    seal: ThinkingSealed | None = None
    for event in said:
        match event:
            case TextAdded():
                pieces.append(event.text)
            case CitationAdded():
                citations.append(event.citation)
            case ThinkingAdded():
                began = Thinking
                pieces.append(event.text)
            case ThinkingSealed():
                began = Thinking
                seal = event
            case RefusalAdded():
                began = Refusal
                pieces.append(event.text)
            case CallBegan():
                began = event
            case CallAdded():
                pieces.append(event.arguments)
            case MediaAdded():
                return event.media
            case NativeAdded():
                return NativePart(event.dialect, event.raw)
            case _:
                assert_never(event)
    text = "".join(pieces)
    if isinstance(began, CallBegan):
        return ToolCall(began.id, began.name, text, began.custom, began.signature)
    if began is Thinking:
        return Thinking(text) if seal is None else Thinking(text, seal.signature, seal.sealed, seal.dialect, seal.id)
    return Refusal(text) if began is Refusal else Text(text, tuple(citations))


def unfold(answer: ChatAnswer) -> list[ChatEvent]:
    """Return the events of an answer that came whole."""
    events: list[ChatEvent] = [AnswerBegan(answer.id, answer.model, answer.created, answer.service_tier)]
    for choice in answer.choices:
        for number, part in enumerate(choice.parts):
            events += _unfold_part(choice.index, number, part)
        if choice.logprobs is not None:
            events.append(LogprobsAdded(choice.index, choice.logprobs))
        if choice.finish is not None:
            events.append(ChoiceFinished(choice.index, choice.finish))
    if answer.usage != NO_USAGE:
        events.append(UsageReported(answer.usage))
    events.append(ENDED)
    return events


def _unfold_part(choice: int, number: int, part: Part) -> list[ChatEvent]:
    events: list[ChatEvent] = []
    match part:
        case Text(text, citations):
            events += [CitationAdded(choice, number, citation) for citation in citations]
            if text or not citations:
                events.append(TextAdded(choice, number, text))
        case Thinking(text):
            if text:
                events.append(ThinkingAdded(choice, number, text))
            if part.dialect is not None:
                events.append(ThinkingSealed(choice, number, part.dialect, part.signature, part.sealed, part.id))
            elif not text:
                events.append(ThinkingAdded(choice, number, text))
        case Refusal(text):
            events.append(RefusalAdded(choice, number, text))
        case ToolCall(id, name, arguments, custom, signature):
            events.append(CallBegan(choice, number, id, name, custom, signature))
            if arguments:
                events.append(CallAdded(choice, number, arguments))
        case Media():
            events.append(MediaAdded(choice, number, part))
        case NativePart(dialect, raw):
            events.append(NativeAdded(choice, number, dialect, raw))
        case ToolResult():
            pass  # nobody answers with one
        case _:
            assert_never(part)
    return events
