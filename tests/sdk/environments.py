"""The official clients, each in an environment of its own under `.cache/sdk`, made when first asked for.

`requirements/sdk/NAME.txt` pins a Python client with hashes, `tests/sdk/node/NAME` one for node. An environment
remembers the digest of its pins and is made anew when they change. Run as a program, it makes all of them.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / ".cache" / "sdk"
PINS = ROOT / "requirements" / "sdk"
NODE = Path(__file__).resolve().parent / "node"


class Client(StrEnum):
    """The pinned clients. The value names the pins and the environment."""

    ANTHROPIC = "anthropic"
    ANTHROPIC_TS = "anthropic-ts"
    CLAUDE_CODE = "claude-code"
    CODEX = "codex"
    GOOGLE_GENAI = "google-genai"
    GOOGLE_GENAI_TS = "google-genai-ts"
    LANGCHAIN = "langchain"
    LITELLM = "litellm"
    LLAMA_INDEX = "llama-index"
    MISTRAL_1 = "mistralai-1"
    MISTRAL_2 = "mistralai-2"
    MISTRAL_3 = "mistralai-3"
    MISTRAL_TS_1 = "mistralai-ts-1"
    MISTRAL_TS_2 = "mistralai-ts-2"
    OPENAI_2 = "openai-2"
    OPENAI_3 = "openai-3"
    OPENAI_TS = "openai-ts"
    OPENTELEMETRY = "opentelemetry"
    PYDANTIC_AI = "pydantic-ai"
    RESPAN = "respan-api"
    RESPAN_OLDER = "respan-api-older"
    VERCEL_TS = "vercel-ts"
    VERCEL_TS_5 = "vercel-ts-5"

    @property
    def speaks_mistral(self) -> bool:
        return self.startswith("mistralai")

    @property
    def on_node(self) -> bool:
        return (NODE / self).is_dir()


class NoClient(Exception):
    """An environment cannot be made here; the message says what is missing."""


def interpreter(client: Client) -> Path:
    """Return the program that runs a driver of this client: a Python with it installed, or node. Raises NoClient."""
    if client.on_node:
        _node_modules(client)
        return Path(_required("node"))
    return _python(client)


def node_folder(client: Client) -> Path:
    """Return the folder that holds a client for node; drivers are copied there, for node resolves from the file."""
    return CACHE / client


def _python(client: Client) -> Path:
    pins = PINS / f"{client}.txt"
    folder = CACHE / client
    program = folder / "bin" / "python"
    with _made_once(client, pins.read_bytes()) as missing:
        if missing and not _made_by_uv(folder, program, pins):
            shutil.rmtree(folder, ignore_errors=True)
            _run(sys.executable, "-m", "venv", folder)
            _run(program, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", pins)
    return program


def _made_by_uv(folder: Path, program: Path, pins: Path) -> bool:
    """Make an environment in seconds. It does not read pip's settings, so where those are needed it may fail."""
    uv = _uv()
    if uv is None:
        return False
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _run(uv, "venv", "--quiet", "--python", sys.executable, folder)
        _run(uv, "pip", "install", "--quiet", "--require-hashes", "--python", program, "-r", pins)
    except NoClient:
        return False
    return True


def _node_modules(client: Client) -> None:
    npm = _required("npm")
    pins, folder = NODE / client, node_folder(client)
    with _made_once(client, (pins / "package-lock.json").read_bytes()) as missing:
        if missing:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(pins / name, folder)
            _run(npm, "ci", "--silent", "--ignore-scripts", "--prefix", folder)


@contextmanager
def _made_once(client: Client, pins: bytes) -> Iterator[bool]:
    """Hold the lock of an environment and say whether it has to be made; note its pins when that went well."""
    CACHE.mkdir(parents=True, exist_ok=True)
    note = CACHE / f"{client}.pins"
    digest = hashlib.sha256(pins).hexdigest()
    with (CACHE / f"{client}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = not note.exists() or note.read_text() != digest
        yield missing
        if missing:
            note.write_text(digest)


def _uv() -> str | None:
    beside = Path(sys.executable).parent / "uv"
    return str(beside) if beside.exists() else shutil.which("uv")


def _required(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise NoClient(f"{program} is not installed")
    return path


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoClient(f"`{' '.join(map(str, command))}` failed:\n{done.stderr[-2000:]}")


if __name__ == "__main__":
    for each in Client:
        sys.stdout.write(f"{each}: {interpreter(each)}\n")
