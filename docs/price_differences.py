"""`docs/price-differences.md`: where Gantry's own table stands above the published prices, and why."""

from gantry.prices.overrides import Factors, Overrides, RateLine, load_overrides
from gantry.prices.price_units import PRICED, dollars_of, unit_of


def differences_page(notice: str) -> str:
    overrides = load_overrides()
    return f"""{notice}# Differences from genai-prices

Prices are those of genai-prices, under Gantry's own table of {overrides.version}
(`src/gantry/prices/overrides.toml`). What stands in that table, and why it does:

## Prices
| provider | models | since | for | prices | why |
|---|---|---|---|---|---|
{_rates(overrides)}

## Names
| provider | names | mean | since | why |
|---|---|---|---|---|
{_aliases(overrides)}

## Relative to the list price
| provider | what | why |
|---|---|---|
{_factors(overrides)}

## What is not known
Costs are unknown, or the list price is taken, where we found no price that we could rely on:

- connectors of Mistral's conversations: a call that used one has no cost;
- a search by a provider's tool, or another call of its tools, of a model whose search has no price: no cost;
- what is kept for an hour in the cache of a model that has a price for five minutes only: no cost;
- what a model writes as video, cites, or thinks at a price of its own (Perplexity's `sonar-deep-research`): no price;
- containers of OpenAI's and Anthropic's code tools, which are billed by time: not in the cost;
- allowances that are free, such as Google's first searches of a day, commitments and discounts: the list price. Give
  your own with `gantry prices set`;
- regions of Bedrock, Azure and Vertex, and Anthropic's `inference_geo`: the list price, unless the model's name in
  the data tells the region.
"""


def _rates(overrides: Overrides) -> str:
    return "\n".join(
        f"| {line.provider} | {_names(line.names)} | {line.since} | {line.service_tier or ''} "
        f"| {_prices(line)} | {line.why} |"
        for line in overrides.rate
    )


def _prices(line: RateLine) -> str:
    if line.free:
        return "free"
    prices = line.prices()
    told = {name: getattr(prices, name) for name in PRICED}
    return ", ".join(
        f"{name} {dollars_of(price, name).normalize():f} per {unit_of(name).per}"
        for name, price in told.items()
        if price is not None
    )


def _aliases(overrides: Overrides) -> str:
    return "\n".join(
        f"| {line.provider} | {_names(line.names)} | `{line.model}` | {line.since} | {line.why} |"
        for line in overrides.alias
    )


def _factors(overrides: Overrides) -> str:
    return "\n".join(
        f"| {provider} | {_told(factors)} | {factors.why} |" for provider, factors in overrides.factors.items()
    )


def _told(factors: Factors) -> str:
    told = [
        f"{what} {factor} of it"
        for what, factor in (("cached input", factors.cached_input), ("a batch", factors.batch))
        if factor is not None
    ]
    if factors.cache_write_1h is not None:
        told.append(f"a cache write of an hour {factors.cache_write_1h} of the input's")
    told += [f"service tier {tier} {factor} of it" for tier, factor in factors.service_tiers.items()]
    told += [f"{host} {factor} of it" for host, factor in factors.hosts.items()]
    if factors.searched_once:
        told.append(f"searches once for a request of {_names(factors.searched_once)}")
    return "; ".join(told)


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
