"""Routing rules, their versions and their load balance groups as the API and the commands show them."""

from collections.abc import Mapping
from difflib import unified_diff
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict

from gantry.console.rules_change import Checked
from gantry.core.routing_document import Document
from gantry.core.routing_rules import Affinity, Strategy
from gantry.dialects.custom_card import iso_time
from gantry.store.credentials import ManagedBy
from gantry.store.routing_rules import RulesVersion, WrittenRules


class RulesVersionItem(Struct, frozen=True, kw_only=True):
    version: int
    author: str | None
    note: str
    created_at: str | None
    managed_by: ManagedBy | None


class RulesItem(RulesVersionItem, frozen=True, kw_only=True):
    """A version with its document, and what that names in vain."""

    document: dict[str, Any]
    warnings: tuple[str, ...] | UnsetType = UNSET


class RulesDiff(Struct, frozen=True):
    """What one version has otherwise than another, as `diff -u` writes it."""

    before: int
    after: int
    lines: list[str]


class GroupMember(Struct, frozen=True):
    model: str
    weight: float
    credential: str | None


class GroupItem(Struct, frozen=True, kw_only=True):
    group_id: str
    name: str
    strategy: Strategy
    affinity: Affinity
    models: list[GroupMember]
    warnings: tuple[str, ...] | UnsetType = UNSET


def version_item(version: RulesVersion) -> RulesVersionItem:
    """Return a version as the API shows it, without its document."""
    return RulesVersionItem(
        version=version.version,
        author=version.author or None,
        note=version.note,
        created_at=iso_time(version.created_at) if version.version else None,
        managed_by=version.managed_by,
    )


def rules_item(checked: Checked) -> RulesItem:
    """Return a version as the API shows it, with its document and what that names in vain."""
    return RulesItem(
        **asdict(version_item(checked.written)),
        document=checked.written.document,
        warnings=checked.warnings or UNSET,
    )


def group_item(group: Mapping[str, Any], warnings: tuple[str, ...] = ()) -> GroupItem:
    """Return a group of a document as the API shows it, with the defaults where it says nothing."""
    return GroupItem(
        group_id=group["id"],
        name=group.get("name", ""),
        strategy=Strategy(group.get("strategy", Strategy.WEIGHTED)),
        affinity=Affinity(group.get("affinity", Affinity.AUTO)),
        models=[
            GroupMember(member["model"], member.get("weight", 1.0), member.get("credential"))
            for member in group["members"]
        ],
        warnings=warnings or UNSET,
    )


def diff_of(before: WrittenRules, after: WrittenRules) -> RulesDiff:
    """Return what a version has otherwise than another."""
    old, new = (pretty(written.document).splitlines() for written in (before, after))
    names = (f"version {before.version}", f"version {after.version}")
    return RulesDiff(before.version, after.version, list(unified_diff(old, new, *names, lineterm="")))


def pretty(document: Document) -> str:
    """Return a document as people read it."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
