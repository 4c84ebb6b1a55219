"""Sums told apart by one thing: which groups are largest, what becomes of the rest, what each is called.

Law: nothing is left out. The groups that are not shown are summed as `Others`, so that series add up to their total.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from gantry.console.state import ConsoleState
from gantry.console.usage_item import added, metrics_of
from gantry.store.control import ControlStore
from gantry.store.credentials import credentials_of
from gantry.store.keys import keys_of
from gantry.store.usage_sums import CUSTOMER_MEASURES, MEASURES, Found, Sums, nothing

OTHERS: Final = "Others"
UNKNOWN: Final = "unknown"
# What is not kept of customers by day.
UNKNOWN_OF_CUSTOMERS: Final = (
    "average_tps",
    "average_ttft",
    "prompt_cache_hit_tokens",
    "reasoning_tokens",
    "cache_hit_percentage",
)


class Group(Struct, frozen=True):
    """What one thing came to, by bucket. `key` is '' of what is not known; `is_partial`: some measures are missing."""

    key: str
    by_bucket: Mapping[int, Sums]
    is_rest: bool = False
    is_partial: bool = False

    @property
    def total(self) -> Sums:
        return added([*self.by_bucket.values()])

    def at(self, bucket: int) -> Sums:
        return self.by_bucket.get(bucket) or nothing()


def groups_of(found: Found, total: Found | None = None, *, is_partial: bool = False) -> list[Group]:
    """Return the groups. Where there are some of them only, a total comes with them: what it has beyond is the rest."""
    by_key: dict[str, dict[int, Sums]] = {}
    for (bucket, key), sums in found.items():
        by_key.setdefault(key, {})[bucket] = sums
    groups = [Group(key, buckets, is_partial=is_partial) for key, buckets in by_key.items()]
    if total is not None:
        rest = {
            bucket: _less(sums, added([group.at(bucket) for group in groups]), is_partial=is_partial)
            for (bucket, _), sums in total.items()
        }
        groups.append(Group("", rest, is_rest=True, is_partial=is_partial))
    return [group for group in groups if any(any(sums) for sums in group.by_bucket.values())]


def folded(groups: Iterable[Group], metric: str, most: int) -> list[Group]:
    """Return the groups that have most of a metric, and all others as one."""
    groups = list(groups)
    named = [group for group in groups if not group.is_rest]
    ranked = sorted(named, key=lambda group: (_size(group, metric), group.key), reverse=True)
    rest = [*ranked[most:], *(group for group in groups if group.is_rest)]
    return ranked[:most] if not rest else [*ranked[:most], _rest(rest)]


def label_of(group: Group) -> str:
    """Return the name of a group's series."""
    if group.is_rest:
        return OTHERS
    return group.key or UNKNOWN


async def names_of(state: ConsoleState, organization_id: str, by: str) -> Mapping[str, str]:
    """Return what people call the groups whose keys are ids: API keys and deployments."""

    def read(control: ControlStore) -> Mapping[str, str]:
        with control.reading() as connection:
            if by == "organization_key_id":
                return {key.id: key.name for key in keys_of(connection, organization_id)}
            return {one.id: f"{one.provider_id}/{one.name}" for one in credentials_of(connection)}

    return await state.ask_control(read) if by in ("organization_key_id", "deployment_name") else {}


def _rest(groups: Sequence[Group]) -> Group:
    buckets = {bucket for group in groups for bucket in group.by_bucket}
    together = {bucket: added([group.at(bucket) for group in groups]) for bucket in buckets}
    return Group(OTHERS, together, is_rest=True, is_partial=groups[0].is_partial)


def _size(group: Group, metric: str) -> float:
    size = metrics_of(group.total, 1)[metric]
    return float("-inf") if size is None else float(size)


def _less(sums: Sums, known: Sums, *, is_partial: bool) -> Sums:
    return [
        amount - other if not is_partial or name in CUSTOMER_MEASURES else 0
        for name, amount, other in zip(MEASURES, sums, known, strict=True)
    ]
