"""Thinking that can be given back: where OpenAI's format, which has no word for it, carries signatures.

Law: a signature goes back only to the dialect that made it, so each shape names its maker: `thinking_blocks` are
Anthropic's, an item of `reasoning_details` says its `format`. One of a format not known here goes back to providers of
this dialect only.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.chat import Thinking
from gantry.core.vocabulary import Dialect
from gantry.dialects.members import UNREADABLE

_FORMATS: Final = {
    Dialect.ANTHROPIC: "anthropic-claude-v1",
    Dialect.OPENAI_RESPONSES: "openai-responses-v1",
    Dialect.GEMINI: "google-gemini-v1",
    Dialect.BEDROCK: "amazon-bedrock-v1",
    Dialect.MISTRAL: "mistral-v1",
    Dialect.OPENAI_CHAT: None,
}
_MAKERS: Final = {name: dialect for dialect, name in _FORMATS.items() if name is not None}
_EMPTY: Final = len("null")


class _Block(Struct, gc=False):
    type: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class _Detail(Struct, gc=False):
    type: str | None = None
    text: str | None = None
    summary: str | None = None
    signature: str | None = None
    data: str | None = None
    format: str | None = None
    id: str | None = None


_decode_blocks: Final = msgspec.json.Decoder(list[_Block]).decode
_decode_details: Final = msgspec.json.Decoder(list[_Detail]).decode


def read_thinking(blocks: Raw, details: Raw, *plain: str | None) -> list[Thinking]:
    """Return the thinking of a message or a delta, out of the fullest of its spellings.

    Providers that write several repeat the same text in them.
    """
    found = _of_blocks(blocks) if len(blocks) > _EMPTY else []
    if not found and len(details) > _EMPTY:
        found = _of_details(details)
    if any(one.text for one in found):
        return found
    return [Thinking(text) for text in _first(plain)] + found


def thinking_fields(thoughts: Iterable[Thinking], index: int | None = None) -> dict[str, Any]:
    """Return the members that carry what is signed or sealed; of a delta, with the index that its first entry has."""
    blocks: list[dict[str, Any]] = []
    details: list[dict[str, Any]] = []
    for one in thoughts:
        if one.dialect is Dialect.ANTHROPIC:
            if one.sealed is not None:
                blocks.append({"type": "redacted_thinking", "data": one.sealed})
            if one.signature is not None:
                blocks.append({"type": "thinking", "thinking": one.text, "signature": one.signature})
        elif one.dialect in _FORMATS:
            details += _details_of(one, _FORMATS[one.dialect])
    if index is not None:
        for listed in (blocks, details):
            for number, entry in enumerate(listed, index):
                entry["index"] = number
    fields: dict[str, Any] = {}
    if blocks:
        fields["thinking_blocks"] = blocks
    if details:
        fields["reasoning_details"] = details
    return fields


def _details_of(one: Thinking, named: str | None) -> Iterable[dict[str, Any]]:
    known = {name: value for name, value in (("format", named), ("id", one.id)) if value is not None}
    if one.signature is not None:
        yield {"type": "reasoning.text", "text": one.text, "signature": one.signature, **known}
    elif one.sealed is not None and one.text:
        yield {"type": "reasoning.summary", "summary": one.text, **known}
    if one.sealed is not None:
        yield {"type": "reasoning.encrypted", "data": one.sealed, **known}


def _of_blocks(raw: Raw) -> list[Thinking]:
    try:
        blocks = _decode_blocks(raw)
    except UNREADABLE:
        return []
    found: list[Thinking] = []
    for block in blocks:
        if block.data:
            found.append(Thinking(sealed=block.data, dialect=Dialect.ANTHROPIC))
        elif block.thinking or block.signature:
            maker = Dialect.ANTHROPIC if block.signature else None
            found.append(Thinking(block.thinking or "", block.signature or None, dialect=maker))
    return found


def _of_details(raw: Raw) -> list[Thinking]:
    try:
        details = _decode_details(raw)
    except UNREADABLE:
        return []
    found: list[Thinking] = []
    for one in details:
        maker = _MAKERS.get(one.format or "", Dialect.OPENAI_CHAT)
        text = one.text or one.summary or ""
        signature, sealed = one.signature or None, one.data or None
        if not (text or signature or sealed):
            continue
        last = found[-1] if found else None
        if sealed is not None and not text and last is not None and last.dialect is None:
            found[-1] = Thinking(last.text, sealed=sealed, dialect=maker, id=one.id)  # `last` is its summary
            continue
        provable = signature is not None or sealed is not None
        found.append(Thinking(text, signature, sealed, maker if provable else None, one.id))
    return found


def _first(texts: Iterable[str | None]) -> list[str]:
    for text in texts:
        if text:
            return [text]
    return []
