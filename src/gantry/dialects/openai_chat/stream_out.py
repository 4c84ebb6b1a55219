"""Events as the stream of chunks that an OpenAI client reads.

Law: the role first, then deltas, then one finish chunk for each choice, then usage alone if it was asked for, then
`[DONE]`; after an error nothing, for the SDKs raise on it. What goes into a list names its index, or the SDK's
accumulator refuses it. The envelope is written once and each chunk is put into it.
"""

from collections.abc import Iterable
from typing import Any, Final, assert_never

import msgspec

from gantry.core.chat import Citation, Thinking
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
from gantry.core.usage import NO_USAGE, Usage
from gantry.dialects.assemble import merge_usage
from gantry.dialects.codec import Asking
from gantry.dialects.frames import DONE, EVENT_STREAM, data_frame
from gantry.dialects.openai_chat.annotations import annotations
from gantry.dialects.openai_chat.answer_out import (
    envelope,
    finish_word,
    image,
    shifted,
    sound,
    speaks_of_functions,
)
from gantry.dialects.openai_chat.errors import error_fields
from gantry.dialects.openai_chat.messages_out import NO_ARGUMENTS, fitting_id
from gantry.dialects.openai_chat.thinking import thinking_fields
from gantry.dialects.openai_chat.usage import write_usage

_TEXT_TAIL: Final = b'},"finish_reason":null}]}\n\n'
_encode: Final = msgspec.json.Encoder().encode


class OpenAIStreamEncoder:
    """Events in, chunks out."""

    __slots__ = ("_asking", "_choices", "_head", "_legacy", "_over", "_usage")

    content_type = EVENT_STREAM

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._legacy = speaks_of_functions(asking.request)
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
            case TextAdded():
                return self._text(event)
            case ThinkingAdded(choice, part, text):
                state = self._choice(choice)
                state.thoughts.setdefault(part, []).append(text)
                return self._chunk(state, {"reasoning_content": text})
            case CallAdded(choice, part, arguments):
                return self._call_goes_on(self._choice(choice), part, arguments)
            case CallBegan(choice):
                return self._call_begins(self._choice(choice), event)
            case RefusalAdded(choice, _, text):
                return self._chunk(self._choice(choice), {"refusal": text})
            case ThinkingSealed(choice):
                return self._seal(self._choice(choice), event)
            case CitationAdded(choice, part, citation):
                return self._cite(self._choice(choice), part, citation)
            case MediaAdded(choice):
                return self._show(self._choice(choice), event)
            case LogprobsAdded(choice, raw):
                return self._chunk(self._choice(choice), {}, logprobs=raw)
            case ChoiceFinished(choice):
                return self._finish(self._choice(choice), event)
            case AnswerBegan():
                self._begin(event)
                return self._chunk(self._choice(0), {})
            case UsageReported(usage):
                self._usage = merge_usage(self._usage, usage)
                return b""
            case NativeAdded():
                return b""
            case AnswerEnded():
                self._over = True
                return self._usage_chunk(self._usage) + DONE
            case AnswerFailed(error):
                self._over = True
                return data_frame({"error": error_fields(error)})
            case _:
                assert_never(event)

    def _text(self, event: TextAdded) -> bytes:
        choice, text = self._choice(event.choice), event.text
        choice.count_text(event.part, text)
        if not choice.text_head:
            choice.text_head = self._head + b'{"index":%d,"delta":{"content":' % choice.index
            return self._chunk(choice, {"content": text})  # and the role before it, if it has not gone out
        return choice.text_head + _encode(text) + _TEXT_TAIL

    def _begin(self, event: AnswerBegan) -> None:
        fields = envelope(event.id, event.model, event.created, event.service_tier, self._asking)
        self._head = b"data: " + _encode({**fields, "object": "chat.completion.chunk"})[:-1] + b',"choices":['

    def _choice(self, index: int) -> "_Choice":
        choice = self._choices.get(index)
        if choice is None:
            if not self._head:
                self._begin(AnswerBegan())
            choice = self._choices[index] = _Choice(index)
        return choice

    def _chunk(self, choice: "_Choice", delta: dict[str, Any], **beside: Any) -> bytes:
        first = b""
        if not choice.has_role:
            choice.has_role = True
            first = self._chunk(choice, {"role": "assistant", "content": ""})
            if not delta and not beside:
                return first
        written = {"index": choice.index, "delta": delta, "finish_reason": None, **beside}
        return first + self._head + _encode(written) + b"]}\n\n"

    def _call_begins(self, choice: "_Choice", event: CallBegan) -> bytes:
        number = choice.calls[event.part] = len(choice.calls)
        choice.without_arguments.add(event.part)
        if self._legacy:
            if number:
                return b""  # one function is all that the older form can say
            return self._chunk(choice, {"function_call": {"name": event.name, "arguments": ""}})
        call: dict[str, Any] = {"index": number, "id": fitting_id(event.id)}
        if event.custom:
            choice.custom.add(event.part)
            call |= {"type": "custom", "custom": {"name": event.name, "input": ""}}
        else:
            call |= {"type": "function", "function": {"name": event.name, "arguments": ""}}
        if event.signature is not None:
            call["extra_content"] = {"google": {"thought_signature": event.signature}}
        return self._chunk(choice, {"tool_calls": [call]})

    def _call_goes_on(self, choice: "_Choice", part: int, arguments: str) -> bytes:
        choice.without_arguments.discard(part)
        number = choice.calls.get(part, 0)
        if self._legacy:
            return b"" if number else self._chunk(choice, {"function_call": {"arguments": arguments}})
        if part in choice.custom:
            return self._chunk(choice, {"tool_calls": [{"index": number, "custom": {"input": arguments}}]})
        return self._chunk(choice, {"tool_calls": [{"index": number, "function": {"arguments": arguments}}]})

    def _seal(self, choice: "_Choice", event: ThinkingSealed) -> bytes:
        text = "".join(choice.thoughts.get(event.part, ()))
        thought = Thinking(text, event.signature, event.sealed, event.dialect, event.id)
        fields = thinking_fields([thought], choice.sealed)
        choice.sealed += sum(map(len, fields.values()))
        return self._chunk(choice, fields) if fields else b""

    def _cite(self, choice: "_Choice", part: int, citation: Citation) -> bytes:
        listed = annotations([shifted(citation, choice.text_before(part))], choice.cited)
        choice.cited += len(listed)
        return self._chunk(choice, {"annotations": listed}) if listed else b""

    def _show(self, choice: "_Choice", event: MediaAdded) -> bytes:
        shown, heard = image(event.media), sound(event.media, self._asking)
        if shown is not None:
            choice.shown += 1
            return self._chunk(choice, {"images": [{**shown, "index": choice.shown - 1}]})
        return self._chunk(choice, {"audio": heard}) if heard is not None else b""

    def _finish(self, choice: "_Choice", event: ChoiceFinished) -> bytes:
        empty = [part for part in sorted(choice.without_arguments) if part not in choice.custom]
        rest = b"".join([self._call_goes_on(choice, part, NO_ARGUMENTS) for part in empty])
        return rest + self._chunk(choice, {}, finish_reason=finish_word(event.finish, self._asking))

    def _usage_chunk(self, usage: Usage) -> bytes:
        if not self._asking.request.include_usage or usage == NO_USAGE:
            return b""
        if not self._head:
            self._begin(AnswerBegan())
        return self._head + b'],"usage":' + _encode(write_usage(usage)) + b"}\n\n"


class _Choice:
    """What of a choice has gone out."""

    __slots__ = (
        "_lengths",
        "calls",
        "cited",
        "custom",
        "has_role",
        "index",
        "sealed",
        "shown",
        "text_head",
        "thoughts",
        "without_arguments",
    )

    def __init__(self, index: int) -> None:
        self.index = index
        self.has_role = False
        self.text_head = b""  # of a chunk of text, once one has gone out: what streams are made of
        self.thoughts: dict[int, list[str]] = {}
        self.calls: dict[int, int] = {}  # part → number among the calls
        self.custom: set[int] = set()
        self.without_arguments: set[int] = set()
        self.cited = 0
        self.sealed = 0
        self.shown = 0
        self._lengths: dict[int, int] = {}  # of each text

    def count_text(self, part: int, text: str) -> None:
        self._lengths[part] = self._lengths.get(part, 0) + len(text)

    def text_before(self, part: int) -> int:
        return sum(length for number, length in self._lengths.items() if number < part)
