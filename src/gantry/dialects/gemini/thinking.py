"""The wish to think, in Gemini's two ways of saying it.

Law: models from 3 on take a level and older ones a budget; a name that tells no generation gets a budget, which both
take. The level is read off the model's name, because Google gives no other sign. A bound that all models share is put
on the budget, and each conversion is named.
Spec: https://ai.google.dev/gemini-api/docs/thinking
"""

import re
from typing import Any, Final

from gantry.core.chat import Effort, Reasoning
from gantry.core.vocabulary import Dialect
from gantry.dialects.caller_names import caller_name
from gantry.dialects.changes import Change, clamped, converted
from gantry.dialects.effort import budget_of

_GENERATION: Final = re.compile(r"gemini-(\d+)")
_LARGEST_BUDGET: Final = 24_576  # of the Flash models; Pro takes 32,768
_LEVELS: Final = {
    Effort.NONE: "MINIMAL",
    Effort.MINIMAL: "MINIMAL",
    Effort.LOW: "LOW",
    Effort.MEDIUM: "MEDIUM",
    Effort.HIGH: "HIGH",
    Effort.XHIGH: "HIGH",
    Effort.MAX: "HIGH",
}
_OWN_LEVELS: Final = {**_LEVELS, Effort.XHIGH: "XHIGH"}


def encode_thinking(reasoning: Reasoning, speaker: Dialect, model: str, changes: list[Change]) -> dict[str, Any]:
    """Return the `thinkingConfig` that a wish to think comes to."""
    name = caller_name(speaker, "reasoning")
    config: dict[str, Any] = {}
    if reasoning.shown is not None:
        config["includeThoughts"] = reasoning.shown
    elif reasoning.summary is not None:
        config["includeThoughts"] = True
    if speaker is Dialect.GEMINI:
        if reasoning.budget is not None:
            config["thinkingBudget"] = reasoning.budget
        if reasoning.effort is not None:
            config["thinkingLevel"] = _OWN_LEVELS[reasoning.effort]
        return config
    if reasoning.budget is None and reasoning.effort is not None and is_of_third_generation(model):
        level = _LEVELS[reasoning.effort]
        config["thinkingLevel"] = level
        if level != reasoning.effort.upper():
            changes.append(converted(name, f"{reasoning.effort} to {level.lower()}"))
        return config
    budget = budget_of(reasoning)
    if budget is not None:
        config["thinkingBudget"] = min(budget, _LARGEST_BUDGET)
        if reasoning.budget is None:
            detail = f"{reasoning.effort} to a budget of {config['thinkingBudget']} tokens"
            changes.append(converted(name, detail))
        elif budget > _LARGEST_BUDGET:
            changes.append(clamped(name, _LARGEST_BUDGET))
    return config


def is_of_third_generation(model: str) -> bool:
    """Say whether a model's name tells that it is a Gemini 3 or a later one."""
    found = _GENERATION.search(model)
    return found is not None and int(found[1]) >= 3
