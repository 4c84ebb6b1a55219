"""An origin: where a connection goes, and what it may reach there."""

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


class AddressRefused(ValueError):
    """The address policy does not let a connection go there."""


class Origin(NamedTuple):
    """Scheme, host and port. `private` says that its namer (the operator, not a caller) may reach private addresses."""

    scheme: str
    host: str
    port: int
    private: bool = False
    unix_path: str | None = None

    @property
    def authority(self) -> str:
        """The Host header's value."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if _DEFAULT_PORTS.get(self.scheme) == self.port else f"{host}:{self.port}"


class BaseURL(NamedTuple):
    """A provider's base URL: its origin, and the path in front of every operation's path."""

    origin: Origin
    path: str


def parse_base_url(url: str, *, private: bool) -> BaseURL:
    """Return a base URL's parts. Raises ValueError saying what is wrong with it."""
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError(f"{url!r} must start with https:// or http://")
    if not parts.hostname or parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(f"{url!r} must be a scheme, a host and at most a path")
    if not parts.path.isascii() or not parts.path.isprintable() or " " in parts.path:
        raise ValueError(f"the path of {url!r} has characters that need escaping")
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    return BaseURL(Origin(parts.scheme, parts.hostname, port, private), parts.path.rstrip("/"))


def check_address(address: str, *, private: bool) -> None:
    """Raise AddressRefused unless a connection may go to this IP address.

    IPv4 addresses mapped into IPv6 are judged as what they are. Link-local addresses, where clouds keep their metadata
    services, are refused even to operators.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or ip
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        raise AddressRefused(f"{address} is not an address that a provider can have")
    if not ip.is_global and not private:
        raise AddressRefused(f"{address} is a private address, and only the operator may name one")


class ProxyRules(NamedTuple):
    """HTTPS_PROXY, HTTP_PROXY and NO_PROXY, as every tool reads them."""

    https: str | None = None
    http: str | None = None
    bypass: Sequence[str] = ()

    def proxy_for(self, origin: Origin) -> str | None:
        """Return the proxy's URL for an origin, or None to connect straight."""
        proxy = self.https if origin.scheme == "https" else self.http
        if not proxy or origin.unix_path is not None:
            return None
        host = origin.host.lower()
        for entry in self.bypass:
            suffix = entry.strip().lower().lstrip(".")
            if suffix == "*" or host == suffix or (suffix and host.endswith("." + suffix)):
                return None
        return proxy
