"""What an API key may do, and whether that is no more than what another may. Pure.

Law: what is not provably inside is outside. A pattern of models is inside another where every name that the one fits is
seen to fit the other; two that mean the same in different words may be told apart.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct, structs

from gantry.core.vocabulary import DEFAULT_SCOPES, ContentPolicy, Environment, Operation, Scope, SurfaceFamily

SURFACES: Final = tuple(dict.fromkeys((*(one.value for one in SurfaceFamily), *(one.value for one in Operation))))

_KEPT: Final = (ContentPolicy.NOTHING, ContentPolicy.METADATA, ContentPolicy.REDACTED, ContentPolicy.FULL)


class KeyPolicy(Struct, frozen=True, kw_only=True):
    """What a key may do. `models` and `surfaces` empty mean all of them; `expires_at` is ns since the epoch."""

    environment: Environment = Environment.PROD
    scopes: Scope = DEFAULT_SCOPES
    models: tuple[str, ...] = ()
    content_policy: ContentPolicy = ContentPolicy.FULL
    expires_at: int | None = None
    strict: bool = False  # a parameter that would be dropped refuses the call
    surfaces: tuple[str, ...] = ()  # families of surfaces, and single operations


class RightsExceeded(ValueError):
    """A key would be allowed more than another; `right` is the policy's field."""

    def __init__(self, message: str, right: str) -> None:
        super().__init__(message)
        self.right = right


def check_within(policy: KeyPolicy, outer: KeyPolicy) -> None:
    """Check that a policy allows no more than another. Raises RightsExceeded, for the first thing that is more."""
    beyond = policy.scopes & ~outer.scopes
    if beyond:
        names = ", ".join((scope.name or "").lower() for scope in Scope if scope in beyond)
        raise RightsExceeded(f"whoever makes it lacks the scope {names}", "scopes")
    if outer.environment is Environment.TEST and policy.environment is not Environment.TEST:
        raise RightsExceeded("an API key for tests makes keys for tests only", "environment")
    if outer.expires_at is not None and (policy.expires_at is None or policy.expires_at > outer.expires_at):
        raise RightsExceeded("it would outlive its maker", "expires_at")
    if _KEPT.index(policy.content_policy) > _KEPT.index(outer.content_policy):
        raise RightsExceeded(f"of its maker's calls no more than `{outer.content_policy}` is kept", "content_policy")
    stray = None if policy.models else "every model"  # a list of `*` is less: it leaves out what has no model
    stray = next((one for one in policy.models if not is_inside(one, outer.models)), stray)
    if outer.models and stray is not None:
        allowed = ", ".join(outer.models)
        raise RightsExceeded(f"{stray} is not seen to be within what its maker may call: {allowed}", "models")
    if outer.surfaces and not (policy.surfaces and set(policy.surfaces) <= set(outer.surfaces)):
        raise RightsExceeded(f"its maker may use these surfaces only: {', '.join(outer.surfaces)}", "surfaces")


def narrowed(policy: KeyPolicy, outer: KeyPolicy) -> KeyPolicy | None:
    """Return a policy with no more than another allows; None where nothing is left of it."""
    ends = [end for end in (policy.expires_at, outer.expires_at) if end is not None]
    models = tuple(one for one in policy.models if is_inside(one, outer.models)) if policy.models else outer.models
    surfaces = policy.surfaces or outer.surfaces
    if outer.surfaces:
        surfaces = tuple(one for one in surfaces if one in outer.surfaces)
    if (policy.models and not models) or (policy.surfaces and not surfaces) or not policy.scopes & outer.scopes:
        return None
    if outer.environment is Environment.TEST and policy.environment is not Environment.TEST:
        return None
    return structs.replace(
        policy,
        scopes=policy.scopes & outer.scopes,
        models=models,
        surfaces=surfaces,
        expires_at=min(ends) if ends else None,
        content_policy=min(policy.content_policy, outer.content_policy, key=_KEPT.index),
    )


def is_inside(pattern: str, patterns: Sequence[str]) -> bool:
    """Say whether every name that a pattern fits is seen to fit one of others; of none, all names do."""
    return not patterns or any(_is_within(pattern, outer) for outer in patterns)


def _is_within(inner: str, outer: str) -> bool:
    """Match a pattern's signs as if they were a name's characters: `*` is taken in by `*` alone, `?` by `?` too."""
    if inner == outer:
        return True
    if "[" in inner or "[" in outer:  # sets of characters are not compared
        return False

    places = _with_stars_passed({0}, outer)  # in the outer pattern, where what was read of the inner one may have led
    for sign in inner:
        places = _with_stars_passed(set(_steps(places, outer, sign)), outer)
    return len(outer) in places


def _steps(places: Iterable[int], outer: str, sign: str) -> Iterator[int]:
    for place in places:
        if place == len(outer):
            continue
        if outer[place] == "*":
            yield place
        elif sign != "*" and outer[place] in ("?", sign):
            yield place + 1


def _with_stars_passed(places: set[int], outer: str) -> set[int]:
    for place in list(places):
        while place < len(outer) and outer[place] == "*":
            place += 1
            places.add(place)
    return places
