"""What this version knows of models beside what their providers list: limits, capabilities, ends, and prices.

Law: read and looked for in a thread when the first list of a provider is here, never on the loop, and never for a call.
A list that came before the clerk had compiled the prices has none of them.
"""

import time
from collections.abc import Callable, Mapping

from gantry.core.money import usd_from_nano
from gantry.dialects.models import NO_HINT, Hint
from gantry.gateway.kept_rates import KeptRates
from gantry.prices.rates import Rates
from gantry.providers.model_facts import Capability, Modality, ModelFacts, ModelKind, load_facts


class KnownModels:
    """One instance for a worker."""

    __slots__ = ("_facts", "_kept")

    def __init__(self, kept: KeptRates) -> None:
        self._kept = kept
        self._facts: Mapping[tuple[str, str], ModelFacts] | None = None

    def hints(self, provider_id: str) -> Callable[[str], Hint]:
        """Return what tells of a provider's models what is known. For a thread that is not the loop's."""
        facts = self._facts
        if facts is None:
            facts = self._facts = {
                (provider, name): one for provider, own in load_facts().items() for one in own for name in one.names
            }
        rates = self._kept.read_now()  # once for a list: looking for a table that is not there takes time as well

        def hint(model: str) -> Hint:
            return _hint(facts.get((provider_id, model)), {} if rates is None else _prices(rates, provider_id, model))

        return hint

    def facts_of(self, provider_id: str, model: str) -> Hint:
        """Return what is at hand without looking for it."""
        return NO_HINT if self._facts is None else _hint(self._facts.get((provider_id, model)), {})


def _hint(facts: ModelFacts | None, prices: dict[str, object]) -> Hint:
    if facts is None:
        return Hint(respan=prices) if prices else NO_HINT
    chats = facts.kind is ModelKind.CHAT
    return Hint(
        facts.context_window,
        {
            "completion_chat": chats,
            "completion_fim": Capability.FIM in facts.capabilities,
            "function_calling": Capability.TOOLS in facts.capabilities,
            "vision": chats and Modality.IMAGE in facts.input,
            "reasoning": Capability.REASONING in facts.capabilities,
        },
        None if facts.retires is None else facts.retires.isoformat(),
        facts.replacement,
        {
            "capability": {
                "max_completion_tokens": facts.max_output,
                "modality": {"input": facts.input, "output": facts.output},
                "features": facts.capabilities,
            },
            **prices,
        },
    )


def _prices(rates: Rates, provider_id: str, model: str) -> dict[str, object]:
    """Return what a model costs now, in dollars for a million tokens."""
    rate = rates.find(provider_id, model, time.time_ns())
    if rate is None:
        return {}
    prices = rate.prices
    costs = {
        "input_cost": prices.input,
        "output_cost": prices.output,
        "prompt_cost": prices.input,
        "completion_cost": prices.output,
        "cache_hit_input_cost": prices.cached_input,
        "cache_creation_input_cost": prices.cache_write,
    }
    named = {name: None if price is None else usd_from_nano(price) for name, price in costs.items()}
    return {**named, "price_source": rate.source, "price_version": rate.version}
