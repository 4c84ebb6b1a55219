"""A URL to which something is posted: its origin, what is asked for there, and what of it people may read."""

import ipaddress
from typing import NamedTuple
from urllib.parse import urlsplit

from gantry.dial.origin import Origin, check_address, parse_base_url


class WebhookURL(NamedTuple):
    """`target` is the path with its query, which may be as secret as a key."""

    origin: Origin
    target: str

    @property
    def host(self) -> str:
        """Scheme and host, which tell where it leads and open nothing."""
        return f"{self.origin.scheme}://{self.origin.authority}"

    @property
    def shown(self) -> str:
        """The URL without what its query says."""
        path, mark, _ = self.target.partition("?")
        return f"{self.host}{path}{mark and '?…'}"


def parse_webhook_url(url: str, *, private: bool) -> WebhookURL:
    """Return a webhook's URL. `private`: whoever named it may reach private addresses by it.

    Raises ValueError, of which AddressRefused is one, saying what is wrong; the words hold no path and no query.
    """
    parts = urlsplit(url.strip())
    if not (parts.path + parts.query).isascii() or not (parts.path + parts.query).isprintable():
        raise ValueError("the path of a webhook's URL has characters that need escaping")
    if " " in parts.path + parts.query or parts.fragment:
        raise ValueError("a webhook's URL has no spaces and no fragment")
    origin = parse_base_url(f"{parts.scheme}://{parts.netloc}", private=private).origin
    try:
        ipaddress.ip_address(origin.host)
    except ValueError:
        pass  # a name; where it leads is judged when it is dialled
    else:
        check_address(origin.host, private=private)
    return WebhookURL(origin, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
