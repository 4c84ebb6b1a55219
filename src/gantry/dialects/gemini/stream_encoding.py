"""A stream for a client of Gemini's: every item is a whole answer that holds a piece.

Law: text and thoughts go out as they come, all that one feed brings in one item. Calls go whole, because Google's
clients read an object: they wait until something else follows them. The last item has the reasons to finish, the
sources and the usage, and a part, for SDKs drop a turn whose last content is empty.
"""

from collections.abc import Iterable
from typing import Any, Final, assert_never

import msgspec
from msgspec import Raw

from gantry.core.chat import Citation, Finish, Media, ProviderError, ToolCall
from gantry.core.chat_events import (
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
    RefusalAdded,
    TextAdded,
    ThinkingAdded,
    ThinkingSealed,
    UsageReported,
)
from gantry.core.usage import NO_USAGE
from gantry.core.vocabulary import Dialect
from gantry.dialects.assemble import merge_usage
from gantry.dialects.codec import Asking
from gantry.dialects.gemini.answer_encoding import timestamp
from gantry.dialects.gemini.answer_parts import (
    WirePart,
    call_part,
    shows_thoughts,
    signed_part,
    text_part,
    thought_part,
)
from gantry.dialects.gemini.citations import encode_citations
from gantry.dialects.gemini.errors import error_object
from gantry.dialects.gemini.finish import finish_word
from gantry.dialects.gemini.framing import Frames, Framing
from gantry.dialects.gemini.logprobs import encode_logprobs
from gantry.dialects.gemini.media import answered_media
from gantry.dialects.gemini.usage import encode_usage
from gantry.dialects.logprobs import join_logprobs

_encode: Final = msgspec.json.Encoder().encode


class GeminiStreamEncoder:
    """Events in, a client's stream out."""

    __slots__ = ("_about", "_asking", "_choices", "_frames", "_over", "_tail", "_thoughts", "_usage", "content_type")

    def __init__(self, asking: Asking, framing: Framing = Framing.SSE) -> None:
        self._asking = asking
        self.content_type = framing.content_type
        self._frames = Frames(framing)
        self._choices: dict[int, _Choice] = {}
        self._thoughts = shows_thoughts(asking)
        self._usage = NO_USAGE
        self._over = False
        self._about: dict[str, str] = {}
        self._tail = b""  # of a piece: what is said about the answer, written once
        self._tell_about(AnswerBegan())

    def feed(self, events: Iterable[ChatEvent]) -> bytes:
        """Return what the client is sent. After AnswerEnded or AnswerFailed there is no more."""
        for event in events:
            if self._over:
                return b""
            if type(event) is TextAdded:  # what streams are made of
                self._choice(event.choice).say(event)
                continue
            match event:
                case AnswerBegan():
                    self._tell_about(event)
                case UsageReported(usage):
                    self._usage = merge_usage(self._usage, usage)
                case AnswerEnded():
                    self._over = True
                    return self._frames.item(_encode(self._last())) + self._frames.end()
                case AnswerFailed(error):
                    self._over = True
                    return self._pieces() + self._failure(error) + self._frames.end()
                case _:
                    self._choice(event.choice).take(event)
        return self._pieces()

    def _tell_about(self, began: AnswerBegan) -> None:
        self._about = {
            "modelVersion": began.model or self._asking.request.model,
            "createTime": timestamp(began.created, self._asking.created),
            "responseId": began.id or self._asking.id,
        }
        self._tail = b"," + _encode(self._about)[1:]

    def _choice(self, index: int) -> "_Choice":
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice(index, thoughts=self._thoughts)
        return choice

    def _pieces(self) -> bytes:
        candidates = [choice.piece() for choice in self._choices.values() if choice.has_piece]
        return self._frames.item(b'{"candidates":' + _encode(candidates) + self._tail) if candidates else b""

    def _last(self) -> dict[str, Any]:
        last: dict[str, Any] = {"candidates": [choice.last() for _, choice in sorted(self._choices.items())]}
        usage = encode_usage(self._usage)
        if usage is not None:
            last["usageMetadata"] = usage
        return last | self._about

    def _failure(self, error: ProviderError) -> bytes:
        return self._frames.item(_encode(error_object(error)))


class _Choice:
    __slots__ = ("_calls", "_cited", "_finish", "_index", "_logprobs", "_parts", "_seal", "_texts", "_thoughts")

    def __init__(self, index: int, *, thoughts: bool) -> None:
        self._index = index
        self._thoughts = thoughts
        self._parts: list[WirePart] = []
        self._calls: dict[int, tuple[CallBegan, list[str]]] = {}
        self._seal: str | None = None  # the signature of what follows
        self._texts: dict[int, list[str]] = {}
        self._cited: dict[int, list[Citation]] = {}
        self._logprobs: list[Raw] = []  # since the last piece
        self._finish: Finish | None = None

    def take(self, event: ChoiceEvent) -> None:
        match event:
            case TextAdded():
                self.say(event)
            case ThinkingAdded(_, _, text):
                self._flush()
                if self._thoughts:
                    self._parts.append(thought_part(text))
            case ThinkingSealed():
                self._flush()
                self._take_seal(event)
            case RefusalAdded(_, _, text):
                self._flush()
                self._parts.append(text_part(text))
            case CallBegan(_, part):
                self._flush_seal()
                self._calls[part] = (event, [])
            case CallAdded(_, part, arguments):
                held = self._calls.get(part)
                if held is not None:  # else it was whole, and more of it means nothing
                    held[1].append(arguments)
            case MediaAdded(_, _, media):
                self._add_media(media)
            case NativeAdded(_, _, dialect, raw):
                self._flush()
                if dialect is Dialect.GEMINI:
                    self._parts.append(raw)
            case CitationAdded(_, part, citation):
                self._cited.setdefault(part, []).append(citation)
            case LogprobsAdded(_, raw):
                self._logprobs.append(raw)
            case ChoiceFinished(_, finish):
                self._end_calls()
                self._finish = finish
            case _:
                assert_never(event)

    def say(self, event: TextAdded) -> None:
        text = event.text
        if text or self._seal is not None:
            self._texts.setdefault(event.part, []).append(text)
            self._add_signed(text_part(text))

    @property
    def has_piece(self) -> bool:
        return bool(self._parts)

    def piece(self) -> dict[str, Any]:
        """Return the candidate that holds what came since the last one."""
        parts, self._parts = self._parts, []
        candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": self._index}
        if self._logprobs:
            candidate |= encode_logprobs(join_logprobs(self._logprobs))
            self._logprobs = []
        return candidate

    def last(self) -> dict[str, Any]:
        self._end_calls()
        if not self._parts:
            self._parts.append(text_part(""))
        candidate = self.piece()
        if self._finish is not None:
            candidate["finishReason"] = finish_word(self._finish)
        cited = (("".join(self._texts.get(part, ())), found) for part, found in sorted(self._cited.items()))
        return candidate | encode_citations(cited)

    def _take_seal(self, event: ThinkingSealed) -> None:
        if event.dialect is not Dialect.GEMINI:
            return
        if event.sealed is not None:
            self._seal = event.sealed
        elif event.signature is not None and self._thoughts:
            self._parts.append(thought_part("", event.signature))

    def _add_media(self, media: Media) -> None:
        part = answered_media(media)
        if part is not None:
            self._add_signed(part)

    def _add_signed(self, part: dict[str, Any]) -> None:
        if self._calls:
            self._flush_calls()
        if self._seal is not None:
            part["thoughtSignature"], self._seal = self._seal, None
        self._parts.append(part)

    def _flush(self) -> None:
        if self._calls:
            self._flush_calls()
        if self._seal is not None:
            self._flush_seal()

    def _flush_calls(self) -> None:
        """Let go of calls that are whole; what others still lack may come after a text."""
        for part, (began, pieces) in sorted(self._calls.items()):
            arguments = "".join(pieces)
            if began.custom or _is_whole(arguments):
                self._let_go(part, began, arguments)

    def _end_calls(self) -> None:
        for part, (began, pieces) in sorted(self._calls.items()):
            self._let_go(part, began, "".join(pieces))
        self._flush_seal()

    def _let_go(self, part: int, began: CallBegan, arguments: str) -> None:
        del self._calls[part]
        call = ToolCall(began.id, began.name, arguments, began.custom, began.signature)
        self._parts.append(call_part(call))

    def _flush_seal(self) -> None:
        if self._seal is not None:
            self._parts.append(signed_part(self._seal))
            self._seal = None


def _is_whole(arguments: str) -> bool:
    try:
        msgspec.json.decode(arguments, type=Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
