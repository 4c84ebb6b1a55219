"""Reading an answer for the record: who answered, what it said, what it used.

Law: never raises. Whatever the bytes are (cut short, not UTF-8, a web page where JSON was due), what can be read is
reported and the rest is named in `warnings`. A stream and a plain answer go through the same fold.
"""

from typing import Final, assert_never

import msgspec
from msgspec import Struct

from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.chat_chunk import read_chunk
from gantry.dialects.chat_fold import ChatFold
from gantry.dialects.error_message import clip_message, error_message
from gantry.dialects.tail import find_usage
from gantry.dialects.usage import read_usage, service_tier_in
from gantry.wire.sse import SSEParser

_DONE: Final = b"[DONE]"
_STREAM_STARTS: Final = (b"data:", b"event:", b":", b"id:", b"retry:")
_PAGE_BYTES: Final = 4096


class Answer(Struct, frozen=True, gc=False):
    """What an answer says. `text` and `reasoning` are for reading and estimating; `message` is what is kept."""

    model: str | None = None
    response_id: str | None = None
    service_tier: str | None = None
    usage: Usage = NO_USAGE
    usage_raw: str | None = None
    message: str | None = None  # of choice 0, as JSON
    messages: str | None = None  # of every choice, as a JSON list, when there are several
    tool_calls: str | None = None  # of choice 0, as a JSON list
    finish_reason: str | None = None
    text: str | None = None
    reasoning: str | None = None
    error: str | None = None
    complete: bool = False  # the answer came to its end
    warnings: tuple[str, ...] = ()


EMPTY_ANSWER: Final = Answer()


def read_answer(operation: Operation, dialect: Dialect, content_type: str, body: bytes) -> Answer:
    """Return what an answer says. Never raises."""
    if not body:
        return EMPTY_ANSWER
    match dialect:
        case Dialect.MISTRAL | Dialect.OPENAI_CHAT:
            return _read_chat_family(operation, content_type, body)
        case _:
            assert_never(dialect)


def is_stream(content_type: str, body: bytes) -> bool:
    """Say whether a body is an event stream: by its content type, or by its first line where that says nothing."""
    if content_type.startswith("text/event-stream"):
        return True
    return not content_type and body.startswith(_STREAM_STARTS)


def _read_chat_family(operation: Operation, content_type: str, body: bytes) -> Answer:
    if is_stream(content_type, body):
        return _read_stream(body)
    if operation is Operation.OPAQUE and "json" not in content_type:
        return Answer(complete=True)  # audio, a file: nothing to read in it
    return _read_whole(content_type, body)


def _read_whole(content_type: str, body: bytes) -> Answer:
    chunk = read_chunk(body)
    if chunk is None:
        return _salvage(content_type, body)
    fold = ChatFold(streamed=False)
    fold.add(chunk)
    return _conclude(fold, complete=fold.error is None, warnings=[])


def _read_stream(body: bytes) -> Answer:
    parser = SSEParser(limit=len(body))
    events = parser.feed(body)
    events += parser.close()
    fold = ChatFold(streamed=True)
    done = False
    unreadable = 0
    for event in events:
        data = event.data
        if data.startswith(_DONE):
            done = True
        elif data:
            chunk = read_chunk(data)
            if chunk is None:
                unreadable += 1
            else:
                fold.add(chunk)
    finished = bool(fold.choices) and all(choice.finish_reason for choice in fold.choices.values())
    warnings = [f"{unreadable} events of the stream are not JSON objects"] if unreadable else []
    return _conclude(fold, complete=(done or finished) and fold.error is None, warnings=warnings)


def _conclude(fold: ChatFold, *, complete: bool, warnings: list[str]) -> Answer:
    usage, usage_raw, service_tier = NO_USAGE, None, fold.service_tier
    if fold.usage is not None:
        usage, usage_warnings = read_usage(fold.usage)
        service_tier = service_tier_in(fold.usage) or service_tier
        usage_raw = fold.usage.decode("utf-8", "replace")
        warnings += usage_warnings
    choices = fold.choices
    first = choices[min(choices)] if choices else None
    messages = None
    if len(choices) > 1:
        messages = b"[" + b",".join(choices[index].message() for index in sorted(choices)) + b"]"
    return Answer(
        model=fold.model,
        response_id=fold.response_id,
        service_tier=service_tier,
        usage=usage,
        usage_raw=usage_raw,
        message=_text(first.message()) if first else None,
        messages=_text(messages) if messages else None,
        tool_calls=_text(msgspec.json.encode(first.calls.assembled())) if first and first.calls else None,
        finish_reason=first.finish_reason if first else None,
        text=first.content.text if first else None,
        reasoning=(first.reasoning or None) if first else None,
        error=error_message(fold.error) if fold.error is not None else None,
        complete=complete,
        warnings=tuple(warnings),
    )


def _salvage(content_type: str, body: bytes) -> Answer:
    """Read a body that is no JSON object: an answer cut short still may hold its usage, a web page its text."""
    found = find_usage(body)
    if found is not None:
        usage, warnings = read_usage(found[0])
        return Answer(
            model=found[1],
            usage=usage,
            usage_raw=_text(found[0]),
            warnings=("the answer is not whole JSON", *warnings),
        )
    if body.lstrip().startswith(b"{") or "json" in content_type:
        return Answer(warnings=("the answer is not whole JSON",))
    return Answer(error=clip_message(_text(body[:_PAGE_BYTES])), warnings=("the answer is not JSON",))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
