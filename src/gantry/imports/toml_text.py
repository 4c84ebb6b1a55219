"""A plan as the text of gantry.toml. Pure.

Law: what is written is read again by `gantry.settings` as the same. A secret is written only where that is asked for;
elsewhere its place says that there is one.
"""

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from gantry.core.secret import Secret
from gantry.imports.plan import Plan

HIDDEN: Final = "…"  # in the place of a secret
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


def write_toml(plan: Plan, *, reveal: bool) -> str:
    """Return what of a plan gantry.toml can declare; keys it cannot."""
    blocks = [f"{name} = {_value(value, reveal)}" for name, value in plan.settings.items()]
    parts = ["\n".join(blocks)] if blocks else []
    parts += list(_routing(plan.routing, reveal)) if plan.routing else []
    for kind, entries in (("providers", plan.providers), ("models", plan.models), ("limits", plan.limits)):
        parts += [f"[[{kind}]]\n{_members(_said(entry), reveal)}" for entry in entries]
    return "\n\n".join(parts) + "\n" if parts else ""


def _routing(document: Mapping[str, Any], reveal: bool) -> Iterator[str]:
    """Yield the `[routing]` table and those within it; what stands deeper is written inline."""
    plain = {name: value for name, value in document.items() if not isinstance(value, dict) and not _is_tables(value)}
    yield f"[routing]\n{_members(plain, reveal)}".rstrip()
    for name, value in document.items():
        if isinstance(value, dict):
            yield f"[routing.{name}]\n{_members(value, reveal)}"
        elif _is_tables(value):
            yield from (f"[[routing.{name}]]\n{_members(one, reveal)}" for one in value)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, dict) for one in value)


def _said(entry: Struct) -> dict[str, Any]:
    """Return the members of a declared object that are not as they would be anyway."""
    return {
        field.name: value
        for field in structs.fields(type(entry))
        if (value := getattr(entry, field.name)) != field.default and value not in ((), {}, "")
    }


def _members(members: Mapping[str, Any], reveal: bool) -> str:
    return "\n".join(f"{_key(name)} = {_value(value, reveal)}" for name, value in members.items())


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _value(value: Any, reveal: bool) -> str:
    if isinstance(value, Secret):
        return _text(value.reveal() if reveal else HIDDEN)
    if isinstance(value, Enum):
        return _text(str(value.value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(name)} = {_value(one, reveal)}" for name, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(one, reveal) for one in value) + "]"
    return _text(str(value))


def _text(text: str) -> str:
    """Return a basic string: TOML's escapes are JSON's, but for DEL."""
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007F")
