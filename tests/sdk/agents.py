"""Claude Code and Codex, asked one question in a folder with one file, as the page in docs/ sets them up."""

import json
import os
import shlex
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from tests.sdk.crossroads import Crossroads
from tests.sdk.environments import Client, NoClient, interpreter, node_folder
from tests.sdk.quickstarts import addressed, snippets

PAGE = "quickstart-claude-code-and-codex.md"
NOTE = "The gantry weighs 40 tonnes."
SECONDS = 100.0
_CLAUDE_CODE, _CODEX = "ANTHROPIC_BASE_URL", "GANTRY_API_KEY"  # what the shell blocks of each are known by


class Told(Struct, frozen=True):
    """What an agent said in the end, or what it says went wrong, and how much it thinks it used: input and output."""

    text: str
    failed: bool
    tokens: tuple[int, int]


def ask_claude_code(crossroads: Crossroads, key: str, model: str, question: str, folder: Path) -> Told:
    """Ask Claude Code, which may read with `cat`. Raises NoClient."""
    interpreter(Client.CLAUDE_CODE)
    programs = sorted(node_folder(Client.CLAUDE_CODE).glob("node_modules/@anthropic-ai/claude-code-*/claude"))
    if not programs:
        raise NoClient("Claude Code has no program for this machine")
    environment = {
        **_exports(_CLAUDE_CODE, crossroads, key),
        "ANTHROPIC_MODEL": model,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": model,
        "CLAUDE_CODE_MAX_RETRIES": "0",  # a fault is to be told, not to be waited for
    }
    command = (str(programs[0]), "-p", "--output-format", "json", "--allowedTools", "Bash(cat:*)", "--", question)
    result = json.loads(_run(command, environment, folder))
    used = result["usage"]
    read = sum(used[name] for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"))
    return Told(result["result"], result["is_error"], (read, used["output_tokens"]))


def ask_codex(
    crossroads: Crossroads, key: str, model: str, question: str, folder: Path, more: Mapping[str, Any] | None = None
) -> Told:
    """Ask Codex; `more` are settings over those of the page. Raises NoClient."""
    node = interpreter(Client.CODEX)
    program = node_folder(Client.CODEX) / "node_modules" / "@openai" / "codex" / "bin" / "codex.js"
    home = folder / ".codex"
    home.mkdir()
    (page,) = snippets(PAGE, "toml")
    (home / "config.toml").write_text(addressed(page, crossroads, key))
    settings = {"model_providers.gantry.request_max_retries": 0, **(more or {})}
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={json.dumps(value)}")]
    options = ("--skip-git-repo-check", "--json", "-s", "danger-full-access", "-m", model)
    output = _run(
        (str(node), str(program), "exec", *options, *words, question), _exports(_CODEX, crossroads, key), folder
    )
    events = [json.loads(line) for line in output.splitlines()]
    failed = [event["error"]["message"] for event in events if event["type"] == "turn.failed"]
    if failed:
        return Told(failed[-1], True, (0, 0))
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    said = [item["text"] for item in items if item["type"] == "agent_message"]
    used = events[-1]["usage"]
    return Told(said[-1], False, (used["input_tokens"], used["output_tokens"]))


def codex_settings() -> dict[str, Any]:
    """Return what the page puts into Codex's configuration."""
    (page,) = snippets(PAGE, "toml")
    return tomllib.loads(page)


def _exports(name: str, crossroads: Crossroads, key: str) -> dict[str, str]:
    """Return the variables of the shell block that exports this one."""
    (block,) = [block for block in snippets(PAGE, "bash") if f"export {name}=" in block]
    lines = [shlex.split(line) for line in addressed(block, crossroads, key).splitlines()]
    pairs = [words[1].partition("=") for words in lines if words[0] == "export"]
    return {variable: value for variable, _, value in pairs}


def _run(command: tuple[str, ...], environment: Mapping[str, str], folder: Path) -> str:
    """Run an agent at home in an empty folder, with none of this process's settings; return its stdout."""
    (folder / "notes.txt").write_text(f"{NOTE}\n")
    bare = {"PATH": os.environ["PATH"], "HOME": str(folder), "CODEX_HOME": str(folder / ".codex")}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        env={**bare, **environment},
    )
    assert done.stdout, f"{command} said nothing:\n{done.stderr[-4000:]}"
    return done.stdout
