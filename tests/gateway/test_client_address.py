"""Where a request really came from: whose word about it counts."""

import pytest

from gantry.gateway.client_address import TrustedProxies

TRUSTED = TrustedProxies(("10.0.0.0/8", "192.0.2.7", "2001:db8::/32", ""))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("198.51.100.1", ["203.0.113.9"], "198.51.100.1"),  # nobody we trust
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.2.3.4, 203.0.113.9"], "203.0.113.9"),  # what the client wrote in front counts for nothing
        ("10.0.0.1", ["1.2.3.4", "203.0.113.9, 192.0.2.7"], "203.0.113.9"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9, nonsense"], "10.0.0.1"),
        ("2001:db8::1", ["2001:DB9::2"], "2001:db9::2"),
        ("", ["203.0.113.9"], ""),
        ("::ffff:10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),  # by a socket that listens on `::`
        ("::ffff:198.51.100.1", [], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db9::2]:4711"], "2001:db9::2"),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_no_proxy(peer: str, forwarded: list[str], client: str) -> None:
    headers = [(b"host", b"x"), *((b"x-forwarded-for", one.encode()) for one in forwarded)]
    assert TRUSTED.client_of(peer, headers) == client


def test_without_proxies_nobody_is_believed() -> None:
    assert TrustedProxies(()).client_of("::ffff:198.51.100.1", []) == "198.51.100.1"
    assert TrustedProxies(()).client_of("10.0.0.1", [(b"x-forwarded-for", b"203.0.113.9")]) == "10.0.0.1"


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        TrustedProxies(("nonsense",))
