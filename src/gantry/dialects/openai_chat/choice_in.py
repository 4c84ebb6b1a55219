"""One choice of an answer, read piece by piece into events.

Law: parts are numbered as they begin; what goes on is what was last said, and a tool call closes it. Fragments of one
call meet by their index, by their id where there is none, and by a new id with a name where a provider gives every call
the same index. A call begins when its name is known. A finish reason that is not known keeps its word.
"""

import base64
from typing import Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.chat import Citation, Finish, FinishReason, Media, MediaKind, Thinking
from gantry.core.chat_events import (
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
)
from gantry.core.vocabulary import Dialect
from gantry.dialects.call_fold import arguments_text
from gantry.dialects.carried import unpack_proof
from gantry.dialects.chat_shapes import ABSENT, FunctionPart, ToolCallPart
from gantry.dialects.data_urls import mime_of_name, split_data_url
from gantry.dialects.logprobs import read_logprobs
from gantry.dialects.members import UNREADABLE, decode_text
from gantry.dialects.openai_chat.annotations import read_citations
from gantry.dialects.openai_chat.shapes import ExtraIn
from gantry.dialects.openai_chat.thinking import read_thinking
from gantry.dialects.tool_terms import mint_call_id

_REASONS: Final = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "model_length": FinishReason.CONTEXT,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
    "sensitive": FinishReason.CONTENT_FILTER,
    "error": FinishReason.ERROR,
    "network_error": FinishReason.ERROR,
    "insufficient_system_resource": FinishReason.ERROR,
}
_NULL: Final = len("null")  # a longer member is there and says something
_NO_ID: Final = ("", "null", None)
_SOURCES: Final = ("reference", "tool_reference")


class _SignedCall(ToolCallPart, gc=False):
    extra_content: ExtraIn | None = None


class _Audio(Struct, gc=False):
    id: str | None = None
    data: str | None = None
    transcript: str | None = None


class _Url(Struct, gc=False):
    url: str = ""


class _Image(Struct, gc=False):
    image_url: str | _Url | None = None


class MessageOut(Struct, gc=False):
    """A whole message or one delta of it."""

    content: str | list[Raw] | None = None
    tool_calls: list[_SignedCall] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: Raw = ABSENT
    thinking_blocks: Raw = ABSENT
    refusal: str | None = None
    function_call: FunctionPart | None = None
    annotations: Raw = ABSENT
    audio: _Audio | None = None
    images: list[_Image] | None = None


class ChoiceIn(Struct, gc=False):
    index: int | None = 0
    delta: MessageOut | None = None
    message: MessageOut | None = None
    finish_reason: str | None = None
    logprobs: Raw = ABSENT
    stop_reason: Raw = ABSENT  # vLLM's: the stop sequence, or a token


class _Chunk(Struct, gc=False):
    """One item of Mistral's content lists."""

    type: str | None = None
    text: str | None = None
    thinking: str | list[Raw] | None = None
    signature: str | None = None
    image_url: str | _Url | None = None
    url: str | None = None
    title: str | None = None


_decode_chunk: Final = msgspec.json.Decoder(_Chunk).decode


class _Call:
    __slots__ = ("held", "id", "name", "part", "signature")

    def __init__(self) -> None:
        self.id: str | None = None
        self.name = ""
        self.part: int | None = None  # None: it has not begun
        self.held: list[str] = []
        self.signature: str | None = None


class ChoiceReader:
    """One choice as far as it came."""

    __slots__ = (
        "_answer_id",
        "_by_index",
        "_calls",
        "_dialect",
        "_index",
        "_kind",
        "_length",
        "_part",
        "_parts",
        "_sound",
        "_sources",
        "_streamed",
        "_text_part",
        "_thought",
        "finished",
    )

    def __init__(self, dialect: Dialect, answer_id: str, index: int, *, streamed: bool) -> None:
        self._dialect = dialect
        self._streamed = streamed
        self._answer_id = answer_id
        self._index = index
        self._parts = 0
        self._part = 0
        self._kind: type[TextAdded | ThinkingAdded | RefusalAdded] | None = None  # of the part that goes on
        self._text_part: int | None = None  # the last one
        self._length = 0  # of its text, in a content list
        self._thought: list[str] = []  # the thinking that goes on
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._sound: list[bytes] = []
        self._sources: list[Citation] = []
        self.finished = False

    def add_sources(self, sources: list[Citation]) -> None:
        """Take the sources of the whole answer; they are told when it ends."""
        self._sources = sources

    def take(self, choice: ChoiceIn, events: list[ChatEvent]) -> None:
        """Put what a choice adds to the events. Where a provider writes both, the delta adds up a stream."""
        said = choice.delta if self._streamed else choice.message or choice.delta
        if said is not None:
            self._take_message(said, events)
        if len(choice.logprobs) > _NULL:
            logprobs = read_logprobs(choice.logprobs)
            if logprobs is not None:
                events.append(LogprobsAdded(self._index, logprobs))
        if choice.finish_reason and not self.finished:
            self._finish(choice, events)

    def _take_message(self, said: MessageOut, events: list[ChatEvent]) -> None:
        if said.thinking_blocks is not ABSENT or said.reasoning_details is not ABSENT:
            blocks, details = said.thinking_blocks, said.reasoning_details
            for thought in read_thinking(blocks, details, said.reasoning_content, said.reasoning):
                self._think(thought, events)
        elif said.reasoning_content or said.reasoning:
            self._say(ThinkingAdded, said.reasoning_content or said.reasoning or "", events)
        content = said.content
        if content:
            if isinstance(content, str):
                self._say(TextAdded, content, events)
            else:
                for item in content:
                    self._take_item(item, events)
        if said.refusal:
            self._say(RefusalAdded, said.refusal, events)
        if said.annotations is not ABSENT:
            self._cite(read_citations(said.annotations), events)
        if said.tool_calls:
            for position, call in enumerate(said.tool_calls):
                self._take_call(call, call.index if self._streamed else position, events)
        elif said.function_call is not None:
            self._take_call(_SignedCall(function=said.function_call), 0, events)
        if said.audio is not None:
            self._hear(said.audio, events)
        if said.images:
            for image in said.images:
                self._show(image.image_url, events)

    def _say(self, kind: type[TextAdded | ThinkingAdded | RefusalAdded], text: str, events: list[ChatEvent]) -> None:
        if self._kind is not kind:
            self._kind = kind
            self._part = self._next_part()
            if kind is TextAdded:
                self._text_part = self._part
                self._length = 0
            elif kind is ThinkingAdded:
                self._thought = []
        if kind is ThinkingAdded:
            self._thought.append(text)
        events.append(kind(self._index, self._part, text))

    def _next_part(self) -> int:
        part = self._parts
        self._parts += 1
        return part

    def _think(self, thought: Thinking, events: list[ChatEvent]) -> None:
        goes_on = self._kind is ThinkingAdded
        if thought.text and not (goes_on and thought.signature and thought.text == "".join(self._thought)):
            self._say(ThinkingAdded, thought.text, events)
            goes_on = True
        if thought.dialect is None:
            return
        if not goes_on or (thought.dialect is Dialect.ANTHROPIC and thought.sealed is not None):
            self._part = self._next_part()
        self._kind = None
        events.append(
            ThinkingSealed(self._index, self._part, thought.dialect, thought.signature, thought.sealed, thought.id)
        )

    def _take_item(self, raw: Raw, events: list[ChatEvent]) -> None:
        """Take one item of a content list, as Mistral writes it."""
        try:
            item = _decode_chunk(raw)
        except UNREADABLE:
            item = _Chunk()
        if item.type == "text" and item.text is not None:
            if item.text:
                self._say(TextAdded, item.text, events)
                self._length += len(item.text)
        elif item.type == "thinking":
            for text in _thoughts(item.thinking):
                self._say(ThinkingAdded, text, events)
            if item.signature:
                own = Thinking(signature=item.signature, dialect=self._dialect)
                self._think(unpack_proof(item.signature, own), events)
        elif item.type in _SOURCES:
            source = Citation(item.url, item.title, end=self._length, dialect=self._dialect, raw=Raw(bytes(raw)))
            self._cite([source], events)
        elif item.type == "image_url":
            self._show(item.image_url, events)
        else:
            self._kind = None
            events.append(NativeAdded(self._index, self._next_part(), self._dialect, Raw(bytes(raw))))

    def _cite(self, sources: list[Citation], events: list[ChatEvent]) -> None:
        if not sources:
            return
        if self._text_part is None:
            self._kind = TextAdded
            self._part = self._text_part = self._next_part()
        events.extend([CitationAdded(self._index, self._text_part, source) for source in sources])

    def _take_call(self, given: _SignedCall, index: int | None, events: list[ChatEvent]) -> None:
        name, arguments, custom = _said_in(given)
        call = self._continued(given, name, index)
        if call is None:
            if given.id in _NO_ID and not name and not arguments:
                return  # some providers write an empty call beside an answer in text
            call = _Call()
            self._calls.append(call)
        if index is not None:
            self._by_index[index] = call
        if call.part is not None:
            if arguments:
                events.append(CallAdded(self._index, call.part, arguments))
            return
        extra = given.extra_content
        if extra is not None and extra.google is not None:
            call.signature = extra.google.thought_signature
        call.id = call.id if given.id in _NO_ID else given.id
        call.name = name
        if arguments:
            call.held.append(arguments)
        if name:
            self._begin(call, events, custom=custom)

    def _begin(self, call: _Call, events: list[ChatEvent], *, custom: bool = False) -> None:
        call.part = self._next_part()
        call.id = call.id or mint_call_id(self._answer_id, self._calls.index(call))
        self._kind = None
        events.append(CallBegan(self._index, call.part, call.id, call.name, custom, call.signature))
        if call.held:
            events.append(CallAdded(self._index, call.part, "".join(call.held)))

    def _continued(self, given: _SignedCall, name: str, index: int | None) -> _Call | None:
        """Return the call that a fragment goes on with; None when it begins one."""
        has_id = given.id not in _NO_ID
        if index is not None:
            known = self._by_index.get(index)
        elif has_id:
            known = next((call for call in self._calls if call.id == given.id), None)
        else:
            known = None if name or not self._calls else self._calls[-1]
        if known is not None and has_id and name and known.id not in (None, given.id) and known.name:
            return None
        return known

    def _hear(self, audio: _Audio, events: list[ChatEvent]) -> None:
        if audio.transcript:
            self._say(TextAdded, audio.transcript, events)
        if audio.data:
            self._sound.append(base64.b64decode(audio.data))

    def _show(self, given: str | _Url | None, events: list[ChatEvent]) -> None:
        url = given if isinstance(given, str) else given.url if given is not None else ""
        if not url:
            return
        self._kind = None
        inline = split_data_url(url)
        if inline is None:
            media = Media(MediaKind.IMAGE, mime_of_name(url), url=url)
        else:
            media = Media(MediaKind.IMAGE, inline[0], data=inline[1])
        events.append(MediaAdded(self._index, self._next_part(), media))

    def _finish(self, choice: ChoiceIn, events: list[ChatEvent]) -> None:
        word = choice.finish_reason or ""
        for call in self._calls:
            if call.part is None:
                self._begin(call, events)
        if self._sound:
            media = Media(MediaKind.AUDIO, data=base64.b64encode(b"".join(self._sound)).decode())
            events.append(MediaAdded(self._index, self._next_part(), media))
        if self._sources:
            self._cite(self._sources, events)
        self.finished = True
        reason = _REASONS.get(word, FinishReason.OTHER)
        if self._streamed and word == "error":
            return  # it is a failure, of which the answer's reader speaks
        sequence = None
        if reason is FinishReason.STOP and self._calls:
            reason = FinishReason.TOOL_CALLS  # a tool that was forced ends so
        elif reason is FinishReason.STOP and bytes(choice.stop_reason).startswith(b'"'):
            reason, sequence = FinishReason.STOP_SEQUENCE, decode_text(choice.stop_reason)
        events.append(ChoiceFinished(self._index, Finish(reason, word, sequence)))


def _said_in(given: _SignedCall) -> tuple[str, str, bool]:
    """Return a fragment's name and arguments, and whether it is of a custom tool."""
    if given.custom is not None and (given.custom.name or given.function is None):
        return given.custom.name or "", given.custom.input or "", True
    if given.function is None:
        return "", "", False
    return given.function.name or "", arguments_text(given.function), False


def _thoughts(thinking: str | list[Raw] | None) -> list[str]:
    if isinstance(thinking, str):
        return [thinking] if thinking else []
    texts: list[str] = []
    for raw in thinking or ():
        try:
            item = _decode_chunk(raw)
        except UNREADABLE:
            continue
        if item.text:
            texts.append(item.text)
    return texts
