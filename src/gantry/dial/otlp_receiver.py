"""Where spans go, as settings say it: the receiver's URL, and the fields of each request to it."""

from typing import Final
from urllib.parse import unquote

from gantry.core.secret import Secret
from gantry.dial.webhook_url import WebhookURL, parse_webhook_url

_PATH: Final = "/v1/traces"
# What a request is framed by is not for a setting to say, and what we say of a body ourselves is said once.
_NOT_TO_BE_SET: Final = frozenset(
    (
        *(
            "host",
            "content-length",
            "transfer-encoding",
            "connection",
            "keep-alive",
            "proxy-connection",
            "te",
            "trailer",
        ),
        *("upgrade", "expect", "content-type", "content-encoding", "user-agent"),
    )
)

Fields = tuple[tuple[str, str], ...]


def read_endpoint(url: str) -> WebhookURL:
    """Return where spans are posted to. Raises ValueError."""
    target = parse_webhook_url(url, private=True)
    return target._replace(target=_PATH) if target.target == "/" else target


def read_headers(given: Secret | None) -> Fields:
    """Return the fields in `name=value,name=value`, percent-encoded. Raises ValueError."""
    fields = []
    for pair in filter(None, (part.strip() for part in (given.reveal() if given else "").split(","))):
        name, mark, value = pair.partition("=")
        name, value = unquote(name.strip()), unquote(value.strip())
        if not mark or not name.replace("-", "").replace("_", "").isalnum() or not (name + value).isascii():
            raise ValueError("otlp_headers are like name=value,name=value")
        if not value.isprintable():
            raise ValueError(f"the field {name} of otlp_headers has characters that no field may have")
        if name.lower() in _NOT_TO_BE_SET:
            raise ValueError(f"otlp_headers cannot set {name}, which belongs to how we ask. Take it out")
        fields.append((name, value))
    return tuple(fields)
