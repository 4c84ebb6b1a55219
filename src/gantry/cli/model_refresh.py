"""A provider's own list of models, asked for now: one GET with a credential, whose answer names models."""

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from gantry.cli.probe import NoRedirect
from gantry.core.errors import UpstreamBroke
from gantry.core.secret import Secret
from gantry.core.vocabulary import Operation
from gantry.dialects.models import Owner, read_cards
from gantry.providers.spec import AuthScheme, ProviderSpec, fill_template

_TIMEOUT: Final = 15.0
_MOST_BYTES: Final = 8 * 1024 * 1024
_PROVEN: Final = frozenset((AuthScheme.BEARER, AuthScheme.HEADER))


class ListAnswer(Struct, frozen=True):
    """The names that a provider lists, or why there are none."""

    models: list[str] = []
    error: str | None = None


def ask_for_models(
    base_url: str, spec: ProviderSpec, secrets: Mapping[str, Secret] | str, ca_bundle: Path | None
) -> ListAnswer:
    """Return what a provider lists. `secrets` are those of the credential, or the reason why there are none."""
    if isinstance(secrets, str):
        return ListAnswer(error=secrets)
    path = next((paths[Operation.MODELS] for paths in spec.paths.values() if Operation.MODELS in paths), None)
    if path is None or spec.auth.scheme not in _PROVEN:
        return ListAnswer(error=f"{spec.name} has no list of models that can be asked for so")
    values = {
        item.name: secrets[item.name].reveal() for item in spec.fields if not item.secret and item.name in secrets
    }
    url = fill_template(base_url, values) + fill_template(path, values)
    request = urllib.request.Request(url, headers={"accept": "application/json", **spec.headers})
    secret = secrets[spec.auth.field].reveal()
    if secret:
        request.add_header(spec.auth.name, spec.auth.value(secret))
    context = ssl.create_default_context(cafile=None if ca_bundle is None else str(ca_bundle))
    opener = urllib.request.build_opener(NoRedirect, urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=_TIMEOUT) as answer:
            cards = read_cards(answer.read(_MOST_BYTES), Owner(spec.id, spec.name))
    except urllib.error.HTTPError as error:
        with error:
            return ListAnswer(error=f"{url} answered {error.code} {error.reason}")
    except UpstreamBroke as error:
        return ListAnswer(error=error.message)
    except (OSError, ValueError) as error:
        return ListAnswer(error=f"{url} cannot be reached: {getattr(error, 'reason', error)}")
    return ListAnswer([card.model for card in cards])
