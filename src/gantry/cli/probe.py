"""One harmless GET that proves a credential. A redirect is not followed: it would carry the secret to another host."""

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gantry.core.secret import Secret
from gantry.providers.spec import ProviderSpec

_TIMEOUT = 15.0


def probe(base_url: str, spec: ProviderSpec, secrets: Mapping[str, Secret], ca_bundle: Path | None) -> tuple[str, bool]:
    """Return what the provider said, in words, and whether the credential works."""
    url = base_url + spec.probe
    request = urllib.request.Request(url, headers={"accept": "application/json"})
    secret = secrets[spec.auth.field].reveal()
    if secret:
        request.add_header(spec.auth.name, spec.auth.value(secret))
    context = ssl.create_default_context(cafile=None if ca_bundle is None else str(ca_bundle))
    opener = urllib.request.build_opener(NoRedirect, urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=_TIMEOUT) as answer:
            return f"{url} answered {answer.status}", True
    except urllib.error.HTTPError as error:
        with error:
            return f"{url} answered {error.code} {error.reason}", False
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return f"{url} cannot be reached: {reason}", False


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None
