"""Routing rules, their versions and their load balance groups as the API and the commands show them."""

from collections.abc import Mapping
from typing import Any

from gantry.console.rules_change import Checked
from gantry.core.routing_rules import Affinity, Strategy
from gantry.dialects.custom_card import iso_time
from gantry.store.routing_rules import RulesVersion


def version_item(version: RulesVersion) -> dict[str, Any]:
    """Return a version as the API shows it, without its document."""
    return {
        "version": version.version,
        "author": version.author or None,
        "note": version.note,
        "created_at": iso_time(version.created_at) if version.version else None,
        "managed_by": version.managed_by,
    }


def rules_item(checked: Checked) -> dict[str, Any]:
    """Return a version as the API shows it, with its document and what that names in vain."""
    item = {**version_item(checked.written), "document": checked.written.document}
    return {**item, "warnings": checked.warnings} if checked.warnings else item


def group_item(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return a group of a document as the API shows it, with the defaults where it says nothing."""
    return {
        "group_id": group["id"],
        "name": group.get("name", ""),
        "strategy": group.get("strategy", Strategy.WEIGHTED),
        "affinity": group.get("affinity", Affinity.AUTO),
        "models": [
            {"model": member["model"], "weight": member.get("weight", 1.0), "credential": member.get("credential")}
            for member in group["members"]
        ],
    }
