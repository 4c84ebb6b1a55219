"""Routing rules: an organization's decisions about how its calls are balanced, tried again, followed and remembered.

Law: one document for each organization, read as a whole or refused as a whole, and never a secret in it: a group names
stored credentials, and does not hold them. What a request says of itself wins over what stands here, and what stands
here wins over the defaults, which are this file's.

Durations are in seconds. Models are written as callers write them; `match` takes patterns with `*`.
"""

from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Final

from msgspec import Meta, Struct

MOST_MEMBERS: Final = 100
MOST_GROUPS: Final = 200
MOST_MODEL_RULES: Final = 500
MOST_FALLBACKS: Final = 20
MOST_RETRIES: Final = 12
LONGEST_CACHE_TTL: Final = 31_536_000

Name = Annotated[str, Meta(min_length=1, max_length=256)]
GroupId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")]
Weight = Annotated[float, Meta(ge=0, le=1_000_000)]  # 0 drains
Seconds = Annotated[float, Meta(gt=0, le=3600)]
Fallbacks = Annotated[tuple[Name, ...], Meta(max_length=MOST_FALLBACKS)]


class Strategy(StrEnum):
    """Which of several deployments is taken, among those that are well."""

    WEIGHTED = "weighted"
    LEAST_LATENCY = "least_latency"  # by a peak-sensitive moving average, of two that the weights draw
    LEAST_BUSY = "least_busy"  # fewest calls under way, of two that the weights draw
    CHEAPEST = "cheapest"  # by list price, and by weight among equals


class Affinity(StrEnum):
    """Whether a conversation stays with a deployment, so that the provider's prompt cache is met."""

    AUTO = "auto"  # once it is long enough for a provider to cache
    ALWAYS = "always"
    NEVER = "never"


class Member(Struct, frozen=True, forbid_unknown_fields=True):
    """One model of a load balance group; with `credential` (a stored one's name) it is one deployment."""

    model: Name
    weight: Weight = 1.0
    credential: Name | None = None


class LoadBalanceGroup(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    id: GroupId
    name: str = ""
    strategy: Strategy = Strategy.WEIGHTED
    affinity: Affinity = Affinity.AUTO
    members: Annotated[tuple[Member, ...], Meta(min_length=1, max_length=MOST_MEMBERS)]


class RetryRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often the same is asked again, and how long the first pause is; each next one is twice as long."""

    num_retries: Annotated[int, Meta(ge=0, le=MOST_RETRIES)] = 3
    retry_after: Annotated[float, Meta(gt=0, le=10)] = 0.2


class Hedge(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A second attempt beside one that keeps the caller waiting; `share` of the calls may have one."""

    after: Seconds
    share: Annotated[float, Meta(gt=0, le=1)] = 0.05


class ModelRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What holds for calls to some models. None and () leave it to what stands before this."""

    match: Name
    strategy: Strategy | None = None  # between the credentials of a model
    affinity: Affinity | None = None
    fallback_models: Fallbacks = ()
    retries: RetryRule | None = None
    hedge: Hedge | None = None
    connect_timeout: Seconds | None = None
    first_token_timeout: Seconds | None = None
    idle_timeout: Seconds | None = None
    total_timeout: Seconds | None = None


class CacheRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The response cache, where a request does not say it itself."""

    enabled: bool = False
    ttl: Annotated[int, Meta(gt=0, le=LONGEST_CACHE_TTL)] = 2_592_000
    by_model: bool = True  # False is Respan's documented default: another model's answer to the same messages may serve
    by_customer: bool = False
    omit_log: bool = False


class RoutingRules(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    groups: Annotated[tuple[LoadBalanceGroup, ...], Meta(max_length=MOST_GROUPS)] = ()
    fallback_models: Fallbacks = ()  # of calls whose model's rule has none
    retries: RetryRule | None = None
    models: Annotated[tuple[ModelRule, ...], Meta(max_length=MOST_MODEL_RULES)] = ()  # the first that matches holds
    cache: CacheRule = CacheRule()

    def group(self, group_id: str) -> LoadBalanceGroup | None:
        return next((group for group in self.groups if group.id == group_id), None)

    def model_rule(self, names: tuple[str, ...]) -> ModelRule | None:
        """Return the rule for a model that goes by such names; None where none matches."""
        return next((rule for rule in self.models if any(fnmatchcase(name, rule.match) for name in names)), None)


NO_ROUTING_RULES: Final = RoutingRules()
