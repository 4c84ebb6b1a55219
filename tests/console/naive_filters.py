"""The filter grammar again, written apart and naively: over the items that the API shows, one log at a time."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from gantry.core.log_figures import tokens_per_second
from gantry.core.log_item import full_item_of
from gantry.core.request_log import RequestLog

KINDS = {
    "text": "id model customer_identifier status error_message prompt_id metadata__team metadata__score note".split(),
    "number": "cost latency prompt_tokens total_tokens all_tokens total_request_tokens tokens_per_second temperature "
    "status_code max_tokens scores__quality".split(),
    "flag": "stream failed has_tool_calls is_root_span positive_feedback is_pinned cache_hit".split(),
    "time": ["start_time", "timestamp"],
    "list": ["tools", "warnings", "changes"],
    "object": ["metadata", "properties"],
    "said": ["messages", "input", "output", "prompt_messages", "completion_message"],
}
ALWAYS = {
    "",
    "=",
    "==",
    "eq",
    "equals",
    "in",
    "overlap",
    "not",
    "not_in",
    "not_overlap",
    "isnull",
    "empty",
    "notEmpty",
} | {"not_empty"}
ORDERING = {"lt", "lte", "gt", "gte"}
CONTAINING = {"contains", "icontains", "not_contains"}
TEXTUAL = CONTAINING | {
    "iexact",
    "startswith",
    "endswith",
    "not_startswith",
    "not_endswith",
    "regex",
    "ilike",
    "trigram_word_similar",
    "full_text_search",
}
APPLIES = {
    "text": ALWAYS | ORDERING | TEXTUAL,
    "number": ALWAYS | ORDERING,
    "time": ALWAYS | ORDERING,
    "flag": ALWAYS,
    "list": ALWAYS | CONTAINING,
    "object": {"isnull", "empty", "notEmpty", "not_empty", "has_key"} | CONTAINING,
    "said": CONTAINING | {"full_text_search"},
}
OPERATORS = sorted(ALWAYS | ORDERING | TEXTUAL | {"has_key"})
NEGATED = {"not": "", "not_in": "", "not_overlap": "", "notEmpty": "empty", "not_empty": "empty"}
EQUALITY = {"", "=", "==", "eq", "equals", "in", "overlap"}


def kind_of(name: str) -> str:
    return next(kind for kind, names in KINDS.items() if name in names)


def holds(log: RequestLog, filters: Mapping[str, Any], connector: str = "AND") -> bool:
    """Say whether a log meets filters as a body spells them."""
    result: bool | None = None
    for name, given in filters.items():
        if "filter_params" in given:
            joiner, value = connector, holds(log, given["filter_params"], given.get("connector", "AND"))
        else:
            params = given if isinstance(given, list) else [given]
            joiner, value = params[0].get("connector", connector), meets(log, name, params[0])
            for param in params[1:]:
                one = meets(log, name, param)
                value = (value or one) if param.get("connector") == "OR" else (value and one)
        result = value if result is None else (result or value) if joiner == "OR" else (result and value)
    return True if result is None else result


def meets(log: RequestLog, name: str, param: Mapping[str, Any]) -> bool:
    operator, values = param.get("operator", ""), param["value"]
    if operator.startswith("not"):
        plain = NEGATED.get(operator, operator.removeprefix("not_"))
        return not meets(log, name, {"operator": plain, "value": values})
    if kind_of(name) == "said":
        return any(says(log, name, operator, value) for value in values)
    found = value_of(log, name)
    if operator in ("isnull", "empty"):
        wanted = not values or values[0] in (True, "true")
        nothing: tuple[Any, ...] = (None,) if operator == "isnull" else (None, "", [], "{}")
        return any(found is one or found == one for one in nothing) is wanted
    if found is None:
        return operator in EQUALITY and None in values
    if operator in ORDERING and (name.startswith("metadata__") or name == "prompt_id"):
        return compare_member(operator, found, str(values[0]))
    return any(compare(kind_of(name), operator, found, value) for value in values if value is not None)


def value_of(log: RequestLog, name: str) -> Any:
    item = full_item_of(log)
    if name == "tokens_per_second":  # the item's is rounded
        return tokens_per_second(log)
    if name == "has_tool_calls":
        return log.tool_calls is not None
    if name == "is_root_span":
        return not log.span_parent_id
    if name == "is_pinned":
        return log.is_pinned
    if name.startswith("metadata__"):
        return text_of(members_of(log.metadata).get(name.removeprefix("metadata__")))
    if name == "prompt_id":
        return text_of(members_of(log.extra).get(name))
    if name in ("metadata", "properties"):
        return getattr(log, name)
    name = {"total_tokens": "total_request_tokens", "all_tokens": "total_request_tokens"}.get(name, name)
    value = item.get(name)
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value


def members_of(text: str | None) -> dict[str, Any]:
    try:
        return dict(msgspec.json.decode(text or "{}"))
    except (ValueError, TypeError):
        return {}


def text_of(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def compare(kind: str, operator: str, found: Any, value: Any) -> bool:
    match kind:
        case "number":
            return ordered(operator, found, float(value))
        case "time":
            return ordered(operator, datetime.fromisoformat(found), datetime.fromisoformat(value))
        case "flag":
            return found is (value in (True, "true"))
        case "list":
            return (
                value.lower() in msgspec.json.encode(found).decode().lower()
                if operator == "icontains"
                else value in found
            )
        case "object":
            if operator == "has_key":
                return text_of(members_of(found).get(value)) is not None
            return value.lower() in found.lower() if operator == "icontains" else value in found
    return compare_text(operator, found, str(value))


def ordered(operator: str, found: Any, value: Any) -> bool:
    if operator in EQUALITY:
        return bool(found == value)
    return bool({"lt": found < value, "lte": found <= value, "gt": found > value, "gte": found >= value}[operator])


def compare_text(operator: str, found: str, value: str) -> bool:
    if operator in EQUALITY or operator in ORDERING:
        return ordered(operator, found, value)
    match operator:
        case "iexact":
            return found.lower() == value.lower()
        case "contains":
            return value in found
        case "icontains":
            return value.lower() in found.lower()
        case "startswith":
            return found.startswith(value)
        case "endswith":
            return found.endswith(value)
        case "regex":
            return re.search(value, found) is not None
        case "ilike":
            pattern = re.escape(value).replace("%", ".*").replace("_", ".")
            return re.fullmatch(pattern, found, re.IGNORECASE | re.DOTALL) is not None
        case "trigram_word_similar":
            trigrams = {f" {word} "[at : at + 3] for word in words_in(value) for at in range(len(word))}
            return sum(one in f" {found.lower()} " for one in trigrams) >= 0.6 * len(trigrams)
        case "full_text_search":
            return all(word in found.lower() for word in words_in(value))
    raise AssertionError(operator)


def compare_member(operator: str, found: str, value: str) -> bool:
    """What is within JSON may be a number: a value that is one is compared with numbers only."""
    try:
        number = float(value)
    except ValueError:
        return ordered(operator, found, value)
    try:
        return ordered(operator, float(found), number)
    except ValueError:
        return False


def words_in(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def says(log: RequestLog, name: str, operator: str, value: str) -> bool:
    """Say whether the texts in what was said hold all words, or for `contains` the words in a row, the last begun."""
    both = {
        "input": [log.input],
        "prompt_messages": [log.input],
        "output": [log.output],
        "completion_message": [log.output],
    }.get(name, [log.input, log.output])
    said = [words_in(" ".join(strings_in(text))) for text in both if text is not None]
    if operator == "full_text_search":
        return all(any(word in words for words in said) for word in words_in(value))
    wanted = words_in(value)
    return any(
        words[at : at + len(wanted) - 1] == wanted[:-1] and words[at + len(wanted) - 1].startswith(wanted[-1])
        for words in said
        for at in range(len(words) - len(wanted) + 1)
    )


def strings_in(text: str) -> list[str]:
    """Return the contents of messages, or plain text as it is."""
    if not text.startswith(("[", "{")):
        return [text]
    messages = msgspec.json.decode(text)
    return [message["content"] for message in (messages if isinstance(messages, list) else [messages])]
