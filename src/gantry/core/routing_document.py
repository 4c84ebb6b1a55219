"""A routing document: routing rules as people write them, in JSON or in TOML. Read, checked, and edited as a value.

Law: it is read as a whole or refused as a whole, with words that say where and what. What is wrong with a document in
itself refuses it for good (`read_rules`); what it names is looked for in the world as it is now (`find_faults`), which
may change at any time after.

What a document leaves open is not written into it: a default is free to change, and a version of Gantry reads what uses
nothing that is newer than itself.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from importlib import import_module
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from gantry.core.model_ref import parse_model_ref
from gantry.core.routing_rules import (
    Affinity,
    CacheRule,
    Hedge,
    LoadBalanceGroup,
    Member,
    ModelRule,
    RetryRule,
    RoutingRules,
    Strategy,
)

Document = dict[str, Any]

MOST_BYTES: Final = 256 * 1024  # of JSON: a snapshot carries each document to every worker
MOST_TYPED: Final = 4 * MOST_BYTES  # with the spaces and lines in which people write and are shown one
_STRUCTS: Final[Mapping[str, type[Struct]]] = {
    "": RoutingRules,
    "groups[]": LoadBalanceGroup,
    "groups[].members[]": Member,
    "retries": RetryRule,
    "models[]": ModelRule,
    "models[].retries": RetryRule,
    "models[].hedge": Hedge,
    "cache": CacheRule,
}
_CHOICES: Final[Mapping[str, Sequence[str]]] = {"strategy": list(Strategy), "affinity": list(Affinity)}
_PLACE: Final = re.compile(r" - at `\$\.?(.*)`$")
_LIKENESS: Final = "difflib"  # for who has mistyped something
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`")


class RulesRefused(ValueError):
    """A document holds no routing rules; `place` is where it goes wrong, as in `groups[0].members[1].weight`."""

    def __init__(self, reason: str, place: str = "") -> None:
        super().__init__(f"{place}: {reason}" if place else reason)
        self.place = place
        self.reason = reason


class RulesWorld(Struct, frozen=True):
    """What rules may name: providers by prefix, models that one `claims`, and what an organization has of its own."""

    providers: Mapping[str, str]
    claims: Callable[[str], bool]
    customs: frozenset[str] = frozenset()
    listed: frozenset[str] = frozenset()  # models that credentials name, or patterns of them
    credentials: frozenset[tuple[str, str]] = frozenset()  # provider's id and name


class Fault(NamedTuple):
    """What rules name in vain. One that `refuses` could never come to serve anything, and is no change to make."""

    words: str
    refuses: bool = False


def decode_document(text: bytes | str) -> Any:
    """Return what JSON says. Raises RulesRefused."""
    if len(text) > MOST_TYPED:
        raise RulesRefused(f"a routing document is at most {MOST_BYTES} bytes, and {MOST_TYPED} with its spaces")
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RulesRefused(f"this is no JSON: {error}") from None


def encode_document(document: Document) -> str:
    """Return a document as the JSON that is kept of it. Raises RulesRefused."""
    text = msgspec.json.encode(document)
    if len(text) > MOST_BYTES:
        raise RulesRefused(f"a routing document is at most {MOST_BYTES} bytes; this is {len(text)}")
    return text.decode()


# Learnt here, before there are threads: providers/spec.py says why.
_learnt: Final = msgspec.json.Decoder(RoutingRules)


def read_rules(document: Any) -> RoutingRules:
    """Return the rules that a document means. Raises RulesRefused."""
    try:
        rules = msgspec.convert(document, RoutingRules)
    except msgspec.ValidationError as error:
        raise _refusal(str(error)) from None
    for place, reason in _contradictions(rules):
        raise RulesRefused(reason, place)
    return rules


def find_faults(rules: RoutingRules, world: RulesWorld) -> list[Fault]:
    """Return what rules name and the world does not have, in their order."""
    faults: list[Fault] = []
    for group in rules.groups:
        where = f"the group {group.id}"
        seen: set[tuple[str, str | None]] = set()
        for member in group.members:
            if (member.model, member.credential) in seen:
                faults.append(Fault(f"{where} has {member.model} twice; once with the sum of their weights is enough"))
            seen.add((member.model, member.credential))
            faults.extend(_faults_of_model(where, member.model, world))
            faults.extend(_faults_of_credential(where, member, world))
    for name in rules.fallback_models:
        faults.extend(_faults_of_model("fallback_models", name, world))
    for rule in rules.models:
        for name in rule.fallback_models:
            faults.extend(_faults_of_model(f"the rule for {rule.match}", name, world))
    return list(dict.fromkeys(faults))


def new_refusals(rules: RoutingRules, before: Any, world: RulesWorld) -> list[str]:
    """Return what refuses rules, apart from what is wrong with the document that holds: a change need not mend that."""
    try:
        known = find_faults(read_rules(before), world)
    except RulesRefused:
        known = []
    return [fault.words for fault in find_faults(rules, world) if fault.refuses and fault not in known]


def changed(document: Document, members: Mapping[str, Any]) -> Document:
    """Return a document, or a part of one, with these members in place of its own; None takes one away."""
    return {name: value for name, value in {**document, **members}.items() if value is not None}


def find_group(document: Document, group_id: str) -> Document | None:
    """Return the load balance group of a document with this id."""
    return next((group for group in document.get("groups", ()) if group.get("id") == group_id), None)


def with_group(document: Document, group: Document) -> Document:
    """Return a document with a load balance group, in the place of the one of its id, or at the end."""
    groups = list(document.get("groups", ()))
    known = find_group(document, group["id"])
    if known is None:
        return {**document, "groups": [*groups, group]}
    return {**document, "groups": [group if each is known else each for each in groups]}


def without_group(document: Document, group_id: str) -> Document:
    """Return a document without the load balance group of this id."""
    groups = [group for group in document.get("groups", ()) if group.get("id") != group_id]
    return changed(document, {"groups": groups or None})


def _refusal(words: str) -> RulesRefused:
    """Return what msgspec says of a document, with our place in it and what could stand there instead."""
    found = _PLACE.search(words)
    place = "" if found is None else found[1]
    reason = words if found is None else words[: found.start()]
    unknown = _UNKNOWN.fullmatch(reason)
    last = place.rpartition(".")[2]
    if unknown is not None:
        names = _STRUCTS[re.sub(r"\d+", "", place)].__struct_fields__
        near = import_module(_LIKENESS).get_close_matches(unknown[1], names, 1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(names)}"
        reason = f"there is no `{unknown[1]}` here; {hint}"
    elif reason.startswith("Invalid enum value"):
        reason = f"{reason}; known are {', '.join(_CHOICES[last])}"
    elif last == "id":
        reason = "an id is up to 64 letters, digits, `_`, `.`, `:` and `-`, the first a letter or a digit"
    return RulesRefused(reason, place)


def _contradictions(rules: RoutingRules) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with rules in themselves, beyond the form of each value, as place and reason."""
    for place, text in _texts(rules):
        if not text.isprintable() or text != text.strip():
            yield place, "must be one line of text, with no space at its ends"
    ids: dict[str, int] = {}
    for number, group in enumerate(rules.groups):
        first = ids.setdefault(group.id, number)
        if first != number:
            yield f"groups[{number}].id", f"{group.id} is the id of groups[{first}] already"
        if not any(member.weight for member in group.members):
            yield f"groups[{number}].members", f"every member of {group.id} has weight 0: nobody is left to be called"
    matches: dict[str, int] = {}
    for number, rule in enumerate(rules.models):
        first = matches.setdefault(rule.match, number)
        if first != number:
            yield (
                f"models[{number}].match",
                f"{rule.match} is what models[{first}] matches already, and the first holds",
            )


def _texts(rules: RoutingRules) -> Iterator[tuple[str, str]]:
    """Yield every text of rules that people chose, with its place."""
    for number, group in enumerate(rules.groups):
        yield f"groups[{number}].id", group.id
        yield f"groups[{number}].name", group.name
        for index, member in enumerate(group.members):
            yield f"groups[{number}].members[{index}].model", member.model
            if member.credential is not None:
                yield f"groups[{number}].members[{index}].credential", member.credential
    for index, name in enumerate(rules.fallback_models):
        yield f"fallback_models[{index}]", name
    for number, rule in enumerate(rules.models):
        yield f"models[{number}].match", rule.match
        for index, name in enumerate(rule.fallback_models):
            yield f"models[{number}].fallback_models[{index}]", name


def _faults_of_model(where: str, name: str, world: RulesWorld) -> Iterator[Fault]:
    ref = parse_model_ref(name, world.providers)
    with_credential = {provider for provider, _ in world.credentials}
    if ref.prefix is not None:
        provider = world.providers[ref.prefix]
        if provider not in with_credential:
            yield Fault(f"{where} names {name}, and there is no credential for {provider} yet")
    elif not (_is_known(name, world) or len(with_credential) == 1):
        yield Fault(f"{where} names {name}, and no provider is known to have it: write it as PROVIDER/MODEL")


def _is_known(name: str, world: RulesWorld) -> bool:
    is_listed = any(fnmatchcase(name, pattern) for pattern in world.listed)
    return is_listed or name in world.customs or world.claims(name)


def _faults_of_credential(where: str, member: Member, world: RulesWorld) -> Iterator[Fault]:
    name = member.credential
    if name is None:
        return
    providers = {provider for provider, own in world.credentials if name in (own, f"{provider}/{own}")}
    prefix = parse_model_ref(member.model, world.providers).prefix
    asked = None if prefix is None else world.providers[prefix]
    if not providers:
        yield Fault(f"{where} names the credential {name}, and there is none; see `gantry providers list`", True)
    elif asked is not None and asked not in providers:
        others = " and ".join(sorted(providers))
        yield Fault(f"{where} names the credential {name} for {member.model}; it is one for {others}", True)
