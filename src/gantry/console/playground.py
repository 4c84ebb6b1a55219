"""A key for a page that tries models out: with it the browser calls the gateway itself, as any client does.

Law: it may call models and nothing else, within what whoever asks may do, and is dead after a quarter of an hour. It
stands in no list of keys; what it calls is logged as any call is, and counts on the same limits.
"""

from typing import Final

from fastapi import Response
from msgspec import structs

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.key_change import make_named
from gantry.console.key_form import NewKeyItem
from gantry.console.shapes import shaped
from gantry.core.vocabulary import Scope
from gantry.store.keys import PLAYGROUND

_LIFE: Final = 15 * 60 * 1_000_000_000
_LONGEST_NAME: Final = 200

router = guarded_router("API keys")


@router.post("/api/playground/keys", dependencies=[requires(Scope.INFERENCE)], status_code=201)
@shaped(answers=NewKeyItem)
async def make_playground_key(state: State, caller: Caller) -> Response:
    """Make a key that calls models for 15 minutes, within what the caller may do. Only this answer shows it."""
    ends = state.clock() + _LIFE
    if caller.policy.expires_at is not None:
        ends = min(ends, caller.policy.expires_at)
    policy = structs.replace(caller.policy, scopes=Scope.INFERENCE, expires_at=ends)
    name = PLAYGROUND + caller.name[:_LONGEST_NAME]
    return await make_named(state, caller, name, policy, temporary=True, anybody=True)
