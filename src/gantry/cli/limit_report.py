"""How limits stand, in lines: a table, and why a key's next call would be refused, with the numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
import msgspec

from gantry.cli.table import print_table
from gantry.cli.when import iso
from gantry.console.limit_use import Use, blocking, tightest
from gantry.core.limit_terms import ORG_CREDITS, Party, is_each
from gantry.core.limit_words import amount_in_words, show_amount
from gantry.core.limits import CounterKind, Limit, LimitScope, LimitUnit
from gantry.core.model_ref import parse_model_ref
from gantry.core.periods import Period
from gantry.providers.spec import load_catalog
from gantry.store.keys import ApiKey
from gantry.store.limits import BrokenLimit, StoredLimit

_EACH = {LimitScope.API_KEY: "each key", LimitScope.CUSTOMER: "each customer"}


def whose(limit: Limit, key_names: Mapping[str, str]) -> str:
    """Return whom a limit holds, in words."""
    if limit.scope is LimitScope.ORGANIZATION:
        return "all calls"
    if is_each(limit):
        return _EACH[limit.scope]
    if limit.scope is LimitScope.API_KEY:
        return f"key {key_names.get(limit.subject, limit.subject)}"
    return f"{limit.scope} {limit.subject}"


def row_of(
    found: StoredLimit | BrokenLimit, use: Use | None, key_names: Mapping[str, str], unknown: str
) -> tuple[str, ...]:
    """Return a row of the table of limits. `unknown` is said in place of a use that there is none of."""
    if isinstance(found, BrokenLimit):
        return (found.name, "", f"unreadable: {found.reason}", "", "", "", "", found.id, "")
    limit = found.limit
    return (
        limit.name,
        whose(limit, key_names),
        _amount_per(limit.unit, limit.amount, limit.period),
        limit.environment or "all",
        limit.action,
        unknown if use is None else amount_in_words(limit.unit, use.current),
        "" if use is None else _anew(use),
        limit.id,
        found.managed_by or "",
    )


def party_of(key: ApiKey, customer: str | None, model: str | None) -> Party:
    """Return whom limits would count a call for."""
    names: tuple[str, ...] = ()
    if model is not None:
        prefixes = {prefix: spec.id for spec in load_catalog().values() for prefix in (spec.id, *spec.prefixes)}
        ref = parse_model_ref(model, prefixes)
        own = () if ref.prefix is None else (ref.name, f"{prefixes[ref.prefix]}/{ref.name}")
        names = tuple(dict.fromkeys((model, *own)))
    return Party(
        organization_id=key.organization_id,
        environment=key.policy.environment,
        key_ids=(key.id, *key.bound_by),
        customer=customer,
        models=names,
    )


def report_party(key: ApiKey, uses: Sequence[Use], *, as_json: bool) -> None:
    """Print what a key's next call must pass, and what would block it."""
    if as_json:
        stopped = _stopped_by(uses)
        blocked = None if stopped is None else stopped.terms.name
        click.echo(msgspec.json.encode({"blocked_by": blocked, "limits": [_view(use) for use in uses]}))
        return
    print_table(
        ("LIMIT", "USED", "OF", "LEFT", "RESETS", "ACTION"),
        [
            (
                use.terms.name,
                amount_in_words(use.terms.unit, use.current),
                _amount_per(use.terms.unit, use.terms.capacity, use.terms.period),
                amount_in_words(use.terms.unit, use.left),
                _anew(use),
                "block" if use.terms.blocks else "warn",
            )
            for use in uses
        ],
    )
    for line in _verdict(key, uses):
        click.echo(line)


def _verdict(key: ApiKey, uses: Sequence[Use]) -> list[str]:
    stopped = _stopped_by(uses)
    if stopped is None:
        lines = [f"The next call of {key.name} passes, as far as what is left is enough for it:"]
        for unit in LimitUnit:
            near = tightest(uses, unit)
            if near is not None and near.terms.name != ORG_CREDITS:
                lines.append(f"  {amount_in_words(unit, near.left)} by {near.terms.name}")
        return lines if len(lines) > 1 else [f"Nothing would block the next call of {key.name}."]
    terms = stopped.terms
    if terms.name == ORG_CREDITS:
        return [
            "A call through a platform credential would be refused with 402: credits are used up "
            f"({amount_in_words(terms.unit, stopped.current)} of {amount_in_words(terms.unit, terms.capacity)}).",
            "Calls through credentials of your own take none. More are added by `gantry credits add`.",
        ]
    anew = _anew(stopped)
    when = f"; it begins anew at {anew}" if stopped.resets_at is not None else f"; it {anew}" if anew else ""
    return [
        f"The next call of {key.name} would be refused with 429 by {terms.name}: "
        f"{amount_in_words(terms.unit, stopped.current)} of {amount_in_words(terms.unit, terms.capacity)} used{when}."
    ]


def _stopped_by(uses: Sequence[Use]) -> Use | None:
    """Return what is used up; credits last, for a call may need none."""
    return blocking([use for use in uses if use.terms.name != ORG_CREDITS]) or blocking(uses)


def _view(use: Use) -> dict[str, Any]:
    terms = use.terms
    return {
        "name": terms.name,
        "limit_id": terms.limit_id,
        "unit": terms.unit,
        "period": terms.period,
        "action": "block" if terms.blocks else "warn",
        "current_value": show_amount(terms.unit, use.current),
        "limit_value": show_amount(terms.unit, terms.capacity),
        "left": show_amount(terms.unit, use.left),
        "resets_at": iso(use.resets_at),
        "is_used_up": use.is_used_up,
    }


def _amount_per(unit: LimitUnit, amount: int, period: Period) -> str:
    words = amount_in_words(unit, amount)
    return words if period is Period.LIFETIME else f"{words}/{period}"


def _anew(use: Use) -> str:
    if use.resets_at is not None:
        return iso(use.resets_at) or ""
    return "fills up steadily" if use.terms.kind is CounterKind.RATE else ""
