"""Turns the figures of a run into Markdown and JSON."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from bench.figures import BUDGETS, Figures, Metric, Unit


class Setting(Struct, frozen=True, kw_only=True):
    """Where, when and with what a run was made."""

    date: str
    commit: str
    machine: str
    layout: str
    effort: str
    load_average: str
    versions: Mapping[str, str]
    left_out: Sequence[str]


def render(setting: Setting, figures: Figures) -> str:
    """Return the report as Markdown: setting, one table of systems, one of budgets."""
    versions = ", ".join(f"{name} {version}" for name, version in setting.versions.items())
    lines = [
        f"Measured on {setting.date}, commit {setting.commit}, effort {setting.effort}.",
        f"Machine: {setting.machine}; load average before the run {setting.load_average}. {setting.layout}.",
        f"Versions: {versions}.",
        *(f"Left out: {reason}" for reason in setting.left_out),
        "",
        *_systems_table(figures),
        *_budgets_table(figures),
    ]
    return "\n".join(lines)


def to_json(setting: Setting, figures: Figures) -> bytes:
    """Return everything as JSON, in base units."""
    budgets = [
        {"promise": budget.promise, "measured": value, "limit": budget.limit, "holds": budget.holds(value)}
        for budget in BUDGETS
        if (value := budget.value(figures)) is not None
    ]
    document = {"setting": setting, "figures": figures.as_json(), "budgets": budgets}
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _systems_table(figures: Figures) -> list[str]:
    systems = figures.systems()
    rows = [["", *systems], ["---", *("---:" for _ in systems)]]
    for metric in figures.metrics():
        rows.append([metric.title, *(_cell(metric, figures.get(metric, system)) for system in systems)])
    return [f"| {' | '.join(row)} |" for row in rows]


def _budgets_table(figures: Figures) -> list[str]:
    lines = []
    for budget in BUDGETS:
        value = budget.value(figures)
        if value is not None:
            verdict = "ok" if budget.holds(value) else "**MISS**"
            lines.append(f"| {budget.promise} | {_text(budget.unit, value)} | {verdict} |")
    return ["", "| budget (DESIGN §6) | measured | verdict |", "| --- | ---: | --- |", *lines] if lines else []


def _cell(metric: Metric, value: float | None) -> str:
    return "" if value is None else _text(metric.unit, value)


def _text(unit: Unit, value: float) -> str:
    match unit:
        case Unit.MICROSECONDS:
            return f"{value:,.1f} µs"
        case Unit.MILLISECONDS | Unit.SECONDS:
            return f"{value:.3f} {unit.value}"
        case Unit.MEGABYTES:
            return f"{value / 1e6:.1f} MB"
        case Unit.PER_SECOND:
            return f"{value:,.0f}/s"
        case Unit.SHARE:
            return f"{value:.2f} %"
        case Unit.RATIO:
            return f"{value:.2f} x"
