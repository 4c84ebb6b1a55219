"""One harmless GET that proves a credential. A redirect is not followed: it would carry the secret to another host."""

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_never

from gantry.core.secret import Secret
from gantry.providers.spec import AuthScheme, ProviderSpec

_TIMEOUT = 15.0


def probe(base_url: str, spec: ProviderSpec, secrets: Mapping[str, Secret], ca_bundle: Path | None) -> tuple[str, bool]:
    """Return what the provider said, in words, and whether the credential works."""
    url = base_url + spec.probe
    name, value = _authorization(spec, secrets)
    request = urllib.request.Request(url, headers={name: value, "accept": "application/json"})
    context = ssl.create_default_context(cafile=None if ca_bundle is None else str(ca_bundle))
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=_TIMEOUT) as answer:
            return f"{url} answered {answer.status}", True
    except urllib.error.HTTPError as error:
        with error:
            return f"{url} answered {error.code} {error.reason}", False
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return f"{url} cannot be reached: {reason}", False


def _authorization(spec: ProviderSpec, secrets: Mapping[str, Secret]) -> tuple[str, str]:
    secret = secrets[spec.auth.field].reveal()
    match spec.auth.scheme:
        case AuthScheme.BEARER:
            return spec.auth.name, f"Bearer {secret}"
        case AuthScheme.HEADER:
            return spec.auth.name, secret
        case _ as never:
            assert_never(never)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None
