"""Where a request really came from, for whoever counts failures by it.

Law: a client says nothing of its own address. What `X-Forwarded-For` says is believed only of a proxy that the operator
trusts, and from the right: the first address that is none of theirs is the client's, whatever stands before it.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from gantry.wire.head import Header

CLIENT_ADDRESS: Final = b"x-gantry-client-address"
_FORWARDED: Final = b"x-forwarded-for"


class TrustedProxies:
    """The networks whose word about clients counts."""

    def __init__(self, networks: Iterable[str]) -> None:
        """Raises ValueError for what is no address and no network."""
        self._networks: Final[Sequence[IPv4Network | IPv6Network]] = [
            ip_network(one.strip(), strict=False) for one in networks if one.strip()
        ]

    def client_of(self, peer: str, headers: Iterable[Header]) -> str:
        """Return the address of the client whose request came from a peer."""
        peer = _plain(peer)
        if not self._networks or not self._trusts(peer):
            return peer
        said = b",".join(value for name, value in headers if name == _FORWARDED).decode("latin-1")
        client = peer
        for one in reversed([part.strip() for part in said.split(",") if part.strip()]):
            try:
                client = _plain(str(ip_address(_without_port(one))))
            except ValueError:
                break
            if not self._trusts(client):
                break
        return client

    def _trusts(self, address: str) -> bool:
        try:
            known = ip_address(address)
        except ValueError:
            return False
        return any(known in network for network in self._networks)


def _plain(address: str) -> str:
    """Return an IPv4 address as such, also where a socket for both kinds shows it as one of IPv6."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    plain = known.ipv4_mapped if isinstance(known, IPv6Address) else None
    return address if plain is None else str(plain)


def _without_port(text: str) -> str:
    """Return the address of `1.2.3.4:5678` or `[2001:db8::1]:5678`, as some proxies write it."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
