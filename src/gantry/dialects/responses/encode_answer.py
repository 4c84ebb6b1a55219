"""The canonical answer as a whole response, and its parts as output items."""

from collections.abc import Iterable
from typing import Any, Final, assert_never

import msgspec
from msgspec import Raw

from gantry.core.chat import (
    ChatAnswer,
    Choice,
    Citation,
    Media,
    MediaKind,
    NativePart,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from gantry.dialects.carried import pack_proof
from gantry.dialects.codec import Asking
from gantry.dialects.responses.items import OWN
from gantry.dialects.responses.logprobs import logprob_entries
from gantry.dialects.responses.namespaces import NO_HOMES, Home, Homes, homes_of
from gantry.dialects.responses.response_object import ResponseObject, ending_of, refuses, response_id

Item = Any
COMPLETED: Final = "completed"
INCOMPLETE: Final = "incomplete"
NO_ARGUMENTS: Final = "{}"
_NO_CHOICE: Final = Choice(0, ())


def encode_answer(answer: ChatAnswer, asking: Asking) -> bytes:
    """Return a whole response. It has room for one answer: the first."""
    choice = answer.choices[0] if answer.choices else _NO_CHOICE
    whole_id = response_id(answer.id if answer.dialect is OWN else None, asking.id)
    created = asking.created if answer.created is None else answer.created
    response = ResponseObject(
        whole_id, created, answer.model or asking.request.model, answer.service_tier, asking.request
    )
    ending = ending_of(choice.finish, refused=refuses(choice))
    homes = homes_of(asking.request.tools)
    output = output_items(choice.parts, ItemIds(whole_id), logprob_entries(choice.logprobs), homes)
    if output and ending.status != "completed" and not isinstance(output[-1], Raw) and "status" in output[-1]:
        output[-1]["status"] = INCOMPLETE  # the answer broke off in it
    return msgspec.json.encode(response.ended(output, ending, answer.usage))


class ItemIds:
    """Ids of output items, one for each place in the output."""

    __slots__ = ("_seed",)

    def __init__(self, response_id: str) -> None:
        self._seed = response_id.removeprefix("resp_")

    def at(self, prefix: str, index: int) -> str:
        return f"{prefix}_{self._seed}_{index}"


def output_items(parts: Iterable[Part], ids: ItemIds, logprobs: list[Raw], homes: Homes = NO_HOMES) -> list[Item]:
    return [item for item, _ in placed_parts(parts, ids, logprobs, homes)]


def placed_parts(
    parts: Iterable[Part], ids: ItemIds, logprobs: list[Raw], homes: Homes = NO_HOMES
) -> list[tuple[Item, list[Part]]]:
    """Return the items of an answer, each with the parts it says: adjacent texts and refusals are one message."""
    placed: list[tuple[Item, list[Part]]] = []
    message: list[Part] = []
    for part in parts:
        if isinstance(part, Text | Refusal):
            if not message:
                placed.append((message_item(ids.at("msg", len(placed)), COMPLETED, []), message))
            message.append(part)
            placed[-1][0]["content"].append(spoken_part(part, logprobs))
            logprobs = [] if isinstance(part, Text) else logprobs
            continue
        message = []
        item = _item(part, ids, len(placed), homes)
        if item is not None:
            placed.append((item, [part]))
    return placed


def _item(
    part: Thinking | ToolCall | NativePart | Media | ToolResult, ids: ItemIds, index: int, homes: Homes
) -> Item | None:
    match part:
        case Thinking():
            return reasoning_item(own_id(part) or ids.at("rs", index), part)
        case ToolCall():
            return call_item(call_item_id(ids, index, custom=part.custom), part, COMPLETED, homes.get(part.name))
        case NativePart(dialect, raw):
            return raw if dialect is OWN else None
        case Media():
            return image_item(ids.at("ig", index), part)
        case ToolResult():
            return None
        case _:
            assert_never(part)


def message_item(item_id: str, status: str, content: list[Any]) -> Item:
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": content}


def spoken_part(part: Text | Refusal, logprobs: list[Raw]) -> Item:
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    annotations = [annotation(citation, len(part.text)) for citation in part.citations]
    return text_part(part.text, annotations, logprobs)


def text_part(text: str, annotations: list[Any], logprobs: list[Raw]) -> Item:
    return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": logprobs}


def reasoning_item(item_id: str, thinking: Thinking) -> Item:
    summary = [{"type": "summary_text", "text": thinking.text}] if thinking.text else []
    item: dict[str, Any] = {"id": item_id, "type": "reasoning", "summary": summary}
    sealed = thinking.sealed if thinking.dialect is OWN else pack_proof(thinking)
    return item if sealed is None else {**item, "encrypted_content": sealed}


def own_id(thinking: Thinking) -> str | None:
    """Return the id of a reasoning that this format made."""
    return thinking.id if thinking.dialect is OWN else None


def call_item_id(ids: ItemIds, index: int, *, custom: bool) -> str:
    return ids.at("ctc" if custom else "fc", index)


def call_item(item_id: str, call: ToolCall, status: str, home: Home | None = None) -> Item:
    """Return a call. One without arguments has an empty object: clients parse them unasked."""
    called = {"name": call.name} if home is None else {"name": home.name, "namespace": home.namespace}
    head = {"id": item_id, "status": status, "call_id": call.id, **called}
    if call.custom:
        return {**head, "type": "custom_tool_call", "input": call.arguments}
    return {**head, "type": "function_call", "arguments": call.arguments or NO_ARGUMENTS}


def image_item(item_id: str, media: Media) -> Item | None:
    """Return an image that the model made; the format has no slot for other media, nor for an image elsewhere."""
    if media.kind is not MediaKind.IMAGE or media.data is None:
        return None
    return {"id": item_id, "type": "image_generation_call", "status": COMPLETED, "result": media.data}


def annotation(citation: Citation, length: int) -> Any:
    """Return a source. One that does not say of which words is of the whole text."""
    if citation.dialect is OWN and citation.raw is not None:
        return citation.raw
    return {
        "type": "url_citation",
        "url": citation.url or "",
        "title": citation.title or citation.quote or "",
        "start_index": citation.start or 0,
        "end_index": length if citation.end is None else citation.end,
    }
