"""The planner as a matrix: who asks for what, and which deployment serves it, how."""

from typing import Any

import pytest

from gantry.core.errors import GatewayError, InvalidRequest, NoCredential, NotFound
from gantry.core.secret import Secret
from gantry.core.vocabulary import Dialect, Environment, Operation, Tier
from gantry.providers.spec import ProviderSpec, custom_spec, load_catalog
from gantry.routing.plan import Attempt, Wish
from gantry.routing.planner import plan
from gantry.routing.snapshot import Body, CredentialRecord, KeyTable, Snapshot, build_key_table

MISTRAL, OPENAI = (Dialect.MISTRAL,), (Dialect.OPENAI_CHAT,)
EITHER = (Dialect.OPENAI_CHAT, Dialect.MISTRAL)


def credential(provider: str, name: str = "main", **fields: Any) -> CredentialRecord:
    values: dict[str, Any] = {
        "credential_id": f"{provider}-{name}",
        "organization_id": "o1",
        "provider_id": provider,
        "name": name,
    }
    values |= {"base_url": "https://example.test", "secrets": {"api_key": Secret("k")}}
    return CredentialRecord(**{**values, **fields})


def snapshot(*credentials: CredentialRecord, extra: tuple[ProviderSpec, ...] = ()) -> Snapshot:
    return Snapshot(
        Body(1, 1, "t", (*load_catalog().values(), *extra), credentials, {}), KeyTable("t", build_key_table([]), {})
    )


def ask(
    configuration: Snapshot,
    model: str | None,
    dialects: tuple[Dialect, ...] = EITHER,
    operation: Operation = Operation.CHAT,
    path: str = "/v1/chat/completions",
    draw: float = 0.0,
    **brought: Any,
) -> Attempt:
    wish = Wish("o1", Environment.PROD, dialects, operation, path, model)
    (attempt,) = plan(configuration, wish, lambda: draw, **brought).attempts
    return attempt


BOTH = snapshot(credential("mistral"), credential("openai"))
VLLM = custom_spec("vllm", "vLLM", "http://vllm.test")


@pytest.mark.parametrize(
    ("model", "dialects", "provider", "upstream", "tier"),
    [
        ("mistral/mistral-large-latest", MISTRAL, "mistral", "mistral-large-latest", Tier.RELAY),
        ("mistral-large-latest", MISTRAL, "mistral", "mistral-large-latest", Tier.RELAY),
        ("mistral-large-latest", EITHER, "mistral", "mistral-large-latest", Tier.RELAY),
        ("mistral/mistral-large-latest", OPENAI, "mistral", "mistral-large-latest", Tier.ADAPT),
        ("codestral-latest", OPENAI, "mistral", "codestral-latest", Tier.ADAPT),
        ("openai/gpt-5.5", OPENAI, "openai", "gpt-5.5", Tier.RELAY),
        ("gpt-5.5", EITHER, "openai", "gpt-5.5", Tier.RELAY),
        ("a-model-from-next-year", MISTRAL, "mistral", "a-model-from-next-year", Tier.RELAY),
    ],
)
def test_models_find_their_provider(
    model: str, dialects: tuple[Dialect, ...], provider: str, upstream: str, tier: Tier
) -> None:
    attempt = ask(BOTH, model, dialects)
    assert (attempt.route.provider.id, attempt.route.upstream_model, attempt.route.tier) == (provider, upstream, tier)
    assert attempt.route.path == "/v1/chat/completions"


def test_a_custom_provider_is_reached_by_prefix_by_list_and_when_it_is_alone() -> None:
    configuration = snapshot(credential("mistral"), credential("vllm", models=("my-model",)), extra=(VLLM,))
    assert ask(configuration, "vllm/my-model", OPENAI).route.provider.id == "vllm"
    assert ask(configuration, "my-model", OPENAI).route.upstream_model == "my-model"
    alone = snapshot(credential("vllm"), extra=(VLLM,))
    assert ask(alone, "Qwen/Qwen3-8B", OPENAI).route.upstream_model == "Qwen/Qwen3-8B"


@pytest.mark.parametrize(
    ("configuration", "model", "dialects", "error", "says"),
    [
        (BOTH, "who-knows", OPENAI, NotFound, "Requested model: who-knows is not available"),
        (snapshot(), "mistral/x", MISTRAL, NoCredential, "gantry providers add mistral"),
        (snapshot(), None, OPENAI, InvalidRequest, "`model` is missing"),
        (snapshot(credential("mistral", weight=0)), "mistral/x", MISTRAL, NoCredential, "weight 0"),
        (snapshot(credential("mistral", models=("y",))), "mistral/x", MISTRAL, NoCredential, "serves the model x"),
        (BOTH, "openai/gpt-5.5", MISTRAL, InvalidRequest, "cannot be called"),
    ],
)
def test_what_cannot_be_served_is_explained(
    configuration: Snapshot, model: str | None, dialects: tuple[Dialect, ...], error: type[GatewayError], says: str
) -> None:
    with pytest.raises(error, match=says):
        ask(configuration, model, dialects, Operation.MODELS if model is None else Operation.CHAT)


def test_opaque_paths_stay_on_the_native_surface() -> None:
    attempt = ask(BOTH, "mistral/mistral-ocr-latest", MISTRAL, Operation.OPAQUE, "/v1/ocr")
    assert (attempt.route.path, attempt.route.upstream_model, attempt.route.tier) == (
        "/v1/ocr",
        "mistral-ocr-latest",
        Tier.RELAY,
    )
    with pytest.raises(NotFound):
        ask(BOTH, None, MISTRAL, Operation.OPAQUE, "/admin")


def test_a_shared_credential_serves_no_opaque_call() -> None:
    shared = snapshot(credential("mistral", organization_id=None))
    assert ask(shared, "mistral/x", MISTRAL).credential.organization_id is None
    with pytest.raises(NoCredential):
        ask(shared, None, MISTRAL, Operation.OPAQUE, "/v1/files")


@pytest.mark.parametrize(("draw", "chosen"), [(0.0, "a"), (0.24, "a"), (0.26, "b"), (0.99, "b")])
def test_weights_share_the_calls(draw: float, chosen: str) -> None:
    configuration = snapshot(
        credential("mistral", "a", weight=1), credential("mistral", "b", weight=3), credential("mistral", "z", weight=0)
    )
    assert ask(configuration, "mistral/x", draw=draw).credential.name == chosen


def test_own_credentials_come_before_shared_ones_and_environments_are_kept_apart() -> None:
    own = credential("mistral", "own", environment=Environment.PROD)
    configuration = snapshot(
        credential("mistral", "shared", organization_id=None),
        credential("mistral", "test", environment=Environment.TEST),
        own,
    )
    assert ask(configuration, "mistral/x", draw=0.99).credential is own


@pytest.mark.parametrize(
    ("brought", "key"),
    [
        ({"customer": {"mistral": {"api_key": "c"}}}, "c"),
        ({"override": {"mistral/x": {"api_key": "full"}, "x": {"api_key": "bare"}}}, "full"),
        ({"override": {"x": {"api_key": "bare"}, "mistral": {"api_key": "provider"}}}, "bare"),
        ({"override": {"mistral": {"api_key": "o"}}, "customer": {"mistral": {"api_key": "c"}}}, "o"),
        ({"customer": {"mistral": [{"weight": 1, "credentials": {"api_key": "listed"}}]}}, "listed"),
        ({"customer": {"openai": {"api_key": "other"}}}, "k"),
    ],
)
def test_the_callers_credentials_come_first(brought: dict[str, Any], key: str) -> None:
    attempt = ask(BOTH, "mistral/x", **brought)
    assert attempt.credential.secrets["api_key"].reveal() == key
    assert attempt.callers_credential is (key != "k")
    if attempt.callers_credential:
        assert attempt.credential.base_url == "https://api.mistral.ai"


@pytest.mark.parametrize(
    "customer",
    [
        {"mistral": "k"},
        {"mistral": {}},
        {"mistral": {"api_key": ""}},
        {"mistral": {"api_key": 1}},
        {"mistral": {"api_key": "a\r\nx-injected: 1"}},
        {"mistral": []},
        {"mistral": [{"weight": 0, "credentials": {"api_key": "k"}}]},
        {"mistral": [{"credentials": {"api_key": "k"}, "weight": True}]},
        {"mistral": [{"api_key": "k"}]},
    ],
)
def test_malformed_credentials_are_refused_without_being_shown(customer: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ask(BOTH, "mistral/x", customer=customer)
    assert "x-injected" not in caught.value.message
