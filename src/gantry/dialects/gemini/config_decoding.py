"""`generationConfig` and `toolConfig`, as parameters of the canonical chat.

Law: what only Google knows goes to `extra` by its whole path (`generationConfig.speechConfig`), so that other encoders
name it as the caller does, and ours puts it back.
"""

from typing import Any, Final

from msgspec import Raw

from gantry.core.chat import AnswerFormat, Effort, FormatKind, Reasoning
from gantry.core.errors import InvalidRequest
from gantry.dialects.gemini.schema import json_schema
from gantry.dialects.gemini.spelling import read_count, read_fields, read_flag, read_float, read_texts
from gantry.dialects.gemini.tools import read_choice
from gantry.dialects.members import Members, read, read_schema, read_text

GENERATION: Final = "generationConfig"
TOOLS: Final = "toolConfig"
FLOATS: Final = {
    "temperature": "temperature",
    "topP": "top_p",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
}
COUNTS: Final = {
    "maxOutputTokens": "max_tokens",
    "topK": "top_k",
    "seed": "seed",
    "candidateCount": "choices",
    "logprobs": "top_logprobs",
}
_LEVELS: Final = {
    "MINIMAL": Effort.MINIMAL,
    "LOW": Effort.LOW,
    "MEDIUM": Effort.MEDIUM,
    "HIGH": Effort.HIGH,
    "XHIGH": Effort.XHIGH,
}
_DYNAMIC: Final = -1
_JSON: Final = "application/json"
_SCHEMAS: Final = ("responseJsonSchema", "_responseJsonSchema", "responseSchema")


def read_generation(raw: Raw, extra: dict[str, Raw]) -> dict[str, Any]:
    """Return the fields of a ChatRequest that `generationConfig` gives. Raises InvalidRequest."""
    config = read_fields(raw, GENERATION)
    found: dict[str, Any] = {}
    answer_format = _take_format(config)
    if answer_format is not None:
        found["format"] = answer_format
    for name, value in config.items():
        path = f"{GENERATION}.{name}"
        if name in FLOATS:
            found[FLOATS[name]] = read_float(value, path)
        elif name in COUNTS:
            found[COUNTS[name]] = read_count(value, path)
        elif name == "stopSequences":
            found["stop"] = tuple(read_texts(value, path))
        elif name == "responseLogprobs":
            found["logprobs"] = read_flag(value, path)
        elif name == "thinkingConfig":
            found["reasoning"] = _read_thinking(read_fields(value, path), path, extra)
        else:
            extra[path] = value
    if found.get("choices", 1) < 1:
        raise InvalidRequest(f"`{GENERATION}.candidateCount` must be 1 or more", param=f"{GENERATION}.candidateCount")
    return found


def _take_format(config: Members) -> AnswerFormat | None:
    """Take the format of the answer out of the configuration; another one than text and JSON is left there."""
    mime = config.get("responseMimeType")
    word = None if mime is None else read_text(mime, f"{GENERATION}.responseMimeType")
    name = next((name for name in _SCHEMAS if name in config), None)
    if word not in (None, "text/plain", _JSON):
        return None
    config.pop("responseMimeType", None)
    if name is None:
        return None if word is None else AnswerFormat(FormatKind.JSON if word == _JSON else FormatKind.TEXT)
    path = f"{GENERATION}.{name}"
    raw = config.pop(name)
    if name == "responseSchema":
        return AnswerFormat(FormatKind.JSON_SCHEMA, read(json_schema, raw, path, "a schema"))
    return AnswerFormat(FormatKind.JSON_SCHEMA, read_schema(raw, path))


def _read_thinking(config: Members, path: str, extra: dict[str, Raw]) -> Reasoning | None:
    effort = budget = shown = None
    for name, value in config.items():
        where = f"{path}.{name}"
        if name == "includeThoughts":
            shown = read_flag(value, where)
        elif name == "thinkingBudget" and read_count(value, where) != _DYNAMIC:
            budget = read_count(value, where)
        elif name == "thinkingLevel" and (level := read_text(value, where).upper()) in _LEVELS:
            effort = _LEVELS[level]
        else:
            extra[where] = value
    return Reasoning(effort, budget, shown)


def read_tool_config(raw: Raw, extra: dict[str, Raw]) -> dict[str, Any]:
    """Return the fields of a ChatRequest that `toolConfig` gives. Raises InvalidRequest."""
    found: dict[str, Any] = {}
    for name, value in read_fields(raw, TOOLS).items():
        path = f"{TOOLS}.{name}"
        if name == "functionCallingConfig":
            found["tool_choice"] = read_choice(read_fields(value, path), path, extra)
        else:
            extra[path] = value
    return found
