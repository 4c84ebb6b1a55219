"""The model where Google's clients name it a second time: in the body, though the path names it already.

Google refuses a request whose names disagree, so who replaces the one in the path replaces these. They are in each
request of a batch to embed, and in one whose tokens are to be counted. Spec: https://ai.google.dev/api/embeddings
"""

from typing import Final

from msgspec import Raw

from gantry.core.errors import InvalidRequest
from gantry.dialects.members import Members, encode, read_items, read_members

_MODEL: Final = "model"
_BATCH: Final = "requests"
_COUNTED: Final = "generateContentRequest"


def name_model(body: bytes, model: str) -> bytes:
    """Return a body that names this model wherever it names one; others keep their bytes. Never raises."""
    if b'"model"' not in body:
        return body
    name = encode(f"models/{model}")
    try:
        members = read_members(Raw(body), "body")
        changed = _named(members, name)
        if _BATCH in members:
            batch = read_items(members[_BATCH], _BATCH, "a list of requests")
            changed = {**changed, _BATCH: encode([_named(request, name) for request in batch])}
        if _COUNTED in members:
            changed = {**changed, _COUNTED: encode(_named(read_members(members[_COUNTED], _COUNTED), name))}
    except InvalidRequest:
        return body  # for the provider to refuse
    return bytes(encode(changed))


def _named(members: Members, name: Raw) -> Members:
    return {**members, _MODEL: name} if _MODEL in members else members
