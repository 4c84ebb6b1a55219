"""What a conversation is known by: how it begins, which each of its later turns repeats.

Law: pure, over the top level of a request in any format that has a list of turns; others have no conversation. The
instructions and the first turn of the user's are taken as bytes: a client that repeats itself repeats its bytes.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

import msgspec
from msgspec import Raw

_CACHEABLE_BYTES: Final = 4096  # about the thousand tokens below which no provider caches a prompt
_INSTRUCTIONS: Final = ("system", "instructions", "systemInstruction", "system_instruction")
_TURNS: Final = ("messages", "contents", "input")
_NO_NAMES: Final = (b"null", b'""')
_MOST_LOOKED_AT: Final = 8
_DIGEST_BYTES: Final = 32
_turns = msgspec.json.Decoder(list[Raw]).decode


class _Turn(msgspec.Struct):
    role: str = ""


_read_turn = msgspec.json.Decoder(_Turn).decode


def conversation_key(members: Mapping[str, Raw], size: int, owner: str, *, always: bool) -> bytes | None:
    """Return the digest that a conversation of an owner's is known by; None where there is nothing to stay for.

    `size` is the request's, in bytes; `always` is to know short ones, too. A client's own `prompt_cache_key`
    is taken as it is.
    """
    named = members.get("prompt_cache_key")
    if named is not None and bytes(named) not in _NO_NAMES:
        return _digest(owner, [bytes(named)])
    if size < _CACHEABLE_BYTES and not always:
        return None
    turns = next((bytes(members[name]) for name in _TURNS if name in members), None)
    if turns is None:
        return None
    begins = [bytes(members[name]) for name in _INSTRUCTIONS if name in members]
    return _digest(owner, begins + _first_turns(turns))


def _first_turns(turns: bytes) -> list[bytes]:
    """Return the turns up to the first of the user's."""
    try:
        items = _turns(turns)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return [turns]  # a text, or what its provider will refuse
    taken = []
    for item in items[:_MOST_LOOKED_AT]:
        taken.append(bytes(item))
        try:
            if _read_turn(item).role in ("user", ""):
                break
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            break
    return taken


def _digest(owner: str, parts: list[bytes]) -> bytes:
    digest = blake2b(owner.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return digest.digest()
