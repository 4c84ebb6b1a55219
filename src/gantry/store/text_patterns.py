"""Patterns in text: regular expressions, LIKE patterns and similar words, each bounded before an engine sees it.

Law: a pattern that a caller writes costs a bounded time per text. Python's matcher, which SQLite calls, backtracks and
cannot be interrupted, so a repeat is never put on a group and at most two are unbounded, over a bounded text.
"""

import re
from functools import lru_cache
from typing import Final

MATCHED_CHARACTERS: Final = 254  # of a text that a regular expression reads; identifiers are not longer
SIMILAR_SHARE: Final = 0.6  # of a word's trigrams that must occur in a text that is similar to it
_LONGEST: Final = 100
_MOST_REPEATS: Final = 2
_MOST_TIMES: Final = 20
NUMBER: Final = r"^-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?([eE][+-]?[0-9]{1,2})?$"
_NUMBER: Final = re.compile(NUMBER)
_REPEAT: Final = re.compile(r"[*+]|\{(?P<least>\d*)(?P<comma>,?)(?P<most>\d*)\}")
_WORD: Final = re.compile(r"[^\W_]+")


class PatternRefused(ValueError):
    """A pattern that is wrong or could take too long; the message goes on after the name of the filter."""


def check_regex(pattern: str) -> None:
    """Raise PatternRefused unless the pattern is one that both engines understand and answer in time."""
    if len(pattern) > _LONGEST:
        raise PatternRefused(f"has a pattern of more than {_LONGEST} characters")
    plain = re.sub(r"\\.", "a", re.sub(r"\\\\", "a", pattern))
    if re.search(r"\\[^\W_dDsSwW]", re.sub(r"\\\\", "", pattern)):
        raise PatternRefused(r"may have no escapes but \d \s \w and those of punctuation")
    plain = re.sub(r"\[\^?\]?[^\]]*\]", "a", plain)
    if "(?" in plain or re.search(r"\)[*+{]|[*+?}][*+?{]", plain):
        raise PatternRefused("may have no lookaround, no repeated group and no repeat of a repeat")
    unbounded = 0
    for repeat in _REPEAT.finditer(plain):
        most = repeat["most"] or ("" if repeat["comma"] else repeat["least"])
        if repeat["least"] is None or not most:
            unbounded += 1
        elif int(most) > _MOST_TIMES:
            raise PatternRefused(f"may repeat at most {_MOST_TIMES} times where it says how often")
    if unbounded > _MOST_REPEATS or len(_REPEAT.findall(plain)) > 2 * _MOST_REPEATS:
        raise PatternRefused(f"may have at most {_MOST_REPEATS} of `*`, `+` and `{{n,}}`")
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternRefused(f"has a pattern that is no regular expression ({error})") from None


def check_like(pattern: str) -> None:
    """Raise PatternRefused for a pattern that ends within an escape."""
    if (len(pattern) - len(pattern.rstrip("\\"))) % 2:
        raise PatternRefused("has a pattern that ends with a backslash")


def trigrams_of(words: str) -> list[str]:
    """Return the distinct runs of three characters in some words, a space around each word. Raises PatternRefused."""
    found: dict[str, None] = {}
    for word in _WORD.findall(words.lower()):
        padded = f" {word} "
        found.update(dict.fromkeys(padded[start : start + 3] for start in range(len(padded) - 2)))
    if not 0 < len(found) <= _LONGEST:
        raise PatternRefused(f"needs words of 1 to {_LONGEST} characters")
    return list(found)


@lru_cache(16)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def matches_regex(pattern: str, text: str | None) -> bool | None:
    """SQLite's REGEXP."""
    return None if text is None else _compiled(pattern).search(text[:MATCHED_CHARACTERS]) is not None


def folded_text(text: str | None) -> str | None:
    """Lower case for letters that SQLite's own `lower` leaves as they are."""
    return None if text is None else text.lower()


def number_in_text(text: str | None) -> float | None:
    """Return the number that a text says, and None when it says none."""
    return float(text) if text is not None and _NUMBER.match(text) else None
