"""The caps of an API key, as the keys API calls three limits: so many calls in all, so many a minute, so much money.

Law: a cap is a row of `limits` like any other, and keeps its row while it lasts: what was counted stays counted when it
is raised, lowered, or the key is rotated. A key of others' making is given no more than is left to them.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Final

from msgspec import Struct, structs

from gantry.core.limits import ANY_SUBJECT, Limit, LimitAction, LimitScope, LimitUnit
from gantry.core.periods import Period
from gantry.store.control import Change
from gantry.store.keys import ApiKey
from gantry.store.limits import StoredLimit, add_limit, change_limit, remove_limit

_KINDS: Final = {
    "usage": (LimitUnit.REQUESTS, Period.LIFETIME),
    "rate": (LimitUnit.REQUESTS, Period.MINUTE),
    "spending": (LimitUnit.COST, Period.LIFETIME),
}


class KeyCaps(Struct, frozen=True):
    """None where there is no cap; `spending` in nano-dollars."""

    usage: int | None = None  # calls, ever
    rate: int | None = None  # calls a minute
    spending: int | None = None


NO_CAPS: Final = KeyCaps()


class CapExceeded(ValueError):
    """A cap is above what its maker has left; `cap` is its name in KeyCaps, `left` how much that is."""

    def __init__(self, cap: str, left: int) -> None:
        super().__init__(f"{cap}: no more than {left} is left")
        self.cap = cap
        self.left = left


Counted = Callable[[Limit, str], int]


def caps_of(key: ApiKey, limits: Iterable[StoredLimit]) -> KeyCaps:
    """Return a key's caps; the least where several limits say one."""
    found: dict[str, int] = {}
    for name, one in _caps_in(key, limits):
        found[name] = min(found.get(name, one.limit.amount), one.limit.amount)
    return KeyCaps(**found)


def put_caps(change: Change, key: ApiKey, caps: KeyCaps, limits: Collection[StoredLimit]) -> None:
    """Make these a key's caps. Raises LimitRefused."""
    for name, (unit, period) in _KINDS.items():
        known = [one for cap, one in _caps_in(key, limits) if cap == name]
        amount: int | None = getattr(caps, name)
        kept = known[:1] if amount is not None else []
        for one in known[len(kept) :]:
            remove_limit(change, one)
        if amount is None:
            continue
        if kept:
            change_limit(change, kept[0], structs.replace(kept[0].limit, amount=amount))
        else:
            wanted = Limit("", LimitScope.API_KEY, key.id, unit, period, amount)
            add_limit(change, key.organization_id, wanted)


def is_limited(subjects: Collection[str], limits: Iterable[StoredLimit]) -> bool:
    """Say whether calls of a key count on any limit of a key's, by itself or by those it is bound by."""
    return any(one.limit.scope is LimitScope.API_KEY and _is_of(one.limit, subjects) for one in limits)


def check_left(caps: KeyCaps, subjects: Collection[str], limits: Iterable[StoredLimit], counted: Counted) -> None:
    """Check that caps are not above what is left to some keys: their amounts, without what is counted on them.

    `counted` says how much that is of a limit, for one of the keys. Raises CapExceeded.
    """
    for one in limits:
        limit = one.limit
        if limit.scope is not LimitScope.API_KEY or limit.action is not LimitAction.BLOCK:
            continue
        for name, kind in _KINDS.items():
            wanted = getattr(caps, name)
            if wanted is None or (limit.unit, limit.period) != kind or not _is_of(limit, subjects):
                continue
            left = limit.amount
            if limit.period is Period.LIFETIME:
                left -= max(counted(limit, subject) for subject in subjects if _is_of(limit, (subject,)))
            if wanted > left:
                raise CapExceeded(name, max(left, 0))


def _is_of(limit: Limit, subjects: Collection[str]) -> bool:
    return limit.subject == ANY_SUBJECT or limit.subject in subjects


def _caps_in(key: ApiKey, limits: Iterable[StoredLimit]) -> Iterable[tuple[str, StoredLimit]]:
    """Yield the limits that are a key's caps, each with its name."""
    line = key.line
    for one in limits:
        limit = one.limit
        if limit.scope is not LimitScope.API_KEY or limit.subject not in line or one.managed_by is not None:
            continue
        if limit.action is LimitAction.BLOCK and limit.environment is None:
            for name, kind in _KINDS.items():
                if (limit.unit, limit.period) == kind:
                    yield name, one
