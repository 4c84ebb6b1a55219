"""OpenAI's older completions on Mistral's code models, which complete a text by filling in its middle.

Law: what is the same keeps its bytes; Mistral refuses fields that it does not know, so a tuning knob that it lacks is
dropped and reported, and what would be missed in the answer (several texts, the prompt echoed, log probabilities) is a
400 naming the field. Mistral answers as to a chat; here a message becomes a text again.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.errors import InvalidRequest, UpstreamBroke
from gantry.dialects.changes import Change, clamped, dropped, renamed
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.chat_shapes import MessagePart
from gantry.dialects.content_fold import ContentFold
from gantry.dialects.event_stream import EventStream
from gantry.dialects.fields import object_members
from gantry.dialects.members import (
    NULL,
    UNREADABLE,
    Members,
    asks_nothing,
    decode_texts,
    encode,
    is_text,
    read,
    read_number,
)
from gantry.dialects.mistral_answer import adapt_usage, openai_finish_reason
from gantry.dialects.mistral_request import MAX_TEMPERATURE

_SAME: Final = frozenset("model suffix top_p max_tokens stop stream metadata min_tokens".split())
_ONE: Final = Raw(b"1")
_ONLY_ONE: Final = ("n", "best_of")
_MISSED: Final = ("echo", "logprobs")
_OBJECT: Final = "text_completion"

_encode: Final = msgspec.json.Encoder().encode


class CompletionRequest(Struct, frozen=True):
    """The request for Mistral, what was changed in it, and whether the caller asked for usage in a stream."""

    body: bytes
    changes: list[Change]
    include_usage: bool


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _Choice(Struct, gc=False):
    index: int = 0
    message: MessagePart | None = None
    delta: MessagePart | None = None
    finish_reason: str | None = None


class _Answer(Struct):
    """A whole answer, or a chunk of its stream."""

    choices: list[_Choice]
    id: str | None = None
    created: int = 0
    model: str | None = None
    usage: Raw = NULL


_decode: Final = msgspec.json.Decoder(_Answer).decode
_decode_options: Final = msgspec.json.Decoder(_StreamOptions).decode


def to_mistral_completion(body: bytes) -> CompletionRequest:
    """Return an OpenAI completion request for Mistral's fill-in-the-middle. Raises InvalidRequest."""
    given = object_members(body, "a completion request")
    adapted: Members = {"prompt": _prompt(given.get("prompt", NULL))}
    changes: list[Change] = []
    include_usage = False
    for name, value in given.items():
        if value == NULL or name == "prompt":
            continue
        if name in _SAME:
            adapted[name] = value
        elif name == "temperature":
            adapted[name] = value
            if read_number(value, name) > MAX_TEMPERATURE:
                adapted[name] = encode(MAX_TEMPERATURE)
                changes.append(clamped(name, MAX_TEMPERATURE))
        elif name == "seed":
            adapted["random_seed"] = value
            changes.append(renamed(name, "random_seed"))
        elif name == "stream_options":
            include_usage = bool(read(_decode_options, value, name, "an object").include_usage)
        elif name in _ONLY_ONE:
            if value != _ONE:
                raise InvalidRequest(f"`{name}` must be 1: Mistral completes a text once", param=name)
        elif name in _MISSED:
            if not asks_nothing(value):
                raise InvalidRequest(f"`{name}` must be left out: Mistral has none in its completions", param=name)
        elif not asks_nothing(value):
            changes.append(dropped(name))
    return CompletionRequest(bytes(encode(adapted)), changes, include_usage)


def to_openai_completion(body: bytes) -> bytes:
    """Return Mistral's answer as a completion. Raises UpstreamBroke."""
    try:
        answer = _decode(body)
        usage = {"usage": adapt_usage(answer.usage)} if has_value(answer.usage) else {}
        return _encode({**_told(answer), **usage})
    except UNREADABLE:
        raise UpstreamBroke("the provider's answer is not a completion") from None


class CompletionStream(EventStream):
    """Mistral's chunks in, OpenAI's texts out."""

    __slots__ = ("_include_usage",)

    def __init__(self, *, include_usage: bool) -> None:
        super().__init__()
        self._include_usage = include_usage

    def adapt(self, data: bytes) -> list[Any]:
        chunk = _decode(data)
        events = [_told(chunk)] if chunk.choices else []
        if self._include_usage and has_value(chunk.usage):
            events.append({**_told(chunk), "choices": [], "usage": adapt_usage(chunk.usage)})
        self.finished = any(choice.finish_reason for choice in chunk.choices)
        return events


def _told(answer: _Answer) -> dict[str, Any]:
    choices = [
        {
            "text": _text(choice.message or choice.delta or MessagePart()),
            "index": choice.index,
            "logprobs": None,
            "finish_reason": openai_finish_reason(choice.finish_reason),
        }
        for choice in answer.choices
    ]
    said = {"id": answer.id or "", "object": _OBJECT, "created": answer.created, "model": answer.model or ""}
    return {**said, "choices": choices}


def _text(part: MessagePart) -> str:
    content = ContentFold()
    if part.content is not None:
        content.add(part.content)
    return content.text or ""


def _prompt(raw: Raw) -> Raw:
    if raw == NULL:
        raise InvalidRequest("`prompt` is missing", param="prompt")
    if is_text(raw):
        return raw
    texts = read(decode_texts, raw, "prompt", "a text; the model that is called takes no tokens")
    if len(texts) != 1:
        raise InvalidRequest("`prompt` must be one text: Mistral completes one at a time", param="prompt")
    return encode(texts[0])
