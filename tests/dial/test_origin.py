"""Where a connection may go: base URLs, addresses, proxies and NO_PROXY."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.dial.origin import AddressRefused, Origin, ProxyRules, check_address, parse_base_url

GOOD_URLS = [
    ("https://api.mistral.ai", "https", "api.mistral.ai", 443, "", "api.mistral.ai"),
    ("https://api.mistral.ai/", "https", "api.mistral.ai", 443, "", "api.mistral.ai"),
    ("HTTPS://API.Mistral.AI/eu//", "https", "api.mistral.ai", 443, "/eu", "api.mistral.ai"),
    ("http://localhost:11434", "http", "localhost", 11434, "", "localhost:11434"),
    ("http://h:443", "http", "h", 443, "", "h:443"),
    ("https://h:443", "https", "h", 443, "", "h"),
    ("http://[::1]:8080/a/b", "http", "::1", 8080, "/a/b", "[::1]:8080"),
    ("https://[::1]", "https", "::1", 443, "", "[::1]"),
    ("http://my_service.internal", "http", "my_service.internal", 80, "", "my_service.internal"),
    ("http://xn--mnchen-3ya.de", "http", "xn--mnchen-3ya.de", 80, "", "xn--mnchen-3ya.de"),
    ("http://h/p%20q", "http", "h", 80, "/p%20q", "h"),
]
BAD_URLS = [
    "",
    "api.mistral.ai",
    "//api.mistral.ai",
    "ftp://h",
    "file:///etc/passwd",
    "https://",
    "https:///path",
    "https://user@h",
    "https://user:secret@h",
    "https://h?query",
    "https://h#fragment",
    "https://h:65536",
    "https://h:port",
    "http://[::1",
    "https://h/a b",
    "https://h/ü",
    "https://h/\x7f",
    "https://two hosts",
    "https://h\x00",
    "https://münchen.de",
    "https://h%2e",
]


@pytest.mark.parametrize(("url", "scheme", "host", "port", "path", "authority"), GOOD_URLS)
def test_a_base_url_is_an_origin_and_a_path(
    url: str, scheme: str, host: str, port: int, path: str, authority: str
) -> None:
    base = parse_base_url(url, private=True)
    assert base == (Origin(scheme, host, port, private=True), path)
    assert base.origin.authority == authority


@pytest.mark.parametrize("url", BAD_URLS)
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        parse_base_url(url, private=True)


def test_whose_url_it_is_is_part_of_the_origin() -> None:
    """So that a caller's URL never finds a connection that the operator's opened to a private address."""
    assert parse_base_url("http://h", private=True) != parse_base_url("http://h", private=False)


@given(st.text(max_size=30))
def test_no_host_smuggles_anything_into_a_head(text: str) -> None:
    try:
        origin = parse_base_url(f"https://{text}", private=False).origin
    except ValueError:
        return
    assert origin.authority.isascii()
    assert not set(origin.authority) & set("\r\n\t\0 /@?#")


PUBLIC = [
    "8.8.8.8",
    "::8.8.8.8",
    "::ffff:0:808:808",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "2002:808:808::1",
    "64:ff9b::808:808",
]
PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",  # carriers' NAT
    "192.0.0.8",
    "0.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "fc00::1",
    "fec0::1",
    "::7f00:1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:0:7f00:1",
    "0:0:0:0:0:ffff:7f00:1",
    "::ffff:10.0.0.1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "64:ff9b::7f00:1",
    "64:ff9b::c0a8:101",
    "64:ff9b:1::1",
]
NEVER = [
    "169.254.169.254",
    "169.254.0.1",
    "::ffff:169.254.169.254",
    "2002:a9fe:a9fe::",
    "64:ff9b::a9fe:a9fe",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "::ffff:100.100.100.200",
    "::ffff:0:a9fe:a9fe",
    "::a9fe:a9fe",
    "0.0.0.0",
    "::",
    "::ffff:0.0.0.0",
    "224.0.0.1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_for_everybody(address: str) -> None:
    check_address(address, private=False)
    check_address(address, private=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_the_operators(address: str) -> None:
    check_address(address, private=True)
    with pytest.raises(AddressRefused, match="only the operator may name one"):
        check_address(address, private=False)


@pytest.mark.parametrize("address", NEVER)
def test_metadata_and_what_is_no_address_of_a_server_is_refused_even_to_operators(address: str) -> None:
    for private in (True, False):
        with pytest.raises(AddressRefused, match="not an address that a provider can have"):
            check_address(address, private=private)


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "127.1", "127.0.0.1", "::ffff:127.0.0.1"],
)
def test_another_spelling_of_an_address_is_the_same_address(host: str) -> None:
    resolved = {str(info[4][0]) for info in socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM)}
    assert resolved
    for address in resolved:
        with pytest.raises(AddressRefused):
            check_address(address, private=False)


PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("bypass", "url", "straight"),
    [
        ((), "https://api.mistral.ai", False),
        (("",), "https://api.mistral.ai", False),
        ((".",), "https://api.mistral.ai", False),
        (("*",), "https://api.mistral.ai", True),
        (("mistral.ai",), "https://api.mistral.ai", True),
        ((".mistral.ai",), "https://api.mistral.ai", True),
        (("*.mistral.ai",), "https://api.mistral.ai", True),
        ((" Mistral.AI ",), "https://API.mistral.ai", True),
        (("api.mistral.ai",), "https://api.mistral.ai", True),
        (("mistral.ai",), "https://notmistral.ai", False),
        (("mistral.ai",), "https://mistral.ai.evil.example", False),
        (("other", "mistral.ai"), "https://api.mistral.ai", True),
        (("mistral.ai:443",), "https://api.mistral.ai", True),
        (("mistral.ai:8443",), "https://api.mistral.ai", False),
        (("10.0.0.0/8",), "https://10.1.2.3", True),
        (("10.0.0.0/8",), "https://11.1.2.3", False),
        (("10.1.2.3",), "https://10.1.2.3", True),
        (("10.1.2.3:443",), "https://10.1.2.3", True),
        (("10.0.0.0/8",), "https://api.mistral.ai", False),
        (("::1",), "https://[::1]", True),
        (("[::1]",), "https://[::1]", True),
        (("fd00::/8",), "https://[fd12::1]", True),
        (("0.0.0.0/0",), "https://[fd12::1]", False),
        (("not/a/network",), "https://10.1.2.3", False),
    ],
)
def test_no_proxy(bypass: tuple[str, ...], url: str, straight: bool) -> None:
    origin = parse_base_url(url, private=True).origin
    assert ProxyRules(https=PROXY, bypass=bypass).proxy_for(origin) == (None if straight else PROXY)


def test_a_proxy_is_chosen_by_scheme_and_never_for_a_socket_of_this_machine() -> None:
    rules = ProxyRules(https="http://tls:1", http="http://plain:1")
    assert rules.proxy_for(Origin("https", "h", 443)) == "http://tls:1"
    assert rules.proxy_for(Origin("http", "h", 80)) == "http://plain:1"
    assert rules.proxy_for(Origin("http", "console", 80, unix_path="/run/console.sock")) is None
    assert ProxyRules(https="http://tls:1").proxy_for(Origin("http", "h", 80)) is None
