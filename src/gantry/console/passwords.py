"""Passwords, hashed and compared: argon2id, in a thread, few at a time.

Law: to know no such person costs as much as a wrong password. What it costs is memory, so what many ask for at once
waits (19 MiB for each, as OWASP has it; the process's own share stays small).
"""

import asyncio
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

_AT_ONCE: Final = 2


def usual_hasher() -> PasswordHasher:
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)


class Passwords:
    """What hashes and compares, with what it may take at a time."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher: Final = hasher or usual_hasher()
        self._at_once: Final = asyncio.Semaphore(_AT_ONCE)
        self._nobodys: str | None = None  # the hash of no password, which strangers are compared with

    async def hash(self, password: str) -> str:
        """Return a password as it is stored."""
        async with self._at_once:
            return await asyncio.to_thread(self._hash, password)

    async def is_right(self, stored: str | None, password: str) -> bool:
        """Compare a password with a stored hash. None stands for nobody, and takes as long."""
        async with self._at_once:
            return await asyncio.to_thread(self._verify, stored, password)

    def is_of_old(self, stored: str) -> bool:
        """Say whether a hash was made by other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _hash(self, password: str) -> str:
        return self._hasher.hash(password.encode(errors="surrogatepass"))

    def _verify(self, stored: str | None, password: str) -> bool:
        if stored is None:
            if self._nobodys is None:
                self._nobodys = self._hasher.hash(b"")
            self._verify(self._nobodys, password + "x")
            return False
        try:
            return self._hasher.verify(stored, password.encode(errors="surrogatepass"))
        except (VerificationError, InvalidHashError):
            return False
