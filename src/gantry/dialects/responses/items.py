"""Items that an assistant says, as parts: in a request's history, in a whole answer and at the end of a streamed item.

Law: what the canonical chat has no slot for makes the whole item native, except in a message, whose text is worth more
than its unknown parts. Raises msgspec's errors; who reads a request names the path, who reads an answer its provider.
"""

from typing import Final

import msgspec
from msgspec import Raw

from gantry.core.chat import Citation, NativePart, Part, Refusal, Text, Thinking, ToolCall
from gantry.core.vocabulary import Dialect
from gantry.dialects.carried import unpack_proof
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.responses.shapes import (
    ContentPart,
    Head,
    ReasoningItem,
    decode_annotation,
    decode_custom_call,
    decode_function_call,
    decode_head,
    decode_message,
    decode_part,
    decode_reasoning,
)
from gantry.dialects.tool_terms import mint_call_id

OWN: Final = Dialect.OPENAI_RESPONSES
SEPARATOR: Final = "\n\n"  # between the parts of a summary
TEXT_TYPES: Final = frozenset(("output_text", "input_text", "text"))
_NO_CALLERS: Final = (b'{"type":"direct"}', b'{"type": "direct"}')


def said_by_assistant(raw: Raw, position: int = 0) -> list[Part]:
    """Return the parts of one item; `position` tells calls apart that have no id."""
    head = decode_head(raw)
    match kind_of(head):
        case "message":
            return list(_message_parts(raw))
        case "reasoning":
            return [reasoning_part(decode_reasoning(raw))]
        case "function_call":
            call = decode_function_call(raw)
            return [ToolCall(_call_id(call.call_id, call.id, position), call.name, call.arguments or "")]
        case "custom_tool_call":
            custom = decode_custom_call(raw)
            return [ToolCall(_call_id(custom.call_id, custom.id, position), custom.name, custom.input or "", True)]
        case _:
            return [NativePart(OWN, native(raw))]


def kind_of(head: Head) -> str:
    """Return the type of an item that the canonical chat can say wholly; "" for every other."""
    kind = head.type or ("message" if head.role is not None else "")
    if kind in ("message", "reasoning"):
        return kind
    if kind in ("function_call", "custom_tool_call") and not _is_special(head):
        return kind
    return ""


def _is_special(head: Head) -> bool:
    """Say whether a call is of a tool in a namespace, or made by a program of the provider's."""
    return has_value(head.namespace) or (has_value(head.caller) and bytes(head.caller) not in _NO_CALLERS)


def _message_parts(raw: Raw) -> list[Text | Refusal]:
    content = decode_message(raw).content
    if isinstance(content, str):
        return [Text(content)]
    parts = (spoken_part(decode_part(part)) for part in content or ())
    return [part for part in parts if part is not None]


def spoken_part(part: ContentPart) -> Text | Refusal | None:
    if part.type == "refusal":
        return Refusal(part.refusal or "")
    if part.type in TEXT_TYPES:
        return Text(part.text or "", tuple(citation(annotation) for annotation in part.annotations or ()))
    return None


def says_something(part: Part) -> bool:
    """Say whether a part of an answer is more than an empty text, which streams do not send."""
    if isinstance(part, Text):
        return bool(part.text or part.citations)
    return bool(part.text) if isinstance(part, Refusal) else True


def logprobs_of(raw: Raw) -> list[Raw]:
    """Return the log probabilities of a message item's text."""
    head = decode_head(raw)
    content = decode_message(raw).content if kind_of(head) == "message" and head.role is not None else None
    if content is None or isinstance(content, str):
        return []
    return [one for part in content for one in decode_part(part).logprobs or ()]


def reasoning_part(item: ReasoningItem) -> Thinking:
    """Return a reasoning. The raw one (`content`) is more than its summary; alone it has nothing to be proved by."""
    text = reasoning_text(item)
    if item.content and item.encrypted_content is None:
        return Thinking(text)
    own = Thinking(text, sealed=item.encrypted_content, dialect=OWN, id=item.id)
    return own if item.encrypted_content is None else unpack_proof(item.encrypted_content, own)


def reasoning_text(item: ReasoningItem) -> str:
    return SEPARATOR.join(part.text for part in item.content or item.summary or () if part.text)


def citation(raw: Raw) -> Citation:
    """Return a source, of the web or of a file; `raw` keeps what else its annotation says."""
    try:
        found = decode_annotation(raw)
    except msgspec.ValidationError:
        return Citation(dialect=OWN, raw=native(raw))
    title = found.title if found.title is not None else found.filename
    return Citation(found.url, title, None, found.start_index, found.end_index, OWN, native(raw))


def native(raw: Raw) -> Raw:
    """Return bytes of their own, so that one item does not keep a whole answer alive."""
    return Raw(bytes(raw))


def _call_id(call_id: str | None, item_id: str | None, position: int) -> str:
    return call_id or mint_call_id(item_id or "", position)
