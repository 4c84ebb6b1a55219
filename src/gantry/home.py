"""The home directory: where everything of one machine lives, and the keys derived from its master key.

Law: paths, permissions and locks only. What is small and precious (`master.key`, `control.db`) lies apart from what is
large and prunable (`logs.db`, `journal/`, `cache/`). Nobody else builds a path under the home.
"""

import fcntl
import hashlib
import os
import secrets
from pathlib import Path

from gantry.core.sealing import KEY_BYTES, NONCE_BYTES, Sealer, derive_key

_PID_WIDTH = 20
_UNIX_PATH_LIMIT = 100  # sun_path holds 108 bytes on Linux, 104 on macOS


class HomeError(Exception):
    """The home directory cannot be used; the message says why and what to do."""


class Home:
    """Paths under `$GANTRY_HOME`."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.master_key = self.path / "master.key"
        self.control_db = self.path / "control.db"
        self.logs_db = self.path / "logs.db"
        self.snapshot = self.path / "snapshot"
        self.journal = self.path / "journal"
        self.rejected = self.path / "rejected"
        self.board = self.path / "board"
        self.health = self.path / "health"
        self.resources = self.path / "resources"
        self.cache = self.path / "cache"
        self.turns = self.cache / "turns"
        self.responses = self.cache / "responses"
        self.config = self.path / "gantry.toml"

    def prepare(self) -> None:
        """Create what is missing, readable by the owner only."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.journal, self.cache):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise HomeError(f"cannot use {self.path} as home: {error.strerror}. Choose another with --home.") from error

    @property
    def console_socket(self) -> Path:
        """The console's socket; in a run directory when the home's path is too long for a socket address."""
        inside = self.path / "console.sock"
        if len(os.fsencode(inside)) <= _UNIX_PATH_LIMIT:
            return inside
        name = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        run = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")
        return run / f"gantry-{os.getuid()}-{name}" / "console.sock"

    def lock(self, role: str) -> "HomeLock":
        """Take a role's lock (`supervisor`, `clerk`) for this process's life. Raises HomeError when it is taken."""
        return HomeLock(self.path / f"{role}.lock", role)


class HomeLock:
    """An flock held until `release` or the end of the process; it makes two of a role on one home impossible."""

    def __init__(self, path: Path, role: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._fd, _PID_WIDTH, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise HomeError(
                f"{path.parent} is in use by another gantry {role} (pid {holder or 'unknown'}). "
                "Stop it first, or choose another home with --home."
            ) from error
        # Over the old one, at its length: a full disk has no block to give for one that was cut off.
        os.pwrite(self._fd, f"{os.getpid():<{_PID_WIDTH}}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._fd)


class Keyring:
    """The keys of a home, each derived from the master key for one purpose."""

    def __init__(self, master: bytes) -> None:
        self.pepper = derive_key(master, "api-key-pepper")
        self.vault = Sealer(derive_key(master, "vault"), nonce=_nonce)
        self.snapshot = Sealer(derive_key(master, "snapshot"), nonce=_nonce)
        self.session = derive_key(master, "session")
        self.resources = derive_key(master, "resources")
        self.turns = Sealer(derive_key(master, "turns"), nonce=_nonce)
        self.turn_names = derive_key(master, "turn-names")
        self.responses = Sealer(derive_key(master, "responses"), nonce=_nonce)
        self.response_names = derive_key(master, "response-names")


def load_keyring(home: Home, environment_key: str | None = None, *, create: bool = False) -> Keyring:
    """Return the home's keys, from `GANTRY_MASTER_KEY` (64 hex digits) or `master.key` (made by `create`)."""
    text = environment_key
    if text is None:
        try:
            text = home.master_key.read_text()
        except FileNotFoundError:
            if not create:
                raise HomeError(
                    f"{home.master_key} is missing. Start with `gantry serve`, restore it from a backup, "
                    "or set GANTRY_MASTER_KEY."
                ) from None
            text = _create_master_key(home.master_key)
    try:
        master = bytes.fromhex(text.strip())
    except ValueError:
        master = b""
    if len(master) != KEY_BYTES:
        source = "GANTRY_MASTER_KEY" if environment_key is not None else str(home.master_key)
        raise HomeError(f"{source} must hold {2 * KEY_BYTES} hexadecimal digits.")
    return Keyring(master)


def _create_master_key(path: Path) -> str:
    """Write a new key aside and link it into place, so that nobody reads half a key and the first of two wins."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
    return path.read_text()


def _nonce() -> bytes:
    return secrets.token_bytes(NONCE_BYTES)
