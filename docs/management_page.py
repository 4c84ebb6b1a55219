"""The page about the management API: its operations as a table, of what `gantry.console.openapi` says of them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

_SCHEMAS: Final = "#/components/schemas/"


def management_page(notice: str, document: Mapping[str, Any]) -> str:
    sections: dict[str, list[str]] = {}
    for path, method, operation in _operations(document):
        sections.setdefault(operation["tags"][0], []).append(_row(path, method, operation))
    tables = "\n".join(_section(resource, rows) for resource, rows in sorted(sections.items(), key=_by_name))
    return f"""{notice}# Management API

All of it is described in OpenAPI 3.1 at `/api/openapi.json` ([as of this version](openapi.json)), with every field and
parameter. Paths work with and without `/api` in front and a slash at the end. An API key needs one of the scopes that
stand beside an operation; a person who is signed in has those of their role. Any answer from 400 on is a `Failure`:
`{{"detail": "what was wrong"}}`, with `param` where one field is at fault.

{tables}"""


def _by_name(section: tuple[str, list[str]]) -> str:
    return section[0].lower()


def _section(resource: str, rows: list[str]) -> str:
    head = "| operation | name | for | takes | answers |\n|---|---|---|---|---|"
    return "\n".join((f"## {resource[0].upper()}{resource[1:]}", "", head, *rows, ""))


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _row(path: str, method: str, operation: Mapping[str, Any]) -> str:
    asked = operation.get("requestBody")
    answers = (answer for status, answer in operation["responses"].items() if status.startswith("2"))
    cells = (
        f"`{method.upper()} {path}`",
        f"`{operation['operationId']}`",
        _who(operation),
        "" if asked is None else _shape(asked["content"]),
        _shape(next(answers).get("content", {})),
    )
    return f"| {' | '.join(cells)} |"


def _who(operation: Mapping[str, Any]) -> str:
    if operation["x-scopes"]:
        return " or ".join(f"`{scope}`" for scope in operation["x-scopes"])
    return "who is signed in" if operation["security"] else "everybody"


def _shape(content: Mapping[str, Any]) -> str:
    names = (_name(media, said.get("schema", {})) for media, said in content.items())
    return ", ".join(names)


def _name(media: str, schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return f"`{schema['$ref'].removeprefix(_SCHEMAS)}`"
    if schema.get("type") == "array":
        items = _name(media, schema.get("items", {}))
        return f"a list of {items}" if items.startswith("`") else "a list"
    return "JSON" if media == "application/json" else f"`{media}`"
