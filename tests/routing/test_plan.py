"""What a request, its terms and the organization's rules come to: read as a table."""

from typing import Any

import msgspec
import pytest

from gantry.core.errors import GatewayError, InvalidRequest, NoCredential, NotFound
from gantry.core.routing_rules import RoutingRules
from gantry.core.secret import Secret
from gantry.core.vocabulary import Dialect, Environment, Operation
from gantry.providers.spec import load_catalog
from gantry.routing.plan import NO_TERMS, Plan, Retries, Terms, WeightedModel, Wish
from gantry.routing.planner import plan
from gantry.routing.resolve import find_route
from gantry.routing.snapshot import Body, CredentialRecord, KeyTable, Snapshot, build_key_table

SMALL, LARGE, GPT, CLAUDE = "mistral/mistral-small-latest", "mistral-large-latest", "openai/gpt-4o", "anthropic/claude"
CATALOG = tuple(load_catalog().values())
STORED = (
    CredentialRecord("m1", "o1", "mistral", "eu", "https://api.mistral.ai", {"api_key": Secret("k")}, 3.0),
    CredentialRecord("m2", "o1", "mistral", "us", "https://api.mistral.ai", {"api_key": Secret("k")}, 1.0),
    CredentialRecord("g1", "o1", "openai", "main", "https://api.openai.com", {"api_key": Secret("k")}),
)


def planned(model: str | None, terms: Terms = NO_TERMS, rules: dict[str, Any] | None = None) -> Plan:
    ruled = {"o1": msgspec.convert(rules or {}, RoutingRules)}
    snapshot = Snapshot(
        Body(1, 1, "t", CATALOG, STORED, {}, routing_rules=ruled), KeyTable("t", build_key_table([]), {})
    )
    wish = Wish("o1", Environment.PROD, (Dialect.OPENAI_CHAT,), Operation.CHAT, "/chat/completions", model)
    return plan(snapshot, wish, lambda: 0.0, terms)


def told(made: Plan) -> str:
    """Return a plan in a line: `asked[credential weight, …] → asked[…]`."""

    def choice(one: Any) -> str:
        attempts = ", ".join(
            f"{'caller' if each.callers_credential else each.credential.name} {each.weight:g}" for each in one.attempts
        )
        return f"{one.asked}[{attempts}]"

    return " → ".join(map(choice, made.choices))


MISTRAL = "[eu 3, us 1]"
GROUP = {"id": "fast", "strategy": "least_busy", "members": [{"model": SMALL, "weight": 2}, {"model": GPT}]}


@pytest.mark.parametrize(
    ("model", "terms", "rules", "line"),
    [
        (SMALL, {}, {}, f"{SMALL}{MISTRAL}"),
        (SMALL, {"fallbacks": (GPT, SMALL, GPT)}, {}, f"{SMALL}{MISTRAL} → {GPT}[main 1]"),
        (SMALL, {}, {"fallback_models": [GPT]}, f"{SMALL}{MISTRAL} → {GPT}[main 1]"),
        (SMALL, {"follows": False}, {"fallback_models": [GPT]}, f"{SMALL}{MISTRAL}"),
        (SMALL, {"fallbacks": ()}, {"fallback_models": [GPT]}, f"{SMALL}{MISTRAL}"),
        (SMALL, {"fallbacks": (LARGE,)}, {"fallback_models": [GPT]}, f"{SMALL}{MISTRAL} → {LARGE}{MISTRAL}"),
        (
            SMALL,
            {},
            {"fallback_models": [GPT], "models": [{"match": "mistral/*", "fallback_models": [LARGE]}]},
            f"{SMALL}{MISTRAL} → {LARGE}{MISTRAL}",
        ),
        (SMALL, {"fallbacks": (CLAUDE, GPT)}, {}, f"{SMALL}{MISTRAL} → {GPT}[main 1]"),  # nobody has a key for Claude
        (CLAUDE, {"fallbacks": (GPT,)}, {}, f"{GPT}[main 1]"),
        (None, {"group_id": "fast"}, {"groups": [GROUP]}, "fast[eu 1.5, us 0.5, main 1]"),
        (SMALL, {"group_id": "fast"}, {"groups": [GROUP]}, "fast[eu 1.5, us 0.5, main 1]"),
        (None, {"group_id": "fast", "excluded_providers": ("openai",)}, {"groups": [GROUP]}, "fast[eu 1.5, us 0.5]"),
        (None, {"group_id": "fast", "excluded_models": ("mistral/*",)}, {"groups": [GROUP]}, "fast[main 1]"),
        (
            None,
            {"group_id": "one"},
            {"groups": [{"id": "one", "members": [{"model": SMALL, "weight": 2, "credential": "us"}]}]},
            "one[us 2]",
        ),
        (None, {"members": (WeightedModel(SMALL, 1), WeightedModel(GPT, 3))}, {}, "None[eu 0.75, us 0.25, main 3]"),
        (
            None,
            {"members": (WeightedModel(GPT, 2, callers={"openai": {"api_key": "theirs"}}),)},
            {},
            "None[caller 2]",
        ),
        (
            None,
            {"members": (WeightedModel(GPT, 2, callers={"api_key": "theirs"}),), "override": {GPT: {"api_key": "x"}}},
            {},
            "None[caller 2]",
        ),
        (None, {"models": (GPT, SMALL)}, {}, f"{GPT}[main 1] → {SMALL}{MISTRAL}"),
        (None, {"models": (GPT, SMALL), "excluded_models": ("gpt-*",)}, {}, f"{SMALL}{MISTRAL}"),
        (SMALL, {"customer": {"mistral": {"api_key": "theirs"}}}, {}, f"{SMALL}[caller 1]"),
        (
            SMALL,
            {"customer": {"mistral": {"api_key": "theirs"}}, "fallbacks": (LARGE, GPT)},
            {},
            f"{SMALL}[caller 1] → {LARGE}[caller 1] → {GPT}[main 1]",
        ),
    ],
)
def test_plans(model: str | None, terms: dict[str, Any], rules: dict[str, Any], line: str) -> None:
    assert told(planned(model, Terms(**terms), rules)) == line


@pytest.mark.parametrize(
    ("model", "terms", "error", "says"),
    [
        ("who-knows", {"fallbacks": (GPT,)}, NotFound, "not available"),
        (CLAUDE, {}, NoCredential, "no credential for Anthropic"),
        (CLAUDE, {"fallbacks": (CLAUDE, "cohere/x")}, NoCredential, "no credential for Anthropic"),
        (None, {"group_id": "gone"}, InvalidRequest, "no group of yours; known: fast"),
        (None, {"group_id": "fast", "excluded_models": ("*",)}, InvalidRequest, "no model left"),
        (None, {"models": (GPT,), "excluded_models": ("openai/*",)}, InvalidRequest, "is excluded"),
        (None, {"models": (CLAUDE,)}, NoCredential, "no credential for Anthropic"),
        (None, {"members": (WeightedModel(SMALL, 1, "gone"),)}, NoCredential, "no credential called gone"),
        (None, {"members": (WeightedModel(GPT, callers={"openai": 3}),)}, InvalidRequest, "must be an object"),
    ],
)
def test_what_cannot_be_planned_is_told(
    model: str | None, terms: dict[str, Any], error: type[GatewayError], says: str
) -> None:
    with pytest.raises(error, match=says):
        planned(model, Terms(**terms), {"groups": [GROUP]})


@pytest.mark.parametrize(
    ("terms", "rules", "retries"),
    [
        ({}, {}, Retries(0)),
        ({}, {"retries": {"num_retries": 2, "retry_after": 0.5}}, Retries(2, 0.5)),
        (
            {},
            {"retries": {"num_retries": 2}, "models": [{"match": "*small*", "retries": {"num_retries": 5}}]},
            Retries(5),
        ),
        ({"retries": Retries(1, 0.1)}, {"retries": {"num_retries": 2}}, Retries(1, 0.1)),
        ({"retries": Retries(0)}, {"retries": {"num_retries": 2}}, Retries(0)),
    ],
)
def test_retries_are_the_requests_the_models_or_the_organizations(
    terms: dict[str, Any], rules: dict[str, Any], retries: Retries
) -> None:
    assert planned(SMALL, Terms(**terms), rules).retries == retries


def test_what_is_passed_over_is_said() -> None:
    made = planned(CLAUDE, Terms(fallbacks=("cohere/command", GPT)))
    assert [words.partition(":")[0] for words in made.passed_over] == [
        f"{CLAUDE} cannot be asked",
        "cohere/command cannot be asked",
    ]


def test_strategy_and_affinity_are_the_groups_or_the_models_rules() -> None:
    rules = {"groups": [GROUP], "models": [{"match": "mistral/*", "strategy": "cheapest", "affinity": "never"}]}
    (group,) = planned(None, Terms(group_id="fast"), rules).choices
    (model,) = planned(SMALL, rules=rules).choices
    assert (group.strategy, group.affinity) == ("least_busy", "auto")
    assert (model.strategy, model.affinity) == ("cheapest", "never")


def test_a_route_has_the_rule_of_its_model_and_a_plan_looks_through_no_rules() -> None:
    """An organization may have five hundred, which are looked through once for a route that is remembered."""
    rules = [*({"match": f"other-{number}-*"} for number in range(499)), {"match": "mistral-*", "total_timeout": 7}]
    ruled = {"o1": msgspec.convert({"models": rules}, RoutingRules)}
    snapshot = Snapshot(
        Body(1, 1, "t", CATALOG, STORED, {}, routing_rules=ruled), KeyTable("t", build_key_table([]), {})
    )
    wish = Wish("o1", Environment.PROD, (Dialect.OPENAI_CHAT,), Operation.CHAT, "/chat/completions", SMALL)
    route = find_route(snapshot, wish)
    assert route.rule is ruled["o1"].models[-1]
    without = Snapshot(Body(1, 1, "t", CATALOG, STORED, {}), KeyTable("t", build_key_table([]), {}))
    (choice,) = plan(without, wish, lambda: 0.0, NO_TERMS, lambda _wish, _brought: route).choices
    assert choice.attempts[0].route.rule is route.rule, "the plan goes by the route, whatever the snapshot has"


def test_an_unknown_group_is_told_with_a_few_of_those_there_are() -> None:
    groups = [{"id": f"group-{number:03}", "members": [{"model": GPT}]} for number in range(200)]
    with pytest.raises(InvalidRequest) as refused:
        planned(None, Terms(group_id="fast"), {"groups": groups})
    assert refused.value.message.endswith("known: group-000, group-001, group-002, group-003, group-004 and 195 more")
