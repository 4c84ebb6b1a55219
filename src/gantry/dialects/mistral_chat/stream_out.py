"""Events as the stream of chunks that a Mistral client reads.

Law: each chunk has what the SDKs demand of one, and none is null. A tool call goes out whole, because code parses every
delta, and with all others when the answer ends; the finish chunk follows and carries the usage. Of an error they know
one word only, the finish reason `error`, and anything that is no chunk breaks them all.
"""

from collections.abc import Iterable
from typing import Any, Final, assert_never

import msgspec

from gantry.core.chat import Citation, Finish, ProviderError, Thinking
from gantry.core.chat_events import (
    AnswerBegan,
    AnswerEnded,
    AnswerFailed,
    CallAdded,
    CallBegan,
    ChatEvent,
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
from gantry.dialects.frames import DONE, EVENT_STREAM
from gantry.dialects.mistral_chat.answer_out import (
    envelope,
    finish_word,
    image,
    prefix_of,
    shows_thinking,
    whole_call,
)
from gantry.dialects.mistral_chat.parts import write_thinking
from gantry.dialects.openai_chat.errors import error_fields
from gantry.dialects.openai_chat.usage import write_usage
from gantry.dialects.tool_terms import unsaid_finish

_TEXT_TAIL: Final = b'},"finish_reason":null}]}\n\n'
_encode: Final = msgspec.json.Encoder().encode


class MistralStreamEncoder:
    """Events in, chunks out."""

    __slots__ = ("_asking", "_choices", "_head", "_over", "_prefix", "_shows_thinking", "_usage")

    content_type = EVENT_STREAM

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._shows_thinking = shows_thinking(asking.request)
        self._prefix = prefix_of(asking.request)
        self._choices: dict[int, _Choice] = {}
        self._usage = NO_USAGE
        self._head = b""
        self._over = False

    def feed(self, events: Iterable[ChatEvent]) -> bytes:
        """Return what the client is sent. After AnswerEnded or AnswerFailed there is no more."""
        out: list[bytes] = []
        for event in events:
            if self._over:
                break
            out.append(self._text(event) if type(event) is TextAdded else self._encode_event(event))
        return b"".join(out)

    def _encode_event(self, event: ChatEvent) -> bytes:
        match event:
            case TextAdded() | RefusalAdded():
                return self._text(event)
            case ThinkingAdded(choice, _, text):
                return self._think(self._choice(choice), Thinking(text))
            case ThinkingSealed(choice):
                proof = Thinking("", event.signature, event.sealed, event.dialect, event.id)
                return self._think(self._choice(choice), proof, closed=True)
            case CallBegan(choice):
                self._choice(choice).calls[event.part] = (event, [])
                return b""
            case CallAdded(choice, part, arguments):
                self._choice(choice).calls[part][1].append(arguments)
                return b""
            case CitationAdded(choice, _, citation):
                return self._cite(self._choice(choice), citation)
            case MediaAdded(choice, _, media):
                shown = image(media)
                return self._delta(self._choice(choice), [shown]) if shown is not None else b""
            case NativeAdded(choice, _, dialect, raw):
                return self._delta(self._choice(choice), [raw]) if dialect is Dialect.MISTRAL else b""
            case ChoiceFinished(choice, finish):
                self._choice(choice).finish = finish
                return b""
            case AnswerBegan():
                self._begin(event)
                return self._role(self._choice(0))
            case UsageReported(usage):
                self._usage = merge_usage(self._usage, usage)
                return b""
            case LogprobsAdded():
                return b""
            case AnswerEnded():
                self._over = True
                return self._finish_all()
            case AnswerFailed(error):
                self._over = True
                return self._fail(error)
            case _:
                assert_never(event)

    def _text(self, event: TextAdded | RefusalAdded) -> bytes:
        choice = self._choice(event.choice)
        if not choice.text_head:
            choice.text_head = self._head + b'{"index":%d,"delta":{"content":' % choice.index
            return self._delta(choice, event.text)
        return choice.text_head + _encode(event.text) + _TEXT_TAIL

    def _begin(self, event: AnswerBegan) -> None:
        fields = envelope(event.id, event.model, event.created, self._asking)
        self._head = b"data: " + _encode({**fields, "object": "chat.completion.chunk"})[:-1] + b',"choices":['

    def _choice(self, index: int) -> "_Choice":
        choice = self._choices.get(index)
        if choice is None:
            if not self._head:
                self._begin(AnswerBegan())
            choice = self._choices[index] = _Choice(index)
        return choice

    def _role(self, choice: "_Choice") -> bytes:
        choice.has_role = True
        return self._chunk(choice, {"role": "assistant", "content": self._prefix})

    def _delta(self, choice: "_Choice", content: str | list[Any]) -> bytes:
        first = b"" if choice.has_role else self._role(choice)
        return first + self._chunk(choice, {"content": content})

    def _chunk(self, choice: "_Choice", delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        written = {"index": choice.index, "delta": delta, "finish_reason": finish_reason}
        return self._head + _encode(written) + b"]}\n\n"

    def _think(self, choice: "_Choice", thought: Thinking, **beside: bool) -> bytes:
        chunk = write_thinking(thought) if self._shows_thinking else None
        return b"" if chunk is None else self._delta(choice, [{**chunk, **beside}])

    def _cite(self, choice: "_Choice", citation: Citation) -> bytes:
        if citation.dialect is not Dialect.MISTRAL or citation.raw is None:
            return b""
        return self._delta(choice, [citation.raw])

    def _calls_of(self, choice: "_Choice") -> bytes:
        """Return the choice's calls, which are whole now."""
        calls = [
            whole_call(number, call.id, call.name, "".join(pieces), custom=call.custom)
            for number, (call, pieces) in enumerate(choice.calls.values())
        ]
        first = b"" if choice.has_role else self._role(choice)
        return first + (self._chunk(choice, {"tool_calls": calls}) if calls else b"")

    def _finish_all(self) -> bytes:
        choices = sorted(self._choices) or [0]
        out = []
        for index in choices:
            choice = self._choice(index)
            out.append(self._calls_of(choice))
            reason = choice.finish or unsaid_finish(called=bool(choice.calls))
            finish = self._chunk(choice, {"content": ""}, finish_word(reason))
            if index == choices[-1]:
                finish = finish[:-3] + b',"usage":' + _encode(write_usage(self._usage)) + b"}\n\n"
            out.append(finish)
        return b"".join(out) + DONE

    def _fail(self, error: ProviderError) -> bytes:
        if not self._head:
            self._begin(AnswerBegan())
        chunk = self._chunk(_Choice(0), {"content": ""}, "error")
        return chunk[:-3] + b',"error":' + _encode(error_fields(error)) + b"}\n\n" + DONE


class _Choice:
    """What of a choice has gone out, and what waits."""

    __slots__ = ("calls", "finish", "has_role", "index", "text_head")

    def __init__(self, index: int) -> None:
        self.index = index
        self.has_role = False
        self.text_head = b""  # of a chunk of text, once one has gone out: what streams are made of
        self.calls: dict[int, tuple[CallBegan, list[str]]] = {}
        self.finish: Finish | None = None
