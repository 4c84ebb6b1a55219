"""Names that callers write, each with the deployments behind it, as custom models, load balance groups and rules. Pure.

Law: a name leads to one model here, and a group is called by its id. So a name with several models behind it becomes
a custom model of the first, a rule by which the others follow when that fails, and a group for callers who name it.
"""

import itertools
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from msgspec import Struct

from gantry.core.routing_rules import MOST_RETRIES
from gantry.imports.accounts import group_id
from gantry.imports.amounts import amount_in
from gantry.imports.finding import Notes, changed, left
from gantry.settings import DeclaredModel


class Target(Struct, frozen=True, kw_only=True):
    """A deployment behind a name: `model` as callers write it, and where it stood.

    `credential` is the name of the one that calls it; without one, any that serves the model does.
    """

    model: str
    credential: str | None
    place: str
    weight: float = 1.0


class Name(Struct, kw_only=True):
    """A name that callers write, gathered as its deployments are read."""

    name: str
    targets: list[Target] = []
    rule: dict[str, Any] = {}  # of its own, without `match`
    facts: dict[str, Any] = {}  # prices and the like, as DeclaredModel has them
    strategy: str | None = None
    is_pattern: bool = False

    @property
    def base(self) -> str:
        return self.targets[0].model

    @property
    def others(self) -> list[str]:
        """The models behind it but the first."""
        return list(dict.fromkeys(target.model for target in self.targets if target.model != self.base))


class Routes(Struct, frozen=True, kw_only=True):
    models: tuple[DeclaredModel, ...]
    groups: list[dict[str, Any]]
    rules: list[dict[str, Any]]


def build_routes(names: Collection[Name], prefixes: Collection[str], notes: Notes) -> Routes:
    """Return what names come to. What a name cannot be here is noted at its first deployment."""
    models: list[DeclaredModel] = []
    groups: list[dict[str, Any]] = []
    rules: list[dict[str, Any]] = []
    ids: set[str] = set()
    for name in names:
        if not name.targets:
            continue
        if not name.is_pattern:
            models += _alias(name, prefixes, notes)
        if name.others:
            group = _group(name, ids)
            groups.append(group)
            notes.say(
                f"{name.targets[0].place}.model_name",
                changed(
                    f"calls for {name.name} go to {name.base}, and to its other models when that fails; to balance "
                    f"them, a call names the group: load_balance_group.group_id = {group['id']}"
                ),
            )
        rule = _rule(name)
        if rule:
            rules.append(rule)
    return Routes(models=tuple(models), groups=groups, rules=rules)


def retries_in(count: Any) -> dict[str, Any]:
    """Return what a rule says of a number of retries; nothing for what is none."""
    number = amount_in(count)
    return {} if number is None else {"num_retries": min(max(int(number), 0), MOST_RETRIES)}


def _alias(name: Name, prefixes: Collection[str], notes: Notes) -> Iterator[DeclaredModel]:
    prefix, slash, _ = name.name.partition("/")
    place = f"{name.targets[0].place}.model_name"
    if slash and prefix in prefixes:
        if name.name == name.base:
            if name.facts:
                notes.say(
                    f"{name.targets[0].place}.litellm_params",
                    changed("prices of its own are for names of one's own: give them in [[prices]] of gantry.toml"),
                )
            return
        notes.say(
            place,
            left(
                f"a name may not begin like a provider's models here, and {prefix}/ does; callers write {name.base}, "
                "or `gantry models add` gives it another name"
            ),
        )
        return
    yield DeclaredModel(name=name.name, base=name.base, **name.facts)


def _group(name: Name, ids: set[str]) -> dict[str, Any]:
    wanted = group_id(name.name)
    numbers = itertools.count(1)
    chosen = next(one for number in numbers if (one := wanted if number == 1 else f"{wanted}-{number}") not in ids)
    ids.add(chosen)
    group: dict[str, Any] = {"id": chosen, "name": name.name}
    if name.strategy is not None:
        group["strategy"] = name.strategy
    group["members"] = members_of((target.model, target.credential, target.weight) for target in name.targets)
    return group


def members_of(deployments: Iterable[tuple[str, str | None, float]]) -> list[dict[str, Any]]:
    """Return the members of a group, by model, credential and weight. Who comes twice has the sum of the weights."""
    members: dict[tuple[str, str | None], dict[str, Any]] = {}
    for model, credential, weight in deployments:
        member = members.setdefault((model, credential), {"model": model, "weight": 0.0})
        member["weight"] += weight
        if credential is not None:
            member["credential"] = credential
    return list(members.values())


def _rule(name: Name) -> dict[str, Any]:
    followers = list(dict.fromkeys((*name.others, *name.rule.get("fallback_models", ()))))
    rule = {"match": name.name, **name.rule}
    if followers:
        rule["fallback_models"] = followers
    return rule if len(rule) > 1 else {}
