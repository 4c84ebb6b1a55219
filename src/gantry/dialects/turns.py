"""What of an answer a later turn needs, and putting it back where the caller could not carry it.

Law: signed thinking is remembered by the ids of the tool calls it led to, because those come back with every client;
a response by its id. What the caller did carry wins over what was remembered.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from msgspec import Struct, structs

from gantry.core.chat import ChatAnswer, ChatRequest, Message, Part, Role, Thinking, ToolCall

_MAX_RECALLED: Final = 64  # turns of one request


class SignedTurn(Struct, frozen=True, omit_defaults=True):
    """The thinking that led to a tool call, and the signature of the call itself."""

    thinking: tuple[Thinking, ...] = ()
    signatures: dict[str, str] = {}


class RememberedResponse(Struct, frozen=True):
    """A conversation up to and with a response, and the response as its client got it."""

    messages: tuple[Message, ...]
    body: msgspec.Raw


_encode: Final = msgspec.json.Encoder().encode
_decode_turn: Final = msgspec.json.Decoder(SignedTurn).decode
_decode_response: Final = msgspec.json.Decoder(RememberedResponse).decode


def signed_turns(answer: ChatAnswer) -> Iterable[tuple[str, bytes]]:
    """Return what to remember of an answer, by tool call id; nothing where nothing was signed."""
    for choice in answer.choices:
        calls = [part for part in choice.parts if isinstance(part, ToolCall)]
        thinking = tuple(part for part in choice.parts if isinstance(part, Thinking) and part.dialect is not None)
        signatures = {call.id: call.signature for call in calls if call.signature is not None}
        if calls and (thinking or signatures):
            kept = _encode(SignedTurn(thinking, signatures))
            for call in calls:
                yield call.id, kept


def restore_signed_turns(request: ChatRequest, recall: Callable[[str], bytes | None]) -> ChatRequest:
    """Return a request with the thinking and signatures that its caller could not carry."""
    left = _MAX_RECALLED
    messages = list(request.messages)
    for place in range(len(messages) - 1, -1, -1):
        calls = _unsigned_calls(messages[place])
        if not calls:
            continue
        if not left:
            break
        left -= 1
        kept = next((found for call in calls if (found := recall(call.id)) is not None), None)
        if kept is not None:
            messages[place] = _restored(messages[place], _decode_turn(kept))
    return structs.replace(request, messages=tuple(messages))


def keep_response(messages: tuple[Message, ...], told: bytes) -> bytes:
    """Return a response as it is remembered; `messages` end with it."""
    return _encode(RememberedResponse(messages, msgspec.Raw(told)))


def recall_response(kept: bytes) -> RememberedResponse:
    return _decode_response(kept)


def _unsigned_calls(message: Message) -> list[ToolCall]:
    if message.role is not Role.ASSISTANT:
        return []
    calls: list[ToolCall] = []
    for part in message.parts:
        if isinstance(part, Thinking) and part.dialect is not None:
            return []
        if isinstance(part, ToolCall):
            if part.signature is not None:
                return []
            calls.append(part)
    return calls


def _restored(message: Message, turn: SignedTurn) -> Message:
    said: list[Part] = [part for part in message.parts if not (turn.thinking and isinstance(part, Thinking))]
    parts = [
        structs.replace(part, signature=turn.signatures.get(part.id)) if isinstance(part, ToolCall) else part
        for part in said
    ]
    return structs.replace(message, parts=(*turn.thinking, *parts))
