"""What one provider signed or sealed, in the slot that another's format has for its own.

Law: clients hand such a slot back untouched and never look inside. So the proof of a thought travels in it, whoever
made it, and is whole again on the next turn; the slot's own provider is never sent another's.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec
from msgspec import Struct

from gantry.core.chat import Thinking
from gantry.core.vocabulary import Dialect
from gantry.dialects.members import UNREADABLE

MARK: Final = "gantry."


class _Proof(Struct, array_like=True):
    dialect: Dialect
    signature: str | None
    sealed: str | None
    id: str | None = None


_decode: Final = msgspec.json.Decoder(_Proof).decode
_encode: Final = msgspec.json.Encoder().encode


def pack_proof(part: Thinking) -> str | None:
    """Return what stands for a thought's proof in a slot of another format; None where there is nothing to prove."""
    if part.dialect is None or (part.signature is None and part.sealed is None):
        return None
    proof = _Proof(part.dialect, part.signature, part.sealed, part.id)
    return MARK + urlsafe_b64encode(_encode(proof)).decode()


def unpack_proof(written: str, own: Thinking) -> Thinking:
    """Return a thought as its maker would know it; `own` where the slot holds what its own format put there.

    What was cut or changed on the way is not provable any more.
    """
    if not written.startswith(MARK):
        return own
    try:
        proof = _decode(urlsafe_b64decode(written[len(MARK) :]))
    except UNREADABLE:
        return Thinking(own.text)
    return Thinking(own.text, proof.signature, proof.sealed, proof.dialect, proof.id)
