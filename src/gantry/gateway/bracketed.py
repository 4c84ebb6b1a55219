"""Objects that a client flattened into the fields of a form: `customer_credentials[mistral][api_key]`, `models[]`.

OpenAI's clients write so whatever is added to an upload. Text stays text, but for the few members that must be numbers
or flags. Members of one object in a list follow each other; one that is there already begins the next object.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from gantry.core.errors import InvalidRequest
from gantry.wire.form import field_text

_FORM: Final = re.compile(r"[^\[\]]+(?:\[[^\[\]]*\]){1,8}")
_KEY: Final = re.compile(r"\[([^\[\]]*)\]")
_LITERALS: Final = frozenset(("weight", "num_retries", "retry_after", "retry_enabled"))


def root_of(name: str) -> str:
    """Return the field that a name is a part of."""
    return name.partition("[")[0]


def unflatten(fields: Iterable[tuple[str, bytes]]) -> Mapping[str, bytes]:
    """Return the objects and lists that fields with brackets in their names make up, as JSON. Raises InvalidRequest."""
    found: dict[str, Any] = {}
    for name, raw in fields:
        keys = _KEY.findall(name)
        text = field_text(name, raw)
        if not _FORM.fullmatch(name) or not _insert(found, [root_of(name), *keys], _read(keys[-1], text)):
            raise InvalidRequest(f"The form's `{name}` cannot be read. Send it as JSON.", param=root_of(name))
    return {name: msgspec.json.encode(value) for name, value in found.items()}


def _insert(holder: dict[str, Any], path: list[str], value: Any) -> bool:
    """Put a value where its path leads; False where something else is."""
    key, *rest = path
    if not rest:
        if key in holder:
            return False
        holder[key] = value
        return True
    if rest[0] == "":
        items = holder.setdefault(key, [])
        return isinstance(items, list) and _append(items, rest[1:], value)
    inner = holder.setdefault(key, {})
    return isinstance(inner, dict) and _insert(inner, rest, value)


def _append(items: list[Any], path: list[str], value: Any) -> bool:
    if not path:
        items.append(value)
        return True
    if path[0] == "":  # a list in a list: nothing of ours has any
        return False
    if items and isinstance(items[-1], dict) and _insert(items[-1], path, value):
        return True
    items.append({})
    return _insert(items[-1], path, value)


def _read(key: str, text: str) -> Any:
    if key not in _LITERALS:
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
