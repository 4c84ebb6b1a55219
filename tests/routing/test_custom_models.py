"""Custom names: where a call by one leads, how it is listed, and what it loses to."""

import pytest

from gantry.core.custom_model import CustomModel
from gantry.core.errors import NotFound
from gantry.core.secret import Secret
from gantry.core.vocabulary import Dialect, Environment, Operation
from gantry.providers.spec import custom_spec, load_catalog
from gantry.routing.model_sources import find_sources
from gantry.routing.plan import Route, Wish
from gantry.routing.resolve import find_route
from gantry.routing.snapshot import Body, CredentialRecord, KeyTable, Snapshot

EITHER = (Dialect.OPENAI_CHAT, Dialect.MISTRAL)


def credential(provider: str, *models: str) -> CredentialRecord:
    return CredentialRecord(provider, "o1", provider, "main", "https://x.test", {"api_key": Secret("k")}, 1.0, models)


def custom(
    name: str, base: str | None = None, provider: str | None = None, *, by_name: bool = False, organization: str = "o1"
) -> CustomModel:
    return CustomModel(organization_id=organization, name=name, base=base, provider_id=provider, called_by_name=by_name)


def snapshot(*models: CustomModel, providers: tuple[str, ...] = ("mistral", "openai", "acme")) -> Snapshot:
    specs = (*load_catalog().values(), custom_spec("acme", "Acme", "https://acme.test"))
    body = Body(1, 1, "t", specs, tuple(credential(name) for name in providers), {}, models)
    return Snapshot(body, KeyTable("t", bytes(8), {}))


def wish(model: str | None, organization: str = "o1", pinned: str | None = None) -> Wish:
    operation = Operation.CHAT if model is not None else Operation.MODELS
    return Wish(organization, Environment.PROD, EITHER, operation, "", model, pinned=pinned)


def route(model: str, *models: CustomModel, pinned: str | None = None) -> Route:
    return find_route(snapshot(*models), wish(model, pinned=pinned))


@pytest.mark.parametrize(
    ("model", "provider", "upstream"),
    [
        (custom("fast", "mistral-small-latest"), "mistral", "mistral-small-latest"),
        (custom("fast", "mistral/mistral-small-latest"), "mistral", "mistral-small-latest"),
        (custom("fast", "acme/a/b"), "acme", "a/b"),
        (custom("team/fast", "gpt-4o"), "openai", "gpt-4o"),
        (custom("gpt-4o", "mistral/mistral-large-latest"), "mistral", "mistral-large-latest"),  # over a claim
        (custom("gpt-4o", "openai/gpt-4o"), "openai", "gpt-4o"),  # the same, with prices of its own
        (custom("mine", None, "acme"), "acme", "mine"),
        (custom("mine", "gpt-4o", "acme", by_name=True), "acme", "mine"),
        (custom("mine", "gpt-4o", "acme"), "acme", "gpt-4o"),
        (custom("mine", "openai/gpt-4o", "acme"), "acme", "gpt-4o"),
    ],
)
def test_a_custom_name_leads_to_the_model_behind_it(model: CustomModel, provider: str, upstream: str) -> None:
    found = route(model.name, model)
    assert (found.provider.id, found.upstream_model) == (provider, upstream)
    assert found.names == (model.name, upstream, f"{provider}/{upstream}")  # how a key's model list may call it


def test_a_known_prefix_wins_over_a_custom_name() -> None:
    found = route("mistral/x", custom("mistral/x", "openai/gpt-4o"))
    assert (found.provider.id, found.upstream_model) == ("mistral", "x")


def test_a_pinned_provider_wins_over_that_of_a_custom_model() -> None:
    found = route("fast", custom("fast", "openai/gpt-4o"), pinned="acme")
    assert (found.provider.id, found.upstream_model) == ("acme", "gpt-4o")


def test_a_custom_name_leads_to_a_base_and_never_to_another_custom_name() -> None:
    with pytest.raises(NotFound, match="Requested model: b is not available"):
        route("a", custom("a", "b"), custom("b", "openai/gpt-4o"))


def test_a_custom_name_is_its_organizations() -> None:
    with pytest.raises(NotFound):
        find_route(snapshot(custom("fast", "mistral-small-latest", organization="o2")), wish("fast"))


def test_a_credential_that_does_not_serve_the_base_does_not_serve_the_name() -> None:
    body = Body(
        1,
        1,
        "t",
        tuple(load_catalog().values()),
        (credential("mistral", "mistral-large-latest"),),
        {},
        (custom("fast", "mistral/mistral-small-latest"), custom("big", "mistral/mistral-large-latest")),
    )
    held = Snapshot(body, KeyTable("t", bytes(8), {}))
    assert find_route(held, wish("big")).candidates
    assert not find_route(held, wish("fast")).candidates


def listed(held: Snapshot) -> dict[str, set[str]]:
    """Return who lists which custom name."""
    found: dict[str, set[str]] = {}
    for source in find_sources(held, wish(None)):
        for model, _ in source.customs:
            found.setdefault(model.name, set()).add(source.provider.id)
    return found


def test_custom_names_are_listed_where_they_lead() -> None:
    models = (
        custom("fast", "mistral-small-latest"),
        custom("gpt-4o", "mistral/mistral-large-latest"),
        custom("mine", None, "acme"),
        custom("there", "anthropic/claude-sonnet-4-5"),
        custom("nowhere", "who-knows"),
    )
    held = snapshot(*models)
    assert listed(held) == {"fast": {"mistral"}, "gpt-4o": {"mistral"}, "mine": {"acme"}}
    for model in models[:3]:
        (source,) = find_sources(held, wish(model.name))
        assert source.provider.id in listed(held)[model.name]
        assert find_route(held, wish(model.name)).provider.id == source.provider.id
    assert find_sources(held, wish("there")) == ()
    assert not find_route(held, wish("there")).candidates


def test_a_name_that_was_given_away_is_not_listed_by_who_would_claim_it() -> None:
    held = snapshot(custom("gpt-4o", "mistral/mistral-large-latest"))
    (openai,) = (source for source in find_sources(held, wish(None)) if source.provider.id == "openai")
    assert list(openai.names("gpt-4o")) == ["openai/gpt-4o"]
    assert list(openai.names("gpt-5.5")) == ["gpt-5.5", "openai/gpt-5.5"]


def test_without_a_credential_a_custom_name_says_what_is_missing() -> None:
    held = snapshot(custom("fast", "mistral-small-latest"), providers=("acme",))
    assert "no credential for Mistral AI" in find_route(held, wish("fast")).missing
