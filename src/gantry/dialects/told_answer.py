"""An answer in a dialect of another family, read for the record: decoded by its codec and told in OpenAI's words.

Law: as all reading for the record, it never raises. The log has one shape of message, whoever answered, so that a
conversation reads the same; the provider's own bytes are kept beside it.
"""

from typing import Any, Final

import msgspec

from gantry.core.chat import ChatAnswer, ChatRequest, Choice, Refusal, Text, Thinking, ToolCall
from gantry.core.errors import GatewayError
from gantry.dialects.assemble import Assembly
from gantry.dialects.codec import Asking, Codec
from gantry.dialects.fold import Answer, as_text
from gantry.dialects.tail import find_usage

_TAIL_BYTES: Final = 16 * 1024


def read_by_codec(codec: Codec, body: bytes, *, streamed: bool) -> Answer:
    """Return what an answer says: a whole one, an error, or a stream however far it came. Never raises."""
    if streamed:
        return _read_stream(codec, body)
    try:
        return tell(codec.decode_answer(body), complete=True, usage_raw=_usage_in(body))
    except GatewayError:
        error = codec.decode_error(0, body).message
        return Answer(error=error or None, warnings=() if error else ("the answer is none that its dialect knows",))


def tell(
    answer: ChatAnswer,
    *,
    complete: bool,
    error: str | None = None,
    warnings: tuple[str, ...] = (),
    usage_raw: str | None = None,
) -> Answer:
    """Return an answer as the record keeps it. `usage_raw` is the usage as the provider wrote it."""
    first = answer.choices[0] if answer.choices else None
    messages = [_message(choice) for choice in answer.choices]
    calls = messages[0].get("tool_calls") if messages else None
    return Answer(
        model=answer.model,
        response_id=answer.id,
        service_tier=answer.service_tier,
        usage=answer.usage,
        usage_raw=usage_raw or as_text(msgspec.json.encode(answer.usage)),
        message=as_text(msgspec.json.encode(messages[0])) if messages else None,
        messages=as_text(msgspec.json.encode(messages)) if len(messages) > 1 else None,
        tool_calls=as_text(msgspec.json.encode(calls)) if calls else None,
        finish_reason=first.finish.reason if first is not None and first.finish is not None else None,
        text=_text(first) if first is not None else None,
        reasoning=_thinking(first) or None if first is not None else None,
        error=error,
        complete=complete and error is None,
        warnings=warnings,
    )


def assemble_by_codec(codec: Codec, body: bytes) -> bytes:
    """Return a stream as the whole answer of its dialect that it came to; its error, where it came to none."""
    assembly, _ = _assemble(codec, body)
    if assembly.error is not None:
        return codec.encode_error(assembly.error)
    return retell(codec, assembly.answer())


def retell(codec: Codec, answer: ChatAnswer) -> bytes:
    """Return an answer as its own dialect has it whole."""
    nobody = ChatRequest(dialect=codec.dialect, model=answer.model or "", messages=())
    return codec.encode_answer(answer, Asking(nobody, answer.created or 0, answer.id or ""))


def _assemble(codec: Codec, body: bytes) -> tuple[Assembly, tuple[str, ...]]:
    decoder = codec.stream_decoder()
    assembly = Assembly(codec.dialect)
    try:
        for event in (*decoder.feed(body), *decoder.close()):
            assembly.add(event)
    except GatewayError as error:
        return assembly, (error.message,)
    return assembly, ()


def _read_stream(codec: Codec, body: bytes) -> Answer:
    assembly, warnings = _assemble(codec, body)
    failure = None if assembly.error is None else assembly.error.message
    raw = _usage_in(body)
    return tell(assembly.answer(), complete=assembly.ended, error=failure, warnings=warnings, usage_raw=raw)


def _usage_in(body: bytes) -> str | None:
    """Return the last usage in an answer; of a stream it may tell only what the one before did not."""
    found = find_usage(body[-_TAIL_BYTES:])
    return None if found is None else as_text(found[0])


def _message(choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": _text(choice) or None}
    thinking = _thinking(choice)
    if thinking:
        message["reasoning_content"] = thinking
    refusal = "".join(part.text for part in choice.parts if isinstance(part, Refusal))
    if refusal:
        message["refusal"] = refusal
    calls = [
        {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.arguments}}
        for part in choice.parts
        if isinstance(part, ToolCall)
    ]
    if calls:
        message["tool_calls"] = calls
    return message


def _text(choice: Choice) -> str:
    return "".join(part.text for part in choice.parts if isinstance(part, Text))


def _thinking(choice: Choice) -> str:
    return "".join(part.text for part in choice.parts if isinstance(part, Thinking))
