"""The names that the console answers to, so that no page elsewhere becomes one of ours by pointing its name here.

Law: a page reads what its own origin answers, and an origin is a name: whoever owns `evil.example` lets it lead to
127.0.0.1 once the page is there (DNS rebinding), and a browser takes our answers for that page's own. So whatever goes
by a cookie, or by nothing at all, is answered only under a name that nobody else can own.

An address in digits is no name, and can be led nowhere else. Beyond this machine we are called as the network calls us
(a container's name, `gantry.local`): the names that no public server of names gives away are let in there. Public ones
are the operator's to say. Callers that show an API key are not asked: no browser has one of itself.
"""

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

_NAME: Final = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\Z")
# RFC 6761, 6762 and 8375, and what ICANN reserved in 2024: no registry sells names below them.
_OF_NOBODY: Final = (".local", ".internal", ".home.arpa", ".test")
_ANY: Final = "*"


class KnownHosts:
    """The names that are ours. `listens_on` is the host that the gateway listens on, `allowed` the setting's text."""

    def __init__(self, listens_on: str = "", public_url: str | None = None, allowed: str = "") -> None:
        named = {one.strip().lower() for one in allowed.split(",") if one.strip()}
        self._any: Final = _ANY in named
        self._below: Final = tuple(one for one in named if one.startswith("."))
        url = urlsplit(public_url or "")
        self._names: Final = named | {"localhost", listens_on.lower(), url.hostname or ""} - {""}
        self._beyond: Final = not _is_loopback(listens_on)

    def knows(self, host: str) -> bool:
        """Say whether a Host header, with or without a port, names us."""
        name = _name_of(host)
        if self._any or _is_address(name):
            return True
        if not _NAME.match(name):
            return False
        if name in self._names or name.endswith((".localhost", *self._below)):
            return True
        return self._beyond and ("." not in name or name.endswith(_OF_NOBODY))


def _name_of(host: str) -> str:
    """Return the name of `NAME`, `NAME:PORT` or `[ADDRESS]:PORT`, in small letters and without the root's dot."""
    host = host.strip().lower()
    if host.startswith("["):
        address = host[1:].partition("]")[0]
        return address if ":" in address else ""
    return host.partition(":")[0].removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
