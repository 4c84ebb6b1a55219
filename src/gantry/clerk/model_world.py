"""What a custom model may lead to, as the control store has it: providers, what credentials list, and the catalogue."""

from collections.abc import Iterable, Mapping

from gantry.prices.rates import Rates
from gantry.providers.model_catalogue import compile_catalogue
from gantry.providers.model_facts import load_facts
from gantry.providers.model_form import World
from gantry.providers.provider_choice import spec_of
from gantry.providers.spec import ProviderSpec
from gantry.store import Connection
from gantry.store.credentials import credentials_of
from gantry.store.providers import custom_providers_of


def read_world(
    connection: Connection, organization_id: str, catalog: Mapping[str, ProviderSpec], rates: Rates, at: int
) -> World:
    """Return what an organization's custom models may lead to at a moment (ns since the epoch)."""
    customs = {custom.id: spec_of(custom) for custom in custom_providers_of(connection, organization_id)}
    listed = (model for credential in credentials_of(connection, organization_id) for model in credential.models)
    return make_world({**customs, **catalog}, listed, rates, at)


def make_world(specs: Mapping[str, ProviderSpec], listed: Iterable[str], rates: Rates, at: int) -> World:
    """Return a world of these providers, where credentials list these models."""
    return World(compile_catalogue(specs, load_facts(), rates, at), specs, frozenset(listed))
