"""Figures keep the best round, budgets compare them, and the report says what was missed."""

from bench import figures as f
from bench.figures import Budget, Figures, Limit
from bench.report import Setting, render, to_json


def _setting() -> Setting:
    return Setting(
        date="2026-11-22 10:00:00",
        commit="abc",
        machine="2 CPUs",
        layout="pinned",
        effort="quick",
        load_average="0.1",
        versions={"nginx": "1.22.1"},
        left_out=["LiteLLM: not asked for"],
    )


def test_the_best_of_several_rounds_is_kept() -> None:
    figures = Figures()
    for value in (30.0, 20.0, 25.0):
        figures.put(f.CALL, f.NGINX, value)
        figures.put(f.STORED, f.CLERK, value)
    assert figures.get(f.CALL, f.NGINX) == 20.0
    assert figures.get(f.STORED, f.CLERK) == 30.0


def test_a_budget_compares_a_figure_with_its_base() -> None:
    figures = Figures()
    budget = Budget("relay", f.CALL, f.GANTRY, 3, over=(f.CALL, f.NGINX))
    assert budget.value(figures) is None
    figures.put(f.CALL, f.GANTRY, 50)
    assert budget.value(figures) is None
    figures.put(f.CALL, f.NGINX, 20)
    assert budget.value(figures) == 2.5
    assert budget.holds(2.5)
    assert not budget.holds(3.1)


def test_a_rate_must_reach_its_limit() -> None:
    budget = Budget("clerk", f.STORED, f.CLERK, 10_000, Limit.AT_LEAST)
    assert budget.holds(10_000)
    assert not budget.holds(9_999)


def test_the_report_has_each_figure_and_each_verdict() -> None:
    figures = Figures()
    figures.put(f.CALL, f.RESPAN, 100)
    figures.put(f.CALL, f.GANTRY, 62)
    figures.put(f.CALL, f.NGINX, 20)
    text = render(_setting(), figures)
    assert "|  | nginx | gantry | respan-gateway |" in text
    assert "| CPU per call | 20.0 µs | 62.0 µs | 100.0 µs |" in text
    assert "| relay ≤ 3 x nginx | 3.10 x | **MISS** |" in text
    assert "LiteLLM: not asked for" in text
    assert b'"measured": 3.1' in to_json(_setting(), figures)
