"""Log probabilities in the shape of OpenAI's chat, which the canonical chat has them in.

Law: each token's entry keeps its bytes. Entries come in lists, of the text and of a refusal; what is none of these is
left out, for no answer is worth less for it.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Raw, Struct

from gantry.dialects.members import UNREADABLE


class _Entries(Struct, omit_defaults=True, gc=False):
    content: list[Raw] | None = None
    refusal: list[Raw] | None = None


_decode: Final = msgspec.json.Decoder(_Entries).decode


def read_logprobs(raw: Raw) -> Raw | None:
    """Return the log probabilities that a provider wrote; None where there are none, or none that can be read."""
    return join_logprobs([raw])


def join_logprobs(pieces: Iterable[Raw]) -> Raw | None:
    """Return the log probabilities of pieces that follow each other as those of the whole."""
    content: list[Raw] = []
    refusal: list[Raw] = []
    for piece in pieces:
        try:
            found = _decode(piece)
        except UNREADABLE:
            continue
        content += found.content or ()
        refusal += found.refusal or ()
    if not content and not refusal:
        return None
    return Raw(msgspec.json.encode(_Entries(content or None, refusal or None)))
