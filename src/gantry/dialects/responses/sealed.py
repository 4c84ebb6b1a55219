"""The slot for encrypted reasoning, which also carries what other providers sign.

Law: clients hand `encrypted_content` back untouched and never look inside. So a signature of another dialect travels
in it through a Responses client and is whole again on the next turn; towards OpenAI it is never sent.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec
from msgspec import Struct

from gantry.core.chat import Thinking
from gantry.core.vocabulary import Dialect

_MARK: Final = "gantry."


class _Foreign(Struct, omit_defaults=True, array_like=True):
    dialect: Dialect
    signature: str | None
    sealed: str | None
    id: str | None = None


_decode: Final = msgspec.json.Decoder(_Foreign).decode


def encrypted_content(thinking: Thinking) -> str | None:
    """Return what a client keeps for the provider that thought; None where there is nothing to prove."""
    if thinking.dialect is Dialect.OPENAI_RESPONSES:
        return thinking.sealed
    if thinking.dialect is None or (thinking.signature is None and thinking.sealed is None):
        return None
    foreign = _Foreign(thinking.dialect, thinking.signature, thinking.sealed, thinking.id)
    return _MARK + urlsafe_b64encode(msgspec.json.encode(foreign)).decode()


def thinking_of(text: str, encrypted: str | None, item_id: str | None) -> Thinking:
    """Return a reasoning as its maker would know it again."""
    if encrypted is not None and encrypted.startswith(_MARK):
        try:
            foreign = _decode(urlsafe_b64decode(encrypted.removeprefix(_MARK)))
        except (msgspec.DecodeError, ValueError):
            return Thinking(text)  # cut or changed by the client: not provable any more
        return Thinking(text, foreign.signature, foreign.sealed, foreign.dialect, foreign.id)
    return Thinking(text, sealed=encrypted, dialect=Dialect.OPENAI_RESPONSES, id=item_id)
