"""The signature of thinking. What nobody signed has an empty one, because SDKs demand the member."""

from gantry.core.chat import Thinking
from gantry.core.vocabulary import Dialect
from gantry.dialects.carried import pack_proof, unpack_proof


def write_signature(part: Thinking) -> str:
    """Return what stands in the slot."""
    own = part.dialect is Dialect.ANTHROPIC
    return (part.signature if own else pack_proof(part)) or ""


def read_signed(text: str, signature: str | None) -> Thinking:
    """Return thinking as its maker would know it again. Never raises."""
    if not signature:
        return Thinking(text)
    return unpack_proof(signature, Thinking(text, signature, dialect=Dialect.ANTHROPIC))
