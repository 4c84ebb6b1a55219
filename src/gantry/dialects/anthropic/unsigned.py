"""A history that goes to Anthropic as it is, without what another provider left in it for want of a better place.

A client of Anthropic's that was answered by someone else holds thinking that Anthropic did not sign, and sources
without its seal; Anthropic refuses a conversation that brings them back. So a relayed request is looked over before it
leaves, and one that holds none of them keeps its bytes.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from gantry.dialects.carried import MARK
from gantry.dialects.members import UNREADABLE, decode_items, decode_list, decode_members

_SIGNS: Final = (
    b'"signature":""',
    b'"signature": ""',
    b'"' + MARK.encode(),
    b'"encrypted_index":""',
    b'"encrypted_index": ""',
)


class _Block(Struct, gc=False):
    type: str
    signature: str | None = None
    citations: list[dict[str, Raw]] | None = None


_decode_block: Final = msgspec.json.Decoder(_Block).decode
_encode: Final = msgspec.json.Encoder().encode


def without_unsigned(body: bytes) -> bytes:
    """Return a request without the thinking and the sources that Anthropic did not make. Never raises."""
    if not any(sign in body for sign in _SIGNS):
        return body
    try:
        members = decode_members(body)
        messages = [_mended(message) for message in decode_items(members["messages"])]
    except (KeyError, *UNREADABLE):
        return body  # for the provider to refuse
    return _encode({**members, "messages": [message for message in messages if message is not None]})


def _mended(message: dict[str, Raw]) -> dict[str, Raw] | None:
    """Return a turn without what is unsigned in it; None where that was all."""
    content = message["content"]
    if not bytes(content).startswith(b"["):
        return message
    before = decode_list(content)
    blocks = [block for block in map(_signed, before) if block is not None]
    if not blocks and before:
        return None
    return {**message, "content": Raw(_encode(blocks))}


def _is_foreign(signature: str) -> bool:
    return not signature or signature.startswith(MARK)


def _signed(raw: Raw) -> Raw | None:
    block = _decode_block(raw)
    if block.type == "thinking" and block.signature is not None and _is_foreign(block.signature):
        return None
    if not block.citations:
        return raw
    sealed = [citation for citation in block.citations if bytes(citation.get("encrypted_index", b"")) != b'""']
    if len(sealed) == len(block.citations):
        return raw
    members = decode_members(raw)
    del members["citations"]
    return Raw(_encode({**members, "citations": sealed} if sealed else members))
