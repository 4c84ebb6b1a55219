"""How hard to think, between words and budgets.

Law: a budget becomes the effort whose share of the answer it is nearest to, and an effort a share of the answer's
bound; both are what providers that offer both document, and neither is exact, so the change is always named.
"""

from typing import Final

from gantry.core.chat import Effort, Reasoning

SMALLEST_BUDGET: Final = 1024  # Anthropic's
_BUDGETS: Final = {
    Effort.MINIMAL: 1024,
    Effort.LOW: 2048,
    Effort.MEDIUM: 8192,
    Effort.HIGH: 16384,
    Effort.XHIGH: 32768,
    Effort.MAX: 65536,
}
_WORDS: Final = {str(effort): effort for effort in Effort}


def effort_of_word(word: str) -> Effort | None:
    return _WORDS.get(word)


def effort_of_budget(budget: int) -> Effort:
    """Return the highest effort whose budget is not above this one."""
    if budget <= 0:
        return Effort.NONE
    fitting = [effort for effort, size in _BUDGETS.items() if size <= budget]
    return fitting[-1] if fitting else Effort.MINIMAL


def budget_of(reasoning: Reasoning) -> int | None:
    """Return the budget of a wish to think, in tokens; None when it names neither, 0 when it is not to think."""
    if reasoning.budget is not None:
        return reasoning.budget
    return None if reasoning.effort is None else _BUDGETS.get(reasoning.effort, 0)


def effort_of(reasoning: Reasoning) -> Effort | None:
    """Return the effort of a wish to think; None when it names neither."""
    if reasoning.effort is not None:
        return reasoning.effort
    return None if reasoning.budget is None else effort_of_budget(reasoning.budget)
