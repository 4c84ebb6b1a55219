"""The messages of the protocol, and reading JSON as one of them: Google knows every field and refuses all others.

Law: names may be in camel or snake case, a list of one may stand without its brackets, a number may be a string. What
comes out is in camel case. A schema's own fields are checked too; the names of its properties are the caller's.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from gantry.simulator.gemini.errors import invalid, unreadable

# Types: a scalar, `any`, `=Name` for an enumeration, the name of a message; `*` repeats, `{…}` maps strings to it.
_MESSAGES: dict[str, dict[str, str]] = {
    "GenerateContentRequest": {
        "model": "string",
        "contents": "Content*",
        "systemInstruction": "Content",
        "tools": "Tool*",
        "toolConfig": "ToolConfig",
        "safetySettings": "any*",
        "generationConfig": "GenerationConfig",
        "cachedContent": "string",
        "serviceTier": "string",
        "store": "bool",
        "labels": "any",
        "modelArmorConfig": "any",
    },
    "CountTokensRequest": {
        "model": "string",
        "contents": "Content*",
        "generateContentRequest": "GenerateContentRequest",
        "systemInstruction": "Content",
        "tools": "Tool*",
        "generationConfig": "GenerationConfig",
    },
    "EmbedContentRequest": {
        "model": "string",
        "content": "Content",
        "taskType": "=TaskType",
        "title": "string",
        "outputDimensionality": "int",
        "embedContentConfig": "any",
    },
    "BatchEmbedContentsRequest": {"requests": "EmbedContentRequest*"},
    "Content": {"role": "string", "parts": "Part*"},
    "Part": {
        "text": "string",
        "thought": "bool",
        "thoughtSignature": "bytes",
        "inlineData": "Blob",
        "fileData": "FileData",
        "functionCall": "FunctionCall",
        "functionResponse": "FunctionResponse",
        "executableCode": "any",
        "codeExecutionResult": "any",
        "toolCall": "any",
        "toolResponse": "any",
        "videoMetadata": "any",
        "mediaResolution": "any",
        "partMetadata": "any",
    },
    "Blob": {"mimeType": "string", "data": "bytes", "displayName": "string"},
    "FileData": {"mimeType": "string", "fileUri": "string", "displayName": "string"},
    "FunctionCall": {"id": "string", "name": "string", "args": "any", "partialArgs": "any*", "willContinue": "bool"},
    "FunctionResponse": {
        "id": "string",
        "name": "string",
        "response": "any",
        "parts": "any*",
        "willContinue": "bool",
        "scheduling": "string",
    },
    "Tool": {
        "functionDeclarations": "FunctionDeclaration*",
        "googleSearch": "any",
        "googleSearchRetrieval": "any",
        "codeExecution": "any",
        "urlContext": "any",
        "computerUse": "any",
        "fileSearch": "any",
        "googleMaps": "any",
        "mcpServers": "any*",
        "retrieval": "any",
        "enterpriseWebSearch": "any",
    },
    "FunctionDeclaration": {
        "name": "string",
        "description": "string",
        "behavior": "string",
        "parameters": "Schema",
        "parametersJsonSchema": "any",
        "response": "Schema",
        "responseJsonSchema": "any",
    },
    "ToolConfig": {
        "functionCallingConfig": "FunctionCallingConfig",
        "retrievalConfig": "any",
        "includeServerSideToolInvocations": "bool",
    },
    "FunctionCallingConfig": {
        "mode": "=Mode",
        "allowedFunctionNames": "string*",
        "streamFunctionCallArguments": "bool",
    },
    "GenerationConfig": {
        "stopSequences": "string*",
        "responseMimeType": "string",
        "responseSchema": "Schema",
        "responseJsonSchema": "any",
        "_responseJsonSchema": "any",
        "responseFormat": "any",
        "responseModalities": "string*",
        "candidateCount": "int",
        "maxOutputTokens": "int",
        "temperature": "float",
        "topP": "float",
        "topK": "float",
        "seed": "int",
        "presencePenalty": "float",
        "frequencyPenalty": "float",
        "responseLogprobs": "bool",
        "logprobs": "int",
        "enableEnhancedCivicAnswers": "bool",
        "speechConfig": "any",
        "thinkingConfig": "ThinkingConfig",
        "imageConfig": "any",
        "mediaResolution": "string",
        "audioTimestamp": "bool",
        "routingConfig": "any",
    },
    "ThinkingConfig": {"includeThoughts": "bool", "thinkingBudget": "int", "thinkingLevel": "=Level"},
    "Schema": {
        "type": "=Type",
        "format": "string",
        "title": "string",
        "description": "string",
        "nullable": "bool",
        "enum": "string*",
        "items": "Schema",
        "maxItems": "int",
        "minItems": "int",
        "properties": "{Schema}",
        "required": "string*",
        "minProperties": "int",
        "maxProperties": "int",
        "minimum": "float",
        "maximum": "float",
        "minLength": "int",
        "maxLength": "int",
        "pattern": "string",
        "example": "any",
        "anyOf": "Schema*",
        "propertyOrdering": "string*",
        "default": "any",
        "additionalProperties": "any",
        "ref": "string",
        "defs": "{Schema}",
    },
}
_ENUMERATIONS = {
    "Mode": ("MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"),
    "Level": ("THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH"),
    "Type": ("TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"),
    "TaskType": (
        "TASK_TYPE_UNSPECIFIED",
        "RETRIEVAL_QUERY",
        "RETRIEVAL_DOCUMENT",
        "SEMANTIC_SIMILARITY",
        "CLASSIFICATION",
        "CLUSTERING",
        "QUESTION_ANSWERING",
        "FACT_VERIFICATION",
        "CODE_RETRIEVAL_QUERY",
    ),
}
_SCALARS = {"string": "TYPE_STRING", "int": "TYPE_INT32", "float": "TYPE_FLOAT", "bool": "TYPE_BOOL"}
_SNAKE = re.compile(r"(?<!^)_([a-z0-9])")
_CAMEL = re.compile(r"(?<=[a-z0-9])([A-Z])")


def read(body: bytes, message: str) -> dict[str, Any]:
    """Return the body as a message of that name. Raises Refusal with all that is wrong."""
    try:
        given = msgspec.json.decode(body or b"{}")
    except msgspec.MsgspecError as failure:
        raise invalid(f"Invalid JSON payload received. {failure}") from None
    reader = _Reader()
    value = reader.value(given, message, "")
    if reader.violations:
        raise unreadable(reader.violations)
    read: dict[str, Any] = value
    return read


def snake(name: str) -> str:
    return _CAMEL.sub(r"_\1", name).lower()


class _Reader:
    def __init__(self) -> None:
        self.violations: list[tuple[str, str]] = []

    def value(self, given: Any, kind: str, place: str) -> Any:
        if kind.endswith("*"):
            items = given if isinstance(given, list) else [given]
            return [self.value(item, kind[:-1], f"{place}[{index}]") for index, item in enumerate(items)]
        if kind.startswith("{"):
            entries = given if isinstance(given, Mapping) else {}
            return {name: self.value(item, kind[1:-1], f"{place}.{name}") for name, item in entries.items()}
        if kind in _MESSAGES:
            return self._message(given, kind, place)
        if kind.startswith("="):
            return self._enumeration(given, kind[1:], place)
        return self._scalar(given, kind, place)

    def _message(self, given: Any, kind: str, place: str) -> dict[str, Any]:
        if not isinstance(given, Mapping):
            self._wrong(place, f"(type.googleapis.com/google.ai.generativelanguage.v1beta.{kind})", given)
            return {}
        found: dict[str, Any] = {}
        for name, item in given.items():
            camel = name if name.startswith("_") else _SNAKE.sub(lambda match: match[1].upper(), name)
            inner = _MESSAGES[kind].get(camel)
            if inner is None:
                at = f" at '{place}'" if place else ""
                self.violations.append(
                    (place, f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.')
                )
            elif item is not None:
                found[camel] = self.value(item, inner, f"{place}.{snake(camel)}" if place else snake(camel))
        return found

    def _enumeration(self, given: Any, kind: str, place: str) -> str:
        names = _ENUMERATIONS[kind]
        if isinstance(given, int) and 0 <= given < len(names):
            return names[given]
        if isinstance(given, str) and given.upper() in names:
            return given.upper()
        self._wrong(place, f"(type.googleapis.com/google.ai.generativelanguage.v1beta.{kind})", given)
        return names[0]

    def _scalar(self, given: Any, kind: str, place: str) -> Any:
        match kind, given:
            case "any", _:
                return given
            case "string" | "bytes", str():
                return given
            case "bool", bool():
                return given
            case "int" | "float", bool():
                pass
            case (("int" | "float"), (int() | float() | str())):
                try:
                    number = float(given)
                    if kind == "float":
                        return number
                    if number.is_integer():
                        return int(number)
                except ValueError:
                    pass
            case _:
                pass
        self._wrong(place, f"({_SCALARS.get(kind, 'TYPE_BYTES')})", given)
        return None

    def _wrong(self, place: str, kind: str, given: Any) -> None:
        told = msgspec.json.encode(given).decode()
        self.violations.append((place, f"Invalid value at '{place}' {kind}, {told}"))
