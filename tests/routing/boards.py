"""Deployments without a catalogue, and what is known of them, for tests of what is drawn and where a call goes."""

from collections.abc import Iterable, Mapping

from gantry.core.routing_rules import Affinity, Strategy
from gantry.core.vocabulary import Dialect, Operation, Tier
from gantry.providers.spec import custom_spec
from gantry.routing.balance import Load
from gantry.routing.cooldown import Condition
from gantry.routing.plan import Attempt, Choice, Plan, Retries, Route
from gantry.routing.snapshot import CredentialRecord

SPEC = custom_spec("acme", "Acme", "https://acme.test")


def attempt(name: str, model: str = "first", weight: float = 1.0, *, callers: bool = False) -> Attempt:
    """Return a deployment that goes by `name/model`."""
    route = Route(
        provider=SPEC,
        upstream_model=model,
        path="/v1/chat/completions",
        dialect=Dialect.OPENAI_CHAT,
        tier=Tier.RELAY,
        candidates=(),
        missing="",
        names=(model, f"acme/{model}"),
        request_id_headers=(),
        operation=Operation.CHAT,
    )
    record = CredentialRecord(name, "o1", "acme", name, "https://acme.test", {}, weight)
    return Attempt(route, record, callers, model, weight)


def choice(
    model: str,
    names: str,
    *,
    weights: Iterable[float] = (),
    strategy: Strategy = Strategy.WEIGHTED,
    affinity: Affinity = Affinity.AUTO,
) -> Choice:
    """Return a choice of one deployment for each letter of `names`."""
    given = list(weights) or [1.0] * len(names)
    attempts = tuple(attempt(name, model, weight) for name, weight in zip(names, given, strict=True))
    return Choice(model, attempts, strategy, affinity)


def plan_of(*choices: Choice, retries: int = 0, pause: float = 0.5) -> Plan:
    return Plan(choices, Retries(retries, pause))


class Known:
    """A view in which all is well but for what is said here."""

    def __init__(
        self,
        conditions: Mapping[str, Condition] | None = None,
        loads: Mapping[str, Load] | None = None,
        prices: Mapping[str, int] | None = None,
    ) -> None:
        self.conditions = dict(conditions or {})
        self.loads = dict(loads or {})
        self.prices = dict(prices or {})
        self.probed: list[str] = []

    def condition(self, one: Attempt) -> Condition:
        return self.conditions.get(one.credential.name, Condition.WELL)

    def claim(self, one: Attempt) -> bool:
        self.probed.append(one.credential.name)
        self.conditions[one.credential.name] = Condition.COOLING
        return True

    def load(self, one: Attempt) -> Load:
        return self.loads.get(one.credential.name, Load())

    def price(self, one: Attempt) -> int | None:
        return self.prices.get(one.credential.name)
