"""Reading a chat answer that came whole, as most do, without folding what is one piece.

Law: it says the same as `ChatFold` of the one document. Apart from the folds, because it is compiled and they, which
have slots, cannot be.
"""

from typing import Final

from msgspec.structs import astuple

from gantry.dialects.chat_chunk import has_value, read_chunk, read_message
from gantry.dialects.chat_fold import ChatFold
from gantry.dialects.chat_shapes import ABSENT, Chunk
from gantry.dialects.fold import Answer
from gantry.dialects.usage import read_usage_and_terms

_astuple: Final = astuple
_ABSENT: Final = ABSENT


def read_whole(body: bytes) -> Answer | None:
    """Return what `ChatFold` comes to with this as its only document; None when that is not a JSON object."""
    chunk = read_chunk(body)
    if chunk is None:
        return None
    plain = _read_plain(chunk)
    if plain is not None:
        return plain
    fold = ChatFold(streamed=False)
    fold.add_chunk(chunk)
    return fold.answer(True)


def _read_plain(chunk: Chunk) -> Answer | None:
    """Return the same of what most answers are, one message of one text with its usage; None where there is more.

    There is nothing to fold in it, and folding it takes twice as long.
    """
    response_id, model, choices, usage, _, _, service_tier, error, message, detail = _astuple(chunk)
    if not choices or len(choices) > 1 or not has_value(usage) or not (error is message is detail is _ABSENT):
        return None
    _, delta, message, _, finish_reason = _astuple(choices[0])
    if delta is not None or not has_value(message):
        return None
    _, content, *more = _astuple(read_message(message))
    if type(content) is not str or any(more):
        return None
    told, terms, problems = read_usage_and_terms(usage)
    return Answer(
        model or None,
        response_id or None,
        terms or service_tier or None,
        told,
        bytes(usage).decode("utf-8", "replace"),
        bytes(message).decode("utf-8", "replace"),
        None,
        None,
        finish_reason or None,
        content,
        None,
        None,
        True,
        tuple(problems),
    )
