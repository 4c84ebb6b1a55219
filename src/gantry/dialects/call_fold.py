"""The fold of tool calls: fragments in, whole calls out.

Law: fragments of one call meet in one call. They are told apart by index, and by a new id with a name where a provider
gives every call the same index; Mistral's later fragments repeat the index with name "" and the id absent or "null". A
name is taken once, because some providers repeat it in every fragment.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from gantry.dialects.chat_shapes import FunctionPart, ToolCallPart

_NO_ID = ("", "null", None)


class _Call:
    __slots__ = ("arguments", "custom", "id", "name", "type")

    def __init__(self) -> None:
        self.id: str | None = None
        self.type: str | None = None
        self.name = ""
        self.arguments: list[str] = []
        self.custom = False

    def add(self, part: ToolCallPart) -> None:
        if self.id is None and part.id not in _NO_ID:
            self.id = part.id
        self.type = self.type or part.type
        if part.function is not None:
            self.name = self.name or part.function.name or ""
            self.arguments.append(arguments_text(part.function))
        elif part.custom is not None:
            self.custom = True
            self.name = self.name or part.custom.name or ""
            self.arguments.append(part.custom.input or "")

    @property
    def is_empty(self) -> bool:
        """Whether nothing ever came for it; some providers write an empty call beside an answer in text."""
        return not (self.name or self.id or any(self.arguments))

    def assembled(self) -> dict[str, Any]:
        call: dict[str, Any] = {"id": self.id} if self.id is not None else {}
        arguments = "".join(self.arguments)
        if self.custom:
            call["type"] = self.type or "custom"
            call["custom"] = {"name": self.name, "input": arguments}
        else:
            call["type"] = self.type or "function"
            call["function"] = {"name": self.name, "arguments": arguments}
        return call


class CallFold:
    """The tool calls of one message as far as they came."""

    __slots__ = ("_by_index", "_calls")

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}

    def __bool__(self) -> bool:
        return bool(self._calls) and any(not call.is_empty for call in self._calls)

    def add(self, parts: Iterable[ToolCallPart]) -> None:
        for part in parts:
            call = self._continued(part)
            if call is None:
                call = _Call()
                self._calls.append(call)
            if part.index is not None:
                self._by_index[part.index] = call
            call.add(part)

    def assembled(self) -> list[dict[str, Any]]:
        return [call.assembled() for call in self._calls if not call.is_empty]

    def _continued(self, part: ToolCallPart) -> _Call | None:
        """Return the call that this fragment continues; None when it begins one."""
        has_id = part.id not in _NO_ID
        has_name = part.function is not None and bool(part.function.name)
        if part.index is not None:
            known = self._by_index.get(part.index)
        elif has_id:
            known = next((call for call in self._calls if call.id == part.id), None)
        else:
            known = None if has_name or not self._calls else self._calls[-1]
        if known is not None and has_id and has_name and known.id not in (None, part.id):
            return None
        return known


def arguments_text(function: FunctionPart) -> str:
    """Return a call's arguments as the JSON text they stand for."""
    arguments = function.arguments
    if isinstance(arguments, dict):
        return msgspec.json.encode(arguments).decode()
    return arguments or ""
