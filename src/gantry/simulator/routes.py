"""Path patterns to handlers: `{id}` matches one segment, `{id...}` the rest, slashes included."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

from msgspec import Struct

from gantry.simulator.exchange import Answer, Request, unescape
from gantry.simulator.faults import Faults


class Call(Struct, frozen=True):
    """One request at its handler: `parameters` are the unescaped values of the pattern, in order."""

    request: Request
    faults: Faults
    parameters: tuple[str, ...] = ()

    @property
    def parameter(self) -> str:
        return self.parameters[0]


class Refusal(Exception):
    """A handler's way to answer with an error from any depth."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


Handler: TypeAlias = Callable[[Call], Answer]
Table: TypeAlias = tuple[tuple[str, str, Handler], ...]  # method, pattern, handler


class Routes:
    """Patterns without parameters win over those with."""

    def __init__(self, *tables: Table) -> None:
        self._exact: dict[str, dict[str, Handler]] = {}
        self._patterns: list[tuple[tuple[str, ...], dict[str, Handler]]] = []
        for table in tables:
            for method, pattern, handler in table:
                self._add(method, pattern, handler)

    def _add(self, method: str, pattern: str, handler: Handler) -> None:
        if "{" not in pattern:
            self._exact.setdefault(pattern, {})[method] = handler
            return
        segments = tuple(pattern.split("/"))
        for known, methods in self._patterns:
            if known == segments:
                methods[method] = handler
                return
        self._patterns.append((segments, {method: handler}))

    def find(self, method: str, path: str) -> tuple[Handler | None, tuple[str, ...], bool]:
        """Return (handler, parameters, whether the path is known at all)."""
        methods = self._exact.get(path)
        parameters: tuple[str, ...] = ()
        if methods is None:
            found = self._match(path)
            if found is None:
                return None, (), False
            methods, parameters = found
        return methods.get("GET" if method == "HEAD" else method), parameters, True

    def methods(self) -> Iterator[dict[str, Handler]]:
        """Return the handlers of each path, by method."""
        yield from self._exact.values()
        yield from (methods for _, methods in self._patterns)

    def _match(self, path: str) -> tuple[dict[str, Handler], tuple[str, ...]] | None:
        given = path.split("/")
        for pattern, methods in self._patterns:
            parameters = _parameters(pattern, given)
            if parameters is not None:
                return methods, parameters
        return None


def _parameters(pattern: tuple[str, ...], given: list[str]) -> tuple[str, ...] | None:
    values: list[str] = []
    for index, wanted in enumerate(pattern):
        if wanted.endswith("...}"):
            rest = "/".join(given[index:])
            return (*values, unescape(rest)) if rest else None
        if index >= len(given):
            return None
        if wanted.startswith("{") and given[index]:
            values.append(unescape(given[index]))
        elif wanted != given[index]:
            return None
    return tuple(values) if len(given) == len(pattern) else None
