"""The home directory: where everything of one machine lives, and the keys derived from its master key.

Law: paths, permissions and locks only. What is small and precious (`master.key`, `control.db`) lies apart from what is
large and prunable (`logs.db`, `journal/`, `cache/`). Nobody else builds a path under the home.
"""

import fcntl
import hashlib
import os
import secrets
import select
from collections.abc import Callable
from pathlib import Path

from gantry.core.master_key import MasterKey, read_master_key
from gantry.core.sealing import KEY_BYTES, NONCE_BYTES, SealBroken, Sealer, derive_key
from gantry.whole_file import write_whole

_PID_WIDTH = 20
_SECONDS_TO_LOOK = 0.05
_NEXT_KEY = b"next-key"  # the place of what is sealed there
_UNIX_PATH_LIMIT = 100  # sun_path holds 108 bytes on Linux, 104 on macOS


class HomeError(Exception):
    """The home directory cannot be used; the message says why and what to do."""


class Home:
    """Paths under `$GANTRY_HOME`."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.master_key = self.path / "master.key"
        self.next_key = self.path / "next-key"
        self.restoring = self.path / ".restoring"  # what a restore is not yet done with
        self.needed_key = self.path / "master.key.needed"  # by which key it goes that a restored home waits for
        self.control_db = self.path / "control.db"
        self.logs_db = self.path / "logs.db"
        self.snapshot = self.path / "snapshot"
        self.journal = self.path / "journal"
        self.rejected = self.path / "rejected"
        self.board = self.path / "board"
        self.health = self.path / "health"
        self.figures = self.path / "figures"
        self.resources = self.path / "resources"
        self.counters = self.path / "counters"
        self.corrected = self.path / "corrected"
        self.corrected_shared = self.path / "corrected-shared"
        self.cache = self.path / "cache"
        self.moving = self.path / "moving"  # while it is there, the store is on its way to another database
        self.prices = self.path / "prices"
        self.turns = self.cache / "turns"
        self.responses = self.cache / "responses"
        self.config = self.path / "gantry.toml"

    def prepare(self) -> None:
        """Create what is missing, readable by the owner only. Raises HomeError."""
        if self.restoring.exists():
            raise HomeError(
                f"{self.path} is only half restored: run the same `gantry restore` again, which begins anew. "
                "To start without the backup, move the folder away."
            )
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


def wait_while_moving(home: Home, lifeline: int) -> None:
    """Wait until the store is where it is to be; leave with the supervisor, whose end the lifeline tells."""
    while home.moving.exists():
        readable, _, _ = select.select([lifeline], [], [], _SECONDS_TO_LOOK)
        if readable and not os.read(lifeline, 1):
            raise SystemExit


class Keyring:
    """The keys of a home, each derived from the master key for one purpose.

    What seals looks at the home's files again and again: a rotation reaches a process that runs.
    """

    def __init__(self, masters: Callable[[], tuple[MasterKey, ...]] | bytes) -> None:
        """`masters` returns the keys as they are now, the same tuple while they are the same; the first seals. One key
        in its place is the only one, for ever.
        """
        if isinstance(masters, bytes):
            only = (MasterKey(masters),)
            masters = lambda: only  # noqa: E731
        master = masters()[0]
        self._masters = masters
        self.id = master.id
        self.pepper = master.name("api-key-pepper")
        self.vault = self._sealer("vault")
        self.snapshot = self._sealer("snapshot")
        self.session = derive_key(master.key, "session")
        self.resources = master.name("resources")
        self.turns = self._sealer("turns")
        self.turn_names = master.name("turn-names")
        self.responses = self._sealer("responses")
        self.response_names = master.name("response-names")

    def _sealer(self, purpose: str) -> Sealer:
        derived: tuple[tuple[MasterKey, ...], tuple[bytes, ...]] = ((), ())

        def look() -> tuple[bytes, ...]:
            nonlocal derived
            masters = self._masters()
            if masters is not derived[0]:
                derived = masters, tuple(derive_key(master.key, purpose) for master in masters)
            return derived[1]

        return Sealer(nonce=_nonce, look=look)


class MasterKeys:
    """The master keys of a home as its files have them now: one, or during a rotation the next one and the one before.

    The next one lies in the home, sealed under the one before, until the rotation is over. It seals from then on, and
    both open, so whatever is killed in a rotation finds what it needs (adr/0017).
    """

    def __init__(self, home: Home, environment_key: str | None) -> None:
        """Raises HomeError."""
        self._home = home
        self._environment_key = environment_key
        self._stamp = self._look()
        self._keys = self._read()

    def __call__(self) -> tuple[MasterKey, ...]:
        """Return the keys, the one that seals first. Those from before, where the files cannot be read now."""
        stamp = self._look()
        if stamp != self._stamp:
            try:
                self._keys = self._read()
                self._stamp = stamp
            except HomeError:
                pass
        return self._keys

    @property
    def current(self) -> MasterKey:
        """The key that is in the environment or in `master.key`."""
        return self()[-1]

    @property
    def following(self) -> MasterKey | None:
        """The key of a rotation that is under way."""
        keys = self()
        return keys[0] if len(keys) > 1 else None

    def begin(self, following: MasterKey) -> None:
        """Begin a rotation: from now on this key seals. Raises OSError."""
        sealed = _next_key_sealer(self.current).seal(following.text().encode(), _NEXT_KEY)
        write_whole(self._home.next_key, bytes.fromhex(following.id) + sealed)

    def forget_rotation(self) -> None:
        """Delete the next key where it has taken its place, as where a rotation's last step is in the environment."""
        key = self._home.next_key
        if self.following is None and key.exists():
            key.unlink()

    def _look(self) -> tuple[object, ...]:
        return tuple(_stamp_of(path) for path in (self._home.master_key, self._home.next_key))

    def _read(self) -> tuple[MasterKey, ...]:
        text = self._environment_key
        if text is None:
            try:
                text = self._home.master_key.read_text()
            except OSError as error:
                raise HomeError(f"{self._home.master_key} cannot be read: {error.strerror}.") from error
        current = read_master_key(text)
        if current is None:
            source = "GANTRY_MASTER_KEY" if self._environment_key is not None else str(self._home.master_key)
            raise HomeError(
                f"{source} must hold {2 * KEY_BYTES} hexadecimal digits, or what `gantry secrets rotate` made."
            )
        try:
            beside = self._home.next_key.read_bytes()
        except FileNotFoundError:
            return (current,)
        if beside[: len(current.id) // 2].hex() == current.id:  # the rotation is over
            return (current,)
        try:
            opened = _next_key_sealer(current).open(beside[len(current.id) // 2 :], _NEXT_KEY)
        except SealBroken:
            raise HomeError(
                f"the master key is {current.id}, and {self._home.next_key} belongs to a rotation from another one to "
                f"{beside[:4].hex()}. Give back the one before, or the one after, which `gantry secrets rotate` showed."
            ) from None
        following = read_master_key(opened.decode())
        assert following is not None
        return following, current


def load_keyring(home: Home, environment_key: str | None = None, *, create: bool = False) -> Keyring:
    """Return the home's keys, from `GANTRY_MASTER_KEY` or `master.key` (made by `create` in a home that is new)."""
    if environment_key is None and not home.master_key.exists():
        if not create or home.needed_key.exists() or home.resources.exists():  # a new key would open nothing there
            raise HomeError(
                f"{home.master_key} is missing. Start with `gantry serve`, restore it from a backup, "
                "or set GANTRY_MASTER_KEY."
            )
        _create_master_key(home.master_key)
    return Keyring(MasterKeys(home, environment_key))


def _create_master_key(path: Path) -> None:
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


def _next_key_sealer(current: MasterKey) -> Sealer:
    return Sealer(derive_key(current.key, "next-key"), nonce=_nonce)


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _nonce() -> bytes:
    return secrets.token_bytes(NONCE_BYTES)
