"""What this format's callers leave to the provider's memory, for a gateway that remembers in its place.

Law: pure, and the store is the gateway's. What is remembered under a response's id is the whole conversation up to and
with that answer, in canonical messages, so that it can go on with any provider. Instructions are of one call only and
are not remembered (https://platform.openai.com/docs/guides/conversation-state).
An item's id that was minted here names its response and its place in the output (`msg_<response>_<place>`), so a
reference to one item is found in what is remembered of the response.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct, structs

from gantry.core.chat import ChatAnswer, ChatRequest, Message, NativePart, Part, Role
from gantry.core.errors import InvalidRequest
from gantry.dialects.members import decode_flag, decode_text
from gantry.dialects.responses.encode_answer import ItemIds, placed_parts
from gantry.dialects.responses.items import OWN

Recall = Callable[[str], Sequence[Message] | None]  # a response's id to what is remembered under it

_PREVIOUS: Final = "previous_response_id"
_ONLY_ITS_PROVIDER: Final = ("conversation", "prompt")
_MINTED: Final = re.compile(r"[a-z]+_(?P<seed>.+)_\d+\Z")


class _Reference(Struct, gc=False):
    type: str
    id: str | None = None


_decode_reference: Final = msgspec.json.Decoder(_Reference).decode


def previous_response_id(request: ChatRequest) -> str | None:
    """Return the id of the response that the request goes on from. Raises InvalidRequest when it is no text."""
    raw = request.extra.get(_PREVIOUS)
    if raw is None:
        return None
    try:
        return decode_text(raw)
    except msgspec.DecodeError:
        raise InvalidRequest(f"`{_PREVIOUS}` must be a string", param=_PREVIOUS) from None


def wants_store(request: ChatRequest) -> bool:
    """Say whether the answer is to be remembered: in this format it is, unless the caller says no."""
    raw = request.extra.get("store")
    if raw is None:
        return True
    try:
        return decode_flag(raw)
    except msgspec.DecodeError:
        raise InvalidRequest("`store` must be true or false", param="store") from None


_Known = dict[str, dict[str, list[Part]]]  # the items of responses, looked up once however many are referred to


def refuse_foreign_state(request: ChatRequest) -> None:
    """Raise InvalidRequest for what lives with the account at OpenAI and cannot be looked up for another provider."""
    for name in _ONLY_ITS_PROVIDER:
        if name in request.extra:
            raise InvalidRequest(
                f"`{name}` lives with an account at OpenAI and is not known to the provider of this model. "
                "Send its content in `input`.",
                param=name,
            )


def own_turns(request: ChatRequest) -> tuple[Message, ...]:
    """Return the messages of a request without its instructions."""
    return request.messages[_instructions(request) :]


def go_on_from(request: ChatRequest, remembered: Sequence[Message]) -> ChatRequest:
    """Return a request that says itself what it left to the provider's memory."""
    count = _instructions(request)
    messages = (*request.messages[:count], *_joined((*remembered, *request.messages[count:])))
    extra = {name: raw for name, raw in request.extra.items() if name != _PREVIOUS}
    return structs.replace(request, messages=messages, extra=extra)


def remembered_turn(request: ChatRequest, answer: ChatAnswer) -> tuple[Message, ...]:
    """Return what must be remembered under the answer's id, so that a later call can go on from it.

    `request` is the one that was sent on: with what it went on from itself.
    """
    said = answer.choices[0].parts if answer.choices else ()
    return (*own_turns(request), *((Message(Role.ASSISTANT, said),) if said else ()))


def resolve(request: ChatRequest, recall: Recall) -> ChatRequest:
    """Return a request without references to what was remembered. Raises InvalidRequest for what is not (any more)."""
    previous = previous_response_id(request)
    if previous is not None:
        remembered = recall(previous)
        if remembered is None:
            raise InvalidRequest(
                f"`{_PREVIOUS}`: the response {previous} is not remembered here. It was answered with `store: false`, "
                "under a key or by a call that keeps no content, by another provider, or too long ago. "
                "Send the conversation itself in `input`.",
                param=_PREVIOUS,
            )
        request = go_on_from(request, remembered)
    known: _Known = {}
    messages = tuple(_resolved(message, recall, known) for message in request.messages)
    return structs.replace(request, messages=_joined(messages)) if messages != request.messages else request


def _resolved(message: Message, recall: Recall, known: _Known) -> Message:
    """Return the item that a message refers to; the message itself when it refers to none."""
    part = message.parts[0] if len(message.parts) == 1 else None
    if not isinstance(part, NativePart) or part.dialect is not OWN:
        return message
    try:
        reference = _decode_reference(part.raw)
    except msgspec.ValidationError:
        return message  # an item of a type that is none: the codec of the target refuses it
    if reference.type != "item_reference" or reference.id is None:
        return message
    found = _remembered_item(reference.id, recall, known)
    if found is None:
        raise InvalidRequest(
            f"`input`: the item {reference.id} is not remembered here. Send the item itself, as clients do with "
            "`store: false`.",
            param="input",
        )
    return Message(Role.ASSISTANT, tuple(found))


def _remembered_item(item_id: str, recall: Recall, known: _Known) -> list[Part] | None:
    minted = _MINTED.match(item_id)
    if minted is None:
        return None
    response_id = f"resp_{minted['seed']}"
    items = known.get(response_id)
    if items is None:
        items = known[response_id] = _items_of(response_id, recall)
    return items.get(item_id)


def _items_of(response_id: str, recall: Recall) -> dict[str, list[Part]]:
    """Return what a remembered response said, by the ids of its items."""
    remembered = recall(response_id)
    if not remembered:
        return {}
    placed = placed_parts(remembered[-1].parts, ItemIds(response_id), [])
    return {item["id"]: parts for item, parts in placed if not isinstance(item, Raw)}


def _instructions(request: ChatRequest) -> int:
    """Return how many of the first messages are the instructions: one or none."""
    return 1 if request.dialect is OWN and "instructions" in request.extra else 0


def _joined(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Return turns with those of the assistant that follow each other made one."""
    joined: list[Message] = []
    for message in messages:
        last = joined[-1] if joined else None
        if last is not None and last.role is message.role is Role.ASSISTANT:
            joined[-1] = structs.replace(last, parts=last.parts + message.parts)
        else:
            joined.append(message)
    return tuple(joined)
