"""An origin: where a connection goes, and what it may reach there."""

import ipaddress
import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_.:-]+")
# NAT64, SIIT, and the oldest way to write IPv4 into IPv6.
_EMBEDDING = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::ffff:0:0:0/96", "::/96")))
_SITE_LOCAL = ipaddress.IPv6Network("fec0::/10")
# Metadata services that are not link-local, unlike all others: Amazon's, Google's, Alibaba's, Azure's, Oracle's.
_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
    )
)

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


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
        return self._bracketed if _DEFAULT_PORTS.get(self.scheme) == self.port else self.host_and_port

    @property
    def host_and_port(self) -> str:
        """The target of a CONNECT."""
        return f"{self._bracketed}:{self.port}"

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


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
    if not _HOST.fullmatch(parts.hostname):
        raise ValueError(f"the host of {url!r} has characters that no host has; write it in its xn-- form")
    if not parts.path.isascii() or not parts.path.isprintable() or " " in parts.path:
        raise ValueError(f"the path of {url!r} has characters that need escaping")
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    return BaseURL(Origin(parts.scheme, parts.hostname, port, private), parts.path.rstrip("/"))


def check_address(address: str, *, private: bool) -> None:
    """Raise AddressRefused unless a connection may go to this IP address.

    IPv4 addresses written into IPv6 are judged as what they are. Where clouds keep their metadata services, nobody may
    go, operators included.
    """
    ip = _embedded(ipaddress.ip_address(address.partition("%")[0]))
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip in _METADATA:
        raise AddressRefused(f"{address} is not an address that a provider can have")
    if not private and (not ip.is_global or ip.is_reserved or ip in _SITE_LOCAL):
        raise AddressRefused(f"{address} is a private address, and only the operator may name one")


def _embedded(ip: IPAddress) -> IPAddress:
    """Return the IPv4 address that an IPv6 address leads to: mapped, 6to4, or translated; else the address."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if any(ip in network for network in _EMBEDDING):
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


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
        return None if any(_bypasses(entry.strip().lower(), origin) for entry in self.bypass) else proxy


def _bypasses(entry: str, origin: Origin) -> bool:
    """Say whether an entry of NO_PROXY means an origin: `*`, a network, or a name, perhaps with a port."""
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(origin.host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass  # one of them is a name
    name, _, port = entry.partition(":")
    if port and port != str(origin.port):
        return False
    name = name.removeprefix("*").lstrip(".")
    return bool(name) and (origin.host == name or origin.host.endswith(f".{name}"))
