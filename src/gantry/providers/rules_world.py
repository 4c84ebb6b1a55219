"""What routing rules may name of the catalogue: the prefixes of its providers, and the names that they claim."""

from collections.abc import Iterable

from gantry.core.routing_document import RulesWorld
from gantry.providers.spec import ProviderSpec


def catalogue_world(specs: Iterable[ProviderSpec]) -> RulesWorld:
    """Return a world of these providers, to which an organization's own things are to be added."""
    known = tuple(specs)
    prefixes = {prefix: spec.id for spec in known for prefix in spec.prefixes}
    return RulesWorld(prefixes, lambda name: any(spec.claims(name) for spec in known))
