"""OpenAI's moderation in front of Mistral's: the same request, and results that say whether they are flagged.

Law: categories keep Mistral's names, because renaming one would claim that two providers mean the same by it.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.errors import UpstreamBroke
from gantry.dialects.members import UNREADABLE
from gantry.dialects.mistral_answer import error_body


class _Result(Struct):
    categories: dict[str, bool] = {}
    category_scores: dict[str, float] = {}


class _Moderation(Struct):
    id: Raw
    model: Raw
    results: list[_Result]


_decode: Final = msgspec.json.Decoder(_Moderation).decode


def to_openai_moderation(status: int, body: bytes) -> bytes:
    """Return a moderation for an OpenAI client. Raises UpstreamBroke."""
    if status >= 400:
        return error_body(body)
    try:
        moderation = _decode(body)
    except UNREADABLE:
        raise UpstreamBroke("the provider's answer is not a moderation") from None
    results = [_result(result) for result in moderation.results]
    return msgspec.json.encode({"id": moderation.id, "model": moderation.model, "results": results})


def _result(result: _Result) -> dict[str, Any]:
    return {
        "flagged": any(result.categories.values()),
        "categories": result.categories,
        "category_scores": result.category_scores,
        "category_applied_input_types": {name: ["text"] for name in result.categories},
    }
