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
    path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("adr/*.md")) if path.name != "LICENSE"
)
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")
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
def test_command_lines_are_understood(document: str, words: list[str]) -> None:
    command: click.Command = gantry
    context = click.Context(gantry, info_name="gantry")
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert name is not None
        assert found is not None
        command, context = found, click.Context(found, info_name=name, parent=context)
    command.make_context(context.info_name, words, parent=context.parent).close()


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
