"""The slot for the signature of thinking, which also carries what other providers sign.

Law: clients hand a signature back untouched and never look inside. So what another provider signed or sealed travels in
it through a client of Anthropic's and is whole again on the next turn; to Anthropic it is never sent. Thinking that
nobody signed has an empty one, because SDKs demand the member.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec
from msgspec import Struct

from gantry.core.chat import Thinking
from gantry.core.vocabulary import Dialect

MARK: Final = "gantry."


class _Foreign(Struct, array_like=True):
    dialect: Dialect
    signature: str | None
    sealed: str | None
    id: str | None


_decode: Final = msgspec.json.Decoder(_Foreign).decode
_encode: Final = msgspec.json.Encoder().encode
_UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)


def write_signature(part: Thinking) -> str:
    """Return what stands in the slot."""
    if part.dialect is Dialect.ANTHROPIC:
        return part.signature or ""
    if part.dialect is None or (part.signature is None and part.sealed is None):
        return ""
    foreign = _Foreign(part.dialect, part.signature, part.sealed, part.id)
    return MARK + urlsafe_b64encode(_encode(foreign)).decode()


def read_signed(text: str, signature: str | None) -> Thinking:
    """Return thinking as its maker would know it again. Never raises."""
    if not signature:
        return Thinking(text)
    if signature.startswith(MARK):
        try:
            found = _decode(urlsafe_b64decode(signature[len(MARK) :]))
        except _UNREADABLE:
            return Thinking(text)
        return Thinking(text, found.signature, found.sealed, found.dialect, found.id)
    return Thinking(text, signature, dialect=Dialect.ANTHROPIC)
