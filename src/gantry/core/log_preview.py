"""The beginning of what was said, on one line: what a list shows of a log's input or output. Pure.

Law: what was said last comes first to the reader: of a conversation, the last words of its user; where there are none,
the last words of anybody. What holds no words is shown as the JSON that it is.
"""

from typing import Any, Final

import msgspec

LONGEST: Final = 240
_MOST_READ: Final = 4_000_000  # characters of JSON that are looked into; a longer text is shown as it begins
_WORDS_IN: Final = (
    "content", "text", "input", "prompt", "query", "refusal", "parts", "output", "document", "document_url", "name",
    "tool_calls", "function", "thinking", "instructions",
)  # fmt: skip


def preview_of(said: str | None) -> str | None:
    """Return what a list shows of an input or output as it is stored; None where nothing was kept."""
    if said is None:
        return None
    words = _words_of(said) or said[: LONGEST * 4]
    line = " ".join(words[: LONGEST * 4].split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _words_of(said: str) -> str:
    if not said.startswith(("[", "{", '"')) or len(said) > _MOST_READ:
        return said
    try:
        value = msgspec.json.decode(said)
        said_by_all = value if isinstance(value, list) else []
        users = [one for one in said_by_all if isinstance(one, dict) and one.get("role") == "user"]
        return _last_words(users) or _last_words(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return said


def _last_words(value: Any) -> str:
    if isinstance(value, str):
        return "" if value.startswith("data:") else value
    if isinstance(value, list):
        return next((words for one in reversed(value) if (words := _last_words(one).strip())), "")
    if isinstance(value, dict):
        return next((words for name in _WORDS_IN if (words := _last_words(value.get(name)).strip())), "")
    return ""
