"""`gantry demo`: one command brings up a gateway that answers, says how to use it, and leaves nothing behind."""

import ast
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gantry.cli.demo import SIMULATED, SNIPPETS
from gantry.cli.sample_calls import SAMPLES
from gantry.core.api_key import has_key_form
from gantry.gateway.surfaces import Door, Family, match_surface
from gantry.providers.spec import load_catalog

QUESTION = {"model": "mistral-large-latest", "messages": [{"role": "user", "content": "Hello!"}]}


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    bare = {name: value for name, value in os.environ.items() if not name.startswith("GANTRY_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "gantry.cli.main", "demo", "--port", "0", "--workers", "1"],
        stdout=subprocess.PIPE,
        text=True,
        env={**bare, "TMPDIR": str(temporary), "MISTRAL_API_KEY": "a-real-key-that-costs-money"},
    )
    with process:
        yield process
        process.send_signal(signal.SIGINT)


def lines_until(process: subprocess.Popen[str], pattern: str) -> list[str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if re.search(pattern, line):
            return lines
    raise AssertionError(f"the demo ended; it said: {lines}")


@pytest.mark.slow
def test_the_demo(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    lines = lines_until(demo, r"^200 .* Mistral chat$")
    listening = re.fullmatch(r"gantry listening on (http://\S+)", lines[0])
    assert listening, lines[0]
    key = next(line.strip() for line in lines if has_key_form(line.strip()))

    connection = http.client.HTTPConnection(urlsplit(listening[1]).netloc)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request("POST", "/api/v1/chat/completions", json.dumps(QUESTION), headers)
    answer = connection.getresponse()
    content = json.loads(answer.read())["choices"][0]["message"]["content"]
    connection.close()
    assert answer.status == 200
    assert isinstance(content, str)

    [home] = (tmp_path / "temporary").glob("gantry-*")
    shown = subprocess.run(
        [sys.executable, "-m", "gantry.cli.main", "providers", "list", "--json", "--home", str(home)],
        capture_output=True,
        check=True,
    )
    used = json.loads(shown.stdout)
    assert {credential["name"] for credential in used} == {"simulator"}, "a real key must not be used"

    demo.send_signal(signal.SIGINT)
    assert demo.wait() == 0
    assert list((tmp_path / "temporary").glob("gantry-*")) == []


def test_the_snippets_are_python() -> None:
    shown = SNIPPETS.format(key="gk_x", url="http://127.0.0.1:8790", home="/tmp/home")
    code = [block for block in re.split(r"\n(?=\S)", textwrap.dedent(shown)) if "    from " in block]
    assert len(code) == 3
    for block in code:
        ast.parse(textwrap.dedent(block.partition("\n")[2]))


def test_the_samples_and_the_providers_exist() -> None:
    catalog = load_catalog()
    assert set(SIMULATED) <= set(catalog)
    for sample in SAMPLES:
        surface = match_surface("POST", sample.path.encode(), Family.UNKNOWN)
        assert surface.door is Door.CALL
