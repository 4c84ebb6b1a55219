"""Custom providers: each organization has its own, and no word of another's."""

from typing import Any, cast

import pytest

from gantry.core.custom_model import CustomModel
from gantry.core.errors import GatewayError, InvalidRequest
from gantry.core.secret import Secret
from gantry.core.vocabulary import Dialect, Environment, Operation
from gantry.providers.spec import custom_spec, load_catalog
from gantry.routing.model_sources import find_sources
from gantry.routing.plan import Attempt, Terms, Wish
from gantry.routing.planner import plan
from gantry.routing.snapshot import Body, CredentialRecord, KeyTable, Snapshot

OPENAI = (Dialect.OPENAI_CHAT,)


def credential(organization: str, provider: str, base_url: str) -> CredentialRecord:
    name = f"{organization}-{provider}"
    return CredentialRecord(name, organization, provider, "main", base_url, {"api_key": Secret(name)})


SNAPSHOT = Snapshot(
    Body(
        1,
        1,
        "t",
        tuple(load_catalog().values()),
        (
            credential("o1", "acme", "https://one.test"),
            credential("o1", "mistral", "https://api.mistral.ai"),
            credential("o2", "acme", "https://two.test"),
            credential("o2", "own", "https://own.test"),
            credential("o3", "mistral", "https://api.mistral.ai"),
        ),
        {},
        (
            CustomModel(organization_id="o1", name="own/fast", base="mistral/mistral-small-latest"),
            CustomModel(organization_id="o2", name="own/fast", base="acme/m"),
        ),
        {
            "o1": (custom_spec("acme", "One", "https://one.test"),),
            "o2": (
                custom_spec("acme", "Two", "https://two.test"),
                custom_spec("own", "Own", "https://own.test"),
                custom_spec("mistral", "Not Mistral", "https://evil.test"),
            ),
        },
    ),
    KeyTable("t", bytes(8), {}),
)


def wish(organization: str, model: str | None, pinned: str | None = None) -> Wish:
    operation = Operation.CHAT if model is not None else Operation.MODELS
    return Wish(organization, Environment.PROD, OPENAI, operation, "", model, pinned=pinned)


def ask(organization: str, model: str, pinned: str | None = None, **brought: dict[str, dict[str, str]]) -> Attempt:
    (choice,) = plan(SNAPSHOT, wish(organization, model, pinned), lambda: 0.0, Terms(**cast(Any, brought))).choices
    return choice.attempts[0]


@pytest.mark.parametrize(("organization", "url"), [("o1", "https://one.test"), ("o2", "https://two.test")])
def test_the_same_name_leads_each_organization_to_its_own(organization: str, url: str) -> None:
    attempt = ask(organization, "acme/m")
    assert (attempt.base_url, attempt.route.upstream_model) == (url, "m")
    assert attempt.credential.secrets["api_key"].reveal() == f"{organization}-acme"


def test_a_key_that_the_caller_brings_goes_to_the_callers_own() -> None:
    assert ask("o2", "acme/m", customer={"acme": {"api_key": "k"}}).base_url == "https://two.test"


@pytest.mark.parametrize("model", ["acme/m", "own/fast"])
def test_anothers_prefix_is_a_part_of_a_name_like_any_other(model: str) -> None:
    attempt = ask("o3", model)
    assert (attempt.route.provider.id, attempt.route.upstream_model) == ("mistral", model)  # the only one there is


def test_anothers_provider_is_no_provider_and_is_not_told_of() -> None:
    with pytest.raises(InvalidRequest, match="names 'own', which is no provider") as refused:
        ask("o1", "m", "own")
    known = refused.value.message.partition("known are ")[2].split(", ")
    assert "own" not in known
    assert "acme" in known  # its own one
    with pytest.raises(InvalidRequest) as refused:
        ask("o3", "m", "own")
    assert not {"acme", "own"} & set(refused.value.message.partition("known are ")[2].split(", "))


def test_anothers_provider_takes_no_name_of_a_custom_model() -> None:
    assert ask("o1", "own/fast").route.upstream_model == "mistral-small-latest"
    assert ask("o2", "own/fast").base_url == "https://own.test"  # a prefix of its own means the provider


def test_one_of_the_catalogue_wins_over_a_custom_one() -> None:
    with pytest.raises(GatewayError, match="no credential for Mistral AI"):
        ask("o2", "mistral/mistral-small-latest")


def test_only_the_own_ones_are_asked_for_their_models() -> None:
    found = {
        organization: [
            attempt.base_url for source in find_sources(SNAPSHOT, wish(organization, None)) for attempt in source.asked
        ]
        for organization in ("o2", "o3")
    }
    assert found == {"o2": ["https://two.test", "https://own.test"], "o3": ["https://api.mistral.ai"]}
