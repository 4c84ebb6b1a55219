"""Log probabilities between this format, which hangs them on each text, and the shape of OpenAI's chat.

Their entries are the same, except that here each token has its bytes, which other providers leave out.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct


class _Token(Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _Entry(_Token):
    top_logprobs: list[_Token] | None = None


class _Logprobs(Struct):
    content: list[_Entry] | None = None


_decode: Final = msgspec.json.Decoder(_Logprobs).decode


def joined_logprobs(entries: list[Raw]) -> Raw:
    """Return log probabilities in the shape of OpenAI's chat."""
    return Raw(msgspec.json.encode({"content": entries}))


def logprob_entries(logprobs: Raw | None) -> list[Raw]:
    """Return the entries of log probabilities in the shape of OpenAI's chat; none where they cannot be read."""
    if logprobs is None:
        return []
    try:
        entries = _decode(logprobs).content or []
    except (msgspec.DecodeError, ValueError, RecursionError):
        return []
    for entry in entries:
        entry.top_logprobs = entry.top_logprobs or []
        for token in (entry, *entry.top_logprobs):
            if token.bytes is None:
                token.bytes = list(token.token.encode("utf-8", "replace"))
    return [Raw(msgspec.json.encode(entry)) for entry in entries]
