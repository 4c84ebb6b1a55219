"""The generated pages of the documentation: what the code says about itself, written down.

`scripts/docs` writes them; `scripts/docs --check` only says whether they are current, and so does a test.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path

import click

from docs.alerts_page import alerts_page
from docs.conformance import conformance_page
from docs.import_fields import import_fields_page
from docs.management_page import management_page
from docs.metering import metering_page
from docs.price_differences import differences_page
from gantry.cli.main import gantry
from gantry.cli.serve import base_type
from gantry.console.app import compose
from gantry.console.openapi import describe
from gantry.core.secret import Secret
from gantry.core.vocabulary import Dialect
from gantry.gateway.surfaces import Door, Surface, routes
from gantry.providers.failures import FailureRule, shared_failures
from gantry.providers.spec import ProviderSpec, load_catalog
from gantry.settings import Setting, list_settings

FOLDER = Path(__file__).resolve().parent
WIDTH = 100

NOTICE = "<!-- Written by `scripts/docs` from the code. Change the code, not this page. -->\n\n"

_TYPES: Mapping[type, str] = {int: "integer", float: "number", str: "text", Path: "path", bool: "true or false"}

_DOORS: Mapping[Door, str] = {
    Door.CALL: "a provider",
    Door.MODELS: "the organization's providers, their lists merged into one",
    Door.RESPONSE: "the gateway, where it remembers the response, or else a provider that keeps responses",
    Door.POST_LOG: "the journal, as a log of a call made elsewhere",
    Door.CONSOLE: "the console",
    Door.EXPLAIN: "the gateway: what would happen to a request",
    Door.HEALTH: "the worker: 200 while its loop turns",
    Door.READY: "the worker: 200 when calls would pass and be recorded",
    Door.METRICS: "the worker: counters of all processes of the machine, for Prometheus",
    Door.UNKNOWN: "nobody: 404 in the caller's dialect",
}


def settings_page() -> str:
    rows = "\n".join(_settings_row(setting) for setting in list_settings())
    return f"""{NOTICE}# Settings

Each setting can be given in four ways. The first that is given counts:

1. as an option of `gantry serve`, `--drain-timeout 60`;
2. as a variable of the environment, `GANTRY_DRAIN_TIMEOUT=60`;
3. in `gantry.toml` in the home directory, `drain_timeout = 60`;
4. by its default.

A name that is no setting is an error that says where it stands. `gantry check` reads all of it and starts nothing.
Sizes are in bytes, times in seconds.

| setting | value | default | meaning |
|---|---|---|---|
{rows}

`GANTRY_HOME` names the home directory (`~/.gantry` by default), and `GANTRY_MASTER_KEY` holds the master key as 64
hexadecimal digits when it is not to lie in the home. A secret has no option: what stands on a command line is public on
its machine.
"""


def _settings_row(setting: Setting) -> str:
    kind = base_type(setting.type)
    if issubclass(kind, Enum):
        value = " or ".join(f"`{member.value}`" for member in kind)
    else:
        value = "text, secret: no option" if kind is Secret else _TYPES[kind]
    default = "" if setting.default in (None, "") else f"`{setting.default}`"
    return f"| `{setting.name}` | {value} | {default} | {setting.help} |"


def commands_page() -> str:
    sections = "\n".join(_command_section(context) for context in walk_commands(_context(gantry, "gantry", None)))
    return f"{NOTICE}# Commands\n\n{sections}"


def walk_commands(context: click.Context) -> Iterator[click.Context]:
    """Yield the context of a command, and those of all commands below it."""
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            below = context.command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from walk_commands(_context(below, name, context))


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    settings = command.context_settings
    return click.Context(
        command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH, **settings
    )


def _command_section(context: click.Context) -> str:
    text = "\n".join(line.rstrip() for line in context.get_help().splitlines())
    return f"## {context.command_path}\n\n```text\n{text}\n```\n"


def routes_page() -> str:
    rows = "\n".join(_route_row(method, path, surface) for method, path, surface in routes())
    return f"""{NOTICE}# Routes

The first row that matches counts. `/api` in front of a path is optional, repeated slashes count as one, and a slash at
the end does not matter; nothing is redirected. Where two dialects stand, the user agent tells which SDK asks; any other
client gets the first.

| method | path | operation | dialects | answered by |
|---|---|---|---|---|
{rows}
"""


def _route_row(method: str, path: str, surface: Surface) -> str:
    called = surface.door is Door.CALL
    operation = surface.operation.value if called else ""
    dialects = ", ".join(surface.dialects) if called else ""
    return f"| {'any' if method == '*' else method} | `{path}` | {operation} | {dialects} | {_DOORS[surface.door]} |"


def conformance() -> str:
    return conformance_page(NOTICE)


def catalogue_page() -> str:
    rows = "\n".join(map(_catalogue_row, load_catalog().values()))
    return f"""{NOTICE}# The providers of this version

How to add a credential for one, and a provider of your own, is in [providers.md](providers.md). The first prefix is the
one that lists of models show; each of them, and the id, names the provider. Of a credential's fields, those with a `?`
may be left out. A variable that is set makes a credential by itself, where what else it needs is known.

| provider | id | prefixes of its models | formats | fields | key from the environment | address |
|---|---|---|---|---|---|---|
{rows}
"""


def _catalogue_row(spec: ProviderSpec) -> str:
    fields = ", ".join(
        f"`{item.name}`" + ("?" if item.default or not (item.required or (item.address and not spec.base_url)) else "")
        for item in spec.fields
    )
    cells = (
        spec.name,
        f"`{spec.id}`",
        ", ".join(f"`{prefix}/`" for prefix in spec.prefixes),
        ", ".join(spec.paths),
        fields,
        ", ".join(f"`{variable}`" for variable in spec.environment) or ("" if spec.needs_secret else "none needed"),
        f"`{spec.base_url}`" if spec.base_url else "yours",
    )
    return f"| {' | '.join(cells)} |"


def failures_page() -> str:
    shared = "\n".join(_failure_row(dialect, rule) for dialect in Dialect for rule in shared_failures((dialect,)))
    own = "\n".join(
        _failure_row(spec.name, rule)
        for spec in load_catalog().values()
        for rule in spec.failures
        if rule not in shared_failures(spec.paths)
    )
    return f"""{NOTICE}# What providers' errors say

A provider's error is judged by the first rule that fits, of the provider's own and then of the format's, else by its
status. What follows from a kind is in [failover.md](failover.md). A rule fits an error that has all that it says; `*`
stands for anything. Where each comes from is written beside it, in the provider's file of the catalogue.

## Of a format

| format | kind | status | code | type | message has | header |
|---|---|---|---|---|---|---|
{shared}

## Of a provider

| provider | kind | status | code | type | message has | header |
|---|---|---|---|---|---|---|
{own}
"""


def _failure_row(whose: str, rule: FailureRule) -> str:
    said = (rule.status, rule.code, rule.type, rule.message, rule.header)
    cells = ("" if part is None else f"`{str(part).replace('`', '')}`" for part in said)
    return f"| {whose} | {rule.kind} | {' | '.join(cells)} |"


def openapi_document() -> str:
    """The management API, as it is at `/api/openapi.json`; the web console's client is made of it."""
    return json.dumps(describe(compose()), indent=1, ensure_ascii=False) + "\n"


PAGES: Mapping[str, Callable[[], str]] = {
    "alerts.md": lambda: alerts_page(NOTICE),
    "catalogue.md": catalogue_page,
    "failures.md": failures_page,
    "settings.md": settings_page,
    "cli.md": commands_page,
    "routes.md": routes_page,
    "openapi.json": openapi_document,
    "conformance.md": conformance,
    "management-api.md": lambda: management_page(NOTICE, describe(compose())),
    "import-fields.md": lambda: import_fields_page(NOTICE),
    "metering.md": lambda: metering_page(NOTICE),
    "price-differences.md": lambda: differences_page(NOTICE),
}


def outdated_pages() -> list[str]:
    """Return the names of the pages that are not what the code would write."""
    return [name for name, write in PAGES.items() if _current(FOLDER / name) != write()]


def _current(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def run(arguments: list[str]) -> int:
    outdated = outdated_pages()
    if arguments == ["--check"]:
        for name in outdated:
            click.echo(f"docs/{name} is not current: run scripts/docs", err=True)
        return 1 if outdated else 0
    for name in outdated:
        (FOLDER / name).write_text(PAGES[name](), encoding="utf-8")
        click.echo(f"wrote docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
