"""A name is listed exactly when a call with it would find its way."""

import pytest

from gantry.core.custom_model import CustomModel
from gantry.core.errors import GatewayError, NoCredential
from gantry.core.model_ref import parse_model_ref
from gantry.core.secret import Secret
from gantry.core.vocabulary import Dialect, Environment, Operation
from gantry.providers.spec import custom_spec, load_catalog
from gantry.routing.model_sources import ModelSource, find_sources
from gantry.routing.plan import Wish
from gantry.routing.resolve import find_route
from gantry.routing.snapshot import Body, CredentialRecord, KeyTable, Snapshot

MISTRAL_FIRST = (Dialect.MISTRAL,)
OPENAI_FIRST = (Dialect.OPENAI_CHAT,)
EITHER = (Dialect.OPENAI_CHAT, Dialect.MISTRAL)
MODELS = (
    "mistral-large-latest",
    "ft:open-mistral-7b:o1",
    "gpt-4o",
    "meta-llama/Llama-3",
    "mistralai/mistral-small",
    "openai/gpt-4o",
    "own-model",
    "named",
)


def credential(
    provider: str,
    *models: str,
    organization: str | None = "o1",
    url: str = "http://a",
    weight: float = 1.0,
    environment: Environment | None = None,
    excluded: tuple[str, ...] = (),
) -> CredentialRecord:
    name = f"{provider}-{organization}-{url}-{weight}-{'-'.join(models)}"
    secrets = {"api_key": Secret("s")}
    return CredentialRecord(
        name, organization, provider, name, url, secrets, weight, models, environment, excluded_models=excluded
    )


def snapshot(*credentials: CredentialRecord) -> Snapshot:
    providers = {**load_catalog(), "acme": custom_spec("acme", "Acme", "http://acme")}
    body = Body(1, 0, "t", tuple(providers.values()), credentials, {})
    return Snapshot(body, KeyTable("t", bytes(8), {}))


def wish(
    dialects: tuple[Dialect, ...] = MISTRAL_FIRST, model: str | None = None, operation: Operation = Operation.MODELS
) -> Wish:
    return Wish("o1", Environment.PROD, dialects, operation, "", model)


def asked(source: ModelSource) -> list[str]:
    return [attempt.credential.credential_id for attempt in source.asked]


STORES = {
    "one": (credential("acme"),),
    "native": (credential("mistral"),),
    "one that names its models": (credential("acme", "named", "mistralai/mistral-small"),),
    "native and others": (credential("acme"), credential("mistral"), credential("openrouter")),
    "others": (credential("acme"), credential("openai"), credential("groq", "named", "gpt-4o")),
    "a drained one": (credential("mistral", weight=0.0), credential("acme", "named", "own-model")),
    "one that leaves some out": (credential("mistral", excluded=("ft:*", "mistral/mistral-large-*")),),
    "one that names a pattern": (credential("acme", "own-*", "named"), credential("mistral", "mistral-*")),
    "one that names and leaves out": (credential("acme", "own-*", "named", excluded=("named",)), credential("openai")),
    "one leaves out what another has": (
        credential("openai", excluded=("gpt-*",)),
        credential("openai", "gpt-4o", url="http://b"),
    ),
    "one of two drained": (credential("acme", "named", weight=0.0), credential("acme", "own-model")),
}


@pytest.mark.parametrize("dialects", [MISTRAL_FIRST, OPENAI_FIRST, EITHER], ids=["mistral", "openai", "either"])
@pytest.mark.parametrize("stored", STORES.values(), ids=STORES)
def test_listed_names_find_their_way(stored: tuple[CredentialRecord, ...], dialects: tuple[Dialect, ...]) -> None:
    held = snapshot(*stored)
    listed: dict[str, set[str]] = {}
    for source in find_sources(held, wish(dialects)):
        for model in MODELS if source.asked else source.declared:
            for name in source.names(model):
                listed.setdefault(name, set()).add(source.provider.id)
    for name, providers in listed.items():
        route = find_route(held, wish((*dialects, *Dialect), name, Operation.CHAT))
        assert route.provider.id in providers, name
        assert route.candidates, name
    bare = [name for name in MODELS if parse_model_ref(name, held.providers.prefixes).prefix is None]
    for name in bare:  # and one that is not listed finds none
        try:
            route = find_route(held, wish((*dialects, *Dialect), name, Operation.CHAT))
        except GatewayError:
            assert name not in listed
        else:
            assert name in listed or not route.candidates


def test_what_every_credential_leaves_out_is_not_listed_under_any_name() -> None:
    fast = CustomModel(organization_id="o1", name="team/fast", base="mistral-large-latest")
    open_one = credential("mistral", excluded=("mistral-large-*",))
    body = Body(1, 0, "t", tuple(load_catalog().values()), (open_one,), {}, (fast,))
    (source,) = find_sources(Snapshot(body, KeyTable("t", bytes(8), {})), wish())
    assert not list(source.names("mistral-large-latest"))
    assert not list(source.customs)
    assert list(source.names("mistral-small-latest")) == ["mistral-small-latest", "mistral/mistral-small-latest"]
    for name in ("mistral-large-latest", "mistral/mistral-large-latest"):
        assert find_sources(snapshot(open_one), wish(model=name)) == ()


@pytest.mark.parametrize(
    ("dialects", "order"),
    [
        (MISTRAL_FIRST, ["mistral", "acme", "openai"]),
        (EITHER, ["mistral", "acme", "openai"]),
        (OPENAI_FIRST, ["acme", "mistral", "openai"]),
    ],
)
def test_the_native_provider_comes_first(dialects: tuple[Dialect, ...], order: list[str]) -> None:
    held = snapshot(credential("openai"), credential("mistral"), credential("acme"))
    assert [source.provider.id for source in find_sources(held, wish(dialects))] == order


def test_each_address_is_asked_once_with_the_organizations_own() -> None:
    held = snapshot(
        credential("acme", organization=None),
        credential("acme", url="http://a"),
        credential("acme", url="http://a", weight=2.0),
        credential("acme", url="http://b"),
        credential("acme", url="http://c", weight=0.0),
        credential("acme", url="http://d", environment=Environment.TEST),
        credential("acme", organization="o2", url="http://e"),
    )
    (source,) = find_sources(held, wish())
    assert asked(source) == ["acme-o1-http://a-1.0-", "acme-o1-http://b-1.0-"]
    assert [attempt.route.path for attempt in source.asked] == ["/v1/models", "/v1/models"]


def test_the_platforms_serve_where_there_are_none_of_its_own() -> None:
    held = snapshot(credential("acme", organization=None), credential("mistral"), credential("mistral", "x"))
    sources = {source.provider.id: source for source in find_sources(held, wish())}
    assert asked(sources["acme"]) == ["acme-None-http://a-1.0-"]
    assert (asked(sources["mistral"]), sources["mistral"].declared) == (["mistral-o1-http://a-1.0-"], ("x",))


@pytest.mark.parametrize(
    ("model", "providers"),
    [
        ("mistral/x", ["mistral"]),
        ("mistralai/x", ["mistral"]),
        ("gpt-4o", ["openai"]),
        ("ft:x", ["mistral"]),
        ("named", ["mistral"]),
        ("groq/x", []),
    ],
)
def test_only_who_could_list_a_model_is_asked_for_it(model: str, providers: list[str]) -> None:
    held = snapshot(credential("mistral"), credential("openai"), credential("acme"))
    found = find_sources(held, wish(model=model, operation=Operation.MODEL))
    assert [source.provider.id for source in found] == providers


def test_no_credential_at_all_is_said() -> None:
    with pytest.raises(NoCredential, match="gantry providers add"):
        find_sources(snapshot(credential("mistral", organization="o2")), wish())
