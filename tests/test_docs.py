"""The documentation is true where a machine can tell: generated pages, code, commands, configuration, routes, links."""

import ast
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from msgspec import structs

from docs.generate import PAGES, outdated_pages
from gantry.cli.main import COMMANDS, gantry
from gantry.gateway.surfaces import Door, Family, match_surface
from gantry.home import Home
from gantry.settings import ServeSettings, read_config

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    path
    for place in ("*.md", "docs/*.md", "docs/runbooks/*.md", "adr/*.md", "deploy/**/*.md")
    for path in ROOT.glob(place)
)
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")
MENTION = re.compile(r"`gantry (?!listening on|…)([^`]+)`")  # the exceptions are no commands
REQUEST = re.compile(r"`(GET|POST|DELETE|PUT) (/[^`]*)`")


class Block(NamedTuple):
    document: str
    language: str
    text: str


def blocks(*languages: str) -> list[Block]:
    return [
        Block(path.relative_to(ROOT).as_posix(), language, text)
        for path in DOCUMENTS
        for language, text in FENCE.findall(path.read_text(encoding="utf-8"))
        if language in languages
    ]


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """Yield the lines of shell blocks that call `gantry`, each with the document it stands in."""
    for block in blocks("bash", "sh", "console"):
        for line in block.text.replace("\\\n", " ").splitlines():
            if line.startswith("gantry "):
                yield block.document, shlex.split(line, comments=True)[1:]


def test_the_generated_pages_are_current() -> None:
    assert outdated_pages() == [], "run scripts/docs"


def test_every_setting_and_command_is_documented() -> None:
    settings, commands = (PAGES[name]() for name in ("settings.md", "cli.md"))
    assert all(f"`{name}`" in settings for name in ServeSettings.__struct_fields__)
    assert all(f"## gantry {name}\n" in commands for name in COMMANDS)


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.document)
def test_python_is_python(block: Block) -> None:
    assert ast.parse(block.text).body


@pytest.mark.parametrize("block", blocks("json"), ids=lambda block: block.document)
def test_json_is_json(block: Block) -> None:
    assert json.loads(block.text)


@pytest.mark.parametrize("block", blocks("bash", "sh"), ids=lambda block: block.document)
def test_shell_is_shell(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_toml_of_others_is_toml() -> None:
    for block in blocks("toml"):
        assert tomllib.loads(block.text)


@pytest.mark.parametrize(
    "block",
    [block for block in blocks("toml") if not block.text.startswith("# ~/")],  # which names a file of another program
    ids=lambda block: block.document,
)
def test_configuration_is_accepted(block: Block, tmp_path: Path) -> None:
    (tmp_path / "gantry.toml").write_text(block.text)
    config = read_config(Home(tmp_path))
    given = {field.name for field in structs.fields(config) if getattr(config, field.name) != field.default}
    assert given, "the example sets nothing"


@pytest.mark.parametrize(("document", "words"), list(command_lines()), ids=str)
def test_command_lines_are_understood(document: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    context, words = find_command(words)
    for parameter in context.command.params:
        if isinstance(parameter.type, click.Path):
            monkeypatch.setattr(parameter.type, "exists", False)  # the files named are the reader's
    with context.command.make_context(context.info_name, words, parent=context.parent) as understood:
        assert understood.args == []  # nothing of it is left over


def find_command(words: list[str]) -> tuple[click.Context, list[str]]:
    """Follow the names of commands as far as they go; return the last one's context and what is left."""
    context = click.Context(gantry, info_name="gantry")
    while isinstance(context.command, click.Group) and words:
        name, found, words = context.command.resolve_command(context, words)
        assert name is not None
        assert found is not None
        context = click.Context(found, info_name=name, parent=context)
    return context, words


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_named_in_the_text_exist(path: Path) -> None:
    """Arguments may be left out there; options that do not exist may not."""
    for mention in MENTION.findall(path.read_text(encoding="utf-8")):
        context, words = find_command(shlex.split(mention.replace("\n", " "), comments=True))
        options = {
            option for parameter in context.command.params for option in (*parameter.opts, *parameter.secondary_opts)
        }
        named = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
        assert named <= options, mention


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    missing = [link for link in LINK.findall(path.read_text(encoding="utf-8")) if not (path.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_requests_named_in_the_text_are_served(path: Path) -> None:
    unserved = [
        f"{method} {target}"
        for method, target in REQUEST.findall(path.read_text(encoding="utf-8"))
        if match_surface(method, target.encode(), Family.UNKNOWN).door is Door.UNKNOWN
    ]
    assert unserved == []
