"""A provider's own list of models, asked for now: one GET with a credential, whose answer names models."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from gantry.console.probe import ask, request_to
from gantry.core.errors import UpstreamBroke
from gantry.core.secret import Secret
from gantry.core.vocabulary import Operation
from gantry.dialects.models import Owner, read_cards
from gantry.providers.spec import AuthScheme, ProviderSpec

_MOST_BYTES: Final = 8 * 1024 * 1024


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
    if path is None or spec.auth.scheme is AuthScheme.GOOGLE:
        return ListAnswer(error=f"{spec.name} has no list of models that can be asked for so")
    verdict, body = ask(request_to(base_url, path, spec, secrets), ca_bundle, _MOST_BYTES)
    if not verdict.ok:
        return ListAnswer(error=verdict.text)
    try:
        cards = read_cards(body, Owner(spec.id, spec.name))
    except UpstreamBroke as error:
        return ListAnswer(error=error.message)
    return ListAnswer([card.model for card in cards])
