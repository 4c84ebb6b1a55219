"""What an imported configuration comes to: the tables of gantry.toml that mean the same, and keys to be made.

Law: a value. A secret that was read stays one (law 8) until a file of the owner's alone is written.
"""

from typing import Any

import msgspec
from msgspec import Struct

from gantry.core.limit_words import LimitWords
from gantry.imports.finding import Finding
from gantry.settings import DeclaredModel, DeclaredProvider


class PlannedKey(Struct, frozen=True, kw_only=True):
    """A key that is made anew: what a foreign one was called and might do. `known_as` tells which it replaces."""

    name: str
    known_as: str = ""  # the part of the old key that was shown
    models: tuple[str, ...] = ()
    expires_at: int | None = None  # ns since the epoch


class Plan(Struct, frozen=True, kw_only=True):
    """`settings` are those of gantry.toml, by name; `routing` is a routing document."""

    source: str
    providers: tuple[DeclaredProvider, ...] = ()
    models: tuple[DeclaredModel, ...] = ()
    routing: dict[str, Any] = {}
    limits: tuple[LimitWords, ...] = ()
    settings: dict[str, Any] = {}
    keys: tuple[PlannedKey, ...] = ()
    findings: tuple[Finding, ...] = ()


class ImportRefused(ValueError):
    """The file is not what it was said to be; the message says what was looked for."""


def joined(first: Plan, second: Plan) -> Plan:
    """Return two plans as one; where both say the same, the first holds."""
    return msgspec.structs.replace(
        first,
        providers=first.providers + second.providers,
        models=first.models + second.models,
        routing={**second.routing, **first.routing},
        limits=first.limits + second.limits,
        settings={**second.settings, **first.settings},
        keys=first.keys + second.keys,
        findings=first.findings + second.findings,
    )
