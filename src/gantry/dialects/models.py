"""The list of models as every SDK reads it: one card that is both OpenAI's and Mistral's.

Law: a card keeps what the provider said; only keys whose absence breaks an SDK are added. Mistral's Python clients need
`type` and `capabilities`, its TypeScript client takes no null, OpenAI's wants `object`, `created` and `owned_by`.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from gantry.core.errors import UpstreamBroke

_CAPABILITIES: Final = {
    "completion_chat": True,
    "completion_fim": False,
    "function_calling": True,
    "fine_tuning": False,
    "vision": False,
}
_CONTEXT_LENGTH: Final = 32_768  # what Mistral's SDKs assume where nothing is said
_UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)


def models_superset(body: bytes) -> bytes:
    """Return a provider's list of models with cards that both families of SDKs read. Raises UpstreamBroke."""
    try:
        listed = msgspec.json.decode(body, type=dict[str, Raw] | list[Raw])
        members = listed if isinstance(listed, dict) else {}
        cards = msgspec.json.decode(members["data"], type=list[Raw]) if isinstance(listed, dict) else listed
        adapted = [_superset_card(msgspec.json.decode(card, type=dict[str, Raw])) for card in cards]
    except (KeyError, *_UNREADABLE):
        raise UpstreamBroke("the provider's list of models could not be read") from None
    return msgspec.json.encode({**members, "object": "list", "data": adapted})


def _superset_card(card: dict[str, Raw]) -> dict[str, Any]:
    said = {name: value for name, value in card.items() if bytes(value) != b"null"}
    name = said.get("name") or said["id"]
    return {
        "object": "model",
        "created": 0,
        "owned_by": "unknown",
        "type": "base",
        "capabilities": _CAPABILITIES,
        "name": name,
        "description": "",
        "max_context_length": _CONTEXT_LENGTH,
        "aliases": [],
        **said,
    }
