"""Signatures in a slot that does not say whose they are: Mistral's chunk of thinking has one, and may carry another's.

Law: the maker stands before the signature, and one without a maker is the slot's own. So a client that gives its
history back gives every provider its own signatures, and no other's.
"""

from typing import Final

from gantry.core.vocabulary import Dialect

_MAKERS: Final = {str(dialect): dialect for dialect in Dialect}


def seal(signature: str, maker: Dialect | None, slot: Dialect) -> str:
    """Return a signature as it stands in a slot of this dialect."""
    return signature if maker is None or maker is slot else f"{maker}:{signature}"


def read_seal(written: str, slot: Dialect) -> tuple[Dialect, str]:
    """Return the maker of a signature in a slot of this dialect, and the signature."""
    name, colon, signature = written.partition(":")
    maker = _MAKERS.get(name) if colon else None
    return (slot, written) if maker is None else (maker, signature)
