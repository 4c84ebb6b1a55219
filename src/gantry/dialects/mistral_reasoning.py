"""How much Mistral's models can be asked to think: the levels of each family, and the nearest one to a wish.

Law: a model that is not known here is given the wish as it is, for only Mistral can judge it. Of two levels equally
near, the lower wins: thinking is billed. Levels and families: Mistral's documentation of reasoning, November 2026.
"""

import re
from collections.abc import Iterable, Sequence
from enum import Enum
from fnmatch import fnmatchcase, translate
from typing import Final

_SCALE: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class Reasoning(Enum):
    """How a model is asked to think."""

    EFFORT = "effort"  # by levels
    PROMPT_MODE = "prompt_mode"
    NEVER = "never"
    UNKNOWN = "unknown"


_ON_OR_OFF: Final = ("none", "high")
_LEVELS: Final[Sequence[tuple[str, Sequence[str]]]] = (
    ("mistral-small-2603", _ON_OR_OFF),
    ("mistral-small-latest", _ON_OR_OFF),
    ("mistral-medium-2604", _ON_OR_OFF),
    ("mistral-medium-3", _ON_OR_OFF),
    ("mistral-medium-3-5*", _ON_OR_OFF),
    ("mistral-medium-latest", _ON_OR_OFF),
    ("mistral-large-4*", _ON_OR_OFF),
    ("zai-glm-5-3*", ("low", "high", "max")),
)


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)))


_BY_LEVEL: Final = _any_of(pattern for pattern, _ in _LEVELS)
_BY_PROMPT_MODE: Final = _any_of(("magistral-*",))
_NEVER: Final = _any_of(
    ("ministral-*", "codestral-*", "devstral-*", "pixtral-*", "voxtral-*", "open-mi*", "mistral-large-2*")
)


def reasoning_of(model: str) -> Reasoning:
    """Say how a model is asked to think."""
    if _BY_LEVEL.match(model):
        return Reasoning.EFFORT
    if _BY_PROMPT_MODE.match(model):
        return Reasoning.PROMPT_MODE
    if _NEVER.match(model):
        return Reasoning.NEVER
    return Reasoning.UNKNOWN


def nearest_effort(model: str, wish: str) -> str:
    """Return the level of a model that is nearest to the wish; the wish itself where either is not known."""
    levels = _levels_of(model)
    if not levels or wish in levels or wish not in _SCALE:
        return wish
    wanted = _SCALE.index(wish)
    return min(levels, key=lambda level: (abs(_SCALE.index(level) - wanted), _SCALE.index(level)))


def _levels_of(model: str) -> Sequence[str]:
    return next((levels for pattern, levels in _LEVELS if fnmatchcase(model, pattern)), ())
