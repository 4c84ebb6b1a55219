"""What a model takes, by the version in its name: Anthropic's generations differ in what they refuse.

A name without a version is a look-alike's, and takes the long-lived form; a Claude without one is taken for the newest.
Sources: https://docs.anthropic.com/en/docs/build-with-claude/adaptive-thinking and …/extended-thinking
"""

import re
from typing import Final

from msgspec import Struct

_NEWEST: Final = (99, 0)
_LOOK_ALIKE: Final = (4, 5)
_VERSION: Final = re.compile(r"(?<![0-9])([0-9]{1,2})(?:[-.]([0-9]{1,2}))?(?![0-9])")
_FIRST_THINKING: Final = (3, 7)
_FIRST_SCHEMAS: Final = (4, 1)
_FIRST_ADAPTIVE: Final = (4, 6)
_FIRST_WITHOUT_SAMPLING: Final = (4, 7)
_ALWAYS_THINKING: Final = ("mythos", "fable")


class Generation(Struct, frozen=True):
    thinks: bool
    adaptive: bool  # takes an effort instead of a budget
    extra_high: bool  # takes the effort `xhigh`
    silent: bool  # shows its thinking only when asked to
    always_thinks: bool
    sampling: bool  # takes temperature, top_p and top_k
    schemas: bool  # takes strict tools, and answers by a schema


def generation_of(model: str) -> Generation:
    """Return what `claude-sonnet-4-5-20250929`, `claude-3-7-sonnet@20250219`, `eu.anthropic.claude-…` take."""
    version = _version(model)
    newest = version >= _FIRST_WITHOUT_SAMPLING
    return Generation(
        thinks=version >= _FIRST_THINKING,
        adaptive=version >= _FIRST_ADAPTIVE,
        extra_high=newest,
        silent=newest,
        always_thinks=any(name in model for name in _ALWAYS_THINKING),
        sampling=not newest,
        schemas=version >= _FIRST_SCHEMAS,
    )


def _version(model: str) -> tuple[int, int]:
    _, claude, name = model.rpartition("claude")
    if not claude:
        return _LOOK_ALIKE
    found = _VERSION.search(name)
    return _NEWEST if found is None else (int(found[1]), int(found[2] or 0))
