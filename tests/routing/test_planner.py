"""The planner as a matrix: who asks for what, and which deployment serves it, how."""

import json
from typing import Any

import pytest

from gantry.core.errors import GatewayError, InvalidRequest, NoCredential, NotFound
from gantry.core.secret import Secret
from gantry.core.vocabulary import Dialect, Environment, Operation, Tier
from gantry.providers.spec import ProviderSpec, custom_spec, load_catalog
from gantry.routing.balance import draw_by_weight
from gantry.routing.plan import Attempt, Terms, Wish
from gantry.routing.planner import plan
from gantry.routing.resolve import find_route
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
    (choice,) = plan(configuration, wish, lambda: draw, Terms(**brought)).choices
    return draw_by_weight(choice.attempts, lambda: draw)


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
        (
            snapshot(credential("mistral", excluded_models=("x*",))),
            "mistral/xy",
            MISTRAL,
            NoCredential,
            "serves the model xy; take it out of one's excluded models",
        ),
        (snapshot(credential("voyage")), "voyage/voyage-3.5", MISTRAL, InvalidRequest, "cannot be called"),
    ],
)
def test_what_cannot_be_served_is_explained(
    configuration: Snapshot, model: str | None, dialects: tuple[Dialect, ...], error: type[GatewayError], says: str
) -> None:
    with pytest.raises(error, match=says):
        ask(configuration, model, dialects, Operation.MODELS if model is None else Operation.CHAT)


@pytest.mark.parametrize(
    ("models", "excluded", "model", "serves"),
    [
        ((), (), "mistral/a-1", True),
        (("a-1",), (), "mistral/a-1", True),
        (("a-*",), (), "mistral/a-1", True),
        (("mistral/a-*",), (), "mistral/a-1", True),
        (("b-*",), (), "mistral/a-1", False),
        ((), ("a-1",), "mistral/a-1", False),
        ((), ("a-1",), "mistral/a-12", True),
        ((), ("*-1",), "mistral/a-1", False),
        ((), ("mistral/a-*",), "mistral/a-1", False),
        (("a-1",), ("a-1",), "mistral/a-1", False),  # to exclude wins
        (("a-*",), ("a-2",), "a-1", True),  # a bare name is known by a pattern too
    ],
)
def test_a_credential_serves_what_it_lists_and_does_not_exclude(
    models: tuple[str, ...], excluded: tuple[str, ...], model: str, serves: bool
) -> None:
    one = credential("mistral", models=models, excluded_models=excluded)
    configuration = snapshot(one, credential("openai"))
    if serves:
        assert ask(configuration, model, OPENAI).credential == one
    else:
        with pytest.raises(NoCredential):
            ask(configuration, model, OPENAI)


def test_a_call_goes_to_the_credential_that_does_not_exclude_its_model() -> None:
    both = snapshot(credential("mistral", "a", excluded_models=("big-*",)), credential("mistral", "b", weight=0.001))
    assert ask(both, "mistral/big-1", MISTRAL).credential.name == "b"
    assert ask(both, "mistral/small-1", MISTRAL).credential.name == "a"


def test_opaque_paths_stay_on_the_native_surface() -> None:
    attempt = ask(BOTH, "mistral/mistral-ocr-latest", MISTRAL, Operation.OPAQUE, "/v1/ocr")
    assert (attempt.route.path, attempt.route.upstream_model, attempt.route.tier) == (
        "/v1/ocr",
        "mistral-ocr-latest",
        Tier.RELAY,
    )
    with pytest.raises(NotFound):
        ask(BOTH, None, MISTRAL, Operation.OPAQUE, "/admin")


RESPONSES = (Dialect.OPENAI_RESPONSES,)


def keeper(configuration: Snapshot, path: str = "/v1/responses/resp_1", pinned: str | None = None) -> Attempt:
    wish = Wish("o1", Environment.PROD, RESPONSES, Operation.RESPONSE, path, None, pinned=pinned)
    (choice,) = plan(configuration, wish, lambda: 0.0).choices
    return choice.attempts[0]


@pytest.mark.parametrize(
    ("providers", "pinned", "provider", "path"),
    [
        (("openai",), None, "openai", "/v1/responses/resp_1"),
        (("fireworks", "mistral"), None, "fireworks", "/inference/v1/responses/resp_1"),
        (("azure_openai", "openai", "xai"), None, "openai", "/v1/responses/resp_1"),
        (("azure_openai", "openai", "xai"), "azure", "azure_openai", "/openai/v1/responses/resp_1"),
        (("azure_openai", "openai", "xai"), "xai", "xai", "/v1/responses/resp_1"),
    ],
)
def test_a_response_is_looked_for_at_one_that_keeps_them(
    providers: tuple[str, ...], pinned: str | None, provider: str, path: str
) -> None:
    attempt = keeper(snapshot(*(credential(name, home=True) for name in providers)), pinned=pinned)
    assert (attempt.route.provider.id, attempt.route.path, attempt.route.tier) == (provider, path, Tier.RELAY)


def test_what_is_kept_of_a_response_has_a_path_of_its_own_and_is_no_template() -> None:
    attempt = keeper(snapshot(credential("openai", home=True)), "/responses/{api_key}/input_items")
    assert attempt.path(stream=False) == "/v1/responses/%7Bapi_key}/input_items"


@pytest.mark.parametrize(
    ("configuration", "pinned"),
    [
        (snapshot(credential("mistral", home=True), credential("groq", home=True)), None),
        (snapshot(credential("openai", home=True)), "mistral"),
        (snapshot(credential("openai", organization_id=None)), None),
        (snapshot(credential("openai", home=True), credential("openai", "b", organization_id="o2")), None),
        (snapshot(credential("openai", environment=Environment.TEST, home=True)), None),
    ],
)
def test_no_response_is_looked_for_where_none_is_kept_or_the_account_may_be_anothers(
    configuration: Snapshot, pinned: str | None
) -> None:
    with pytest.raises(NotFound, match=r"^Response with id 'resp_1' not found\."):
        keeper(configuration, pinned=pinned)


def test_a_kept_response_is_asked_of_the_home_credential() -> None:
    configuration = snapshot(credential("openai", "a"), credential("openai", "b", home=True, weight=0))
    assert keeper(configuration).credential.name == "b"
    with pytest.raises(NoCredential, match="providers home openai/a"):
        keeper(snapshot(credential("openai", "a")))


def test_a_bare_name_that_nobody_claims_is_openais_on_the_surface_of_responses() -> None:
    attempt = ask(BOTH, "a-model-from-next-year", RESPONSES, Operation.RESPONSES, "/v1/responses")
    assert (attempt.route.provider.id, attempt.route.tier) == ("openai", Tier.RELAY)


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
    ("configuration", "wished"),
    [
        (BOTH, {"model": "x" * 10_000}),
        (snapshot(credential("mistral", models=("a",))), {"model": f"mistral/{'x' * 10_000}"}),
        (BOTH, {"model": "gpt-4o", "pinned": "x" * 10_000}),
    ],
)
def test_an_error_does_not_repeat_all_that_a_caller_wrote(configuration: Snapshot, wished: dict[str, str]) -> None:
    wish = Wish("o1", Environment.PROD, OPENAI, Operation.CHAT, "", wished["model"], pinned=wished.get("pinned"))
    with pytest.raises(GatewayError) as caught:
        plan(configuration, wish, lambda: 0.0)
    assert len(caught.value.message) < 2000
    assert "xxx…" in caught.value.message


@pytest.mark.parametrize("order", [("google_gemini_ai", "google_vertex_ai"), ("google_vertex_ai", "google_gemini_ai")])
@pytest.mark.parametrize(
    ("root", "provider"), [("/google/vertexai", "google_vertex_ai"), ("/google/gemini", "google_gemini_ai")]
)
def test_of_two_providers_with_the_same_models_the_surface_has_its_own(
    order: tuple[str, ...], root: str, provider: str
) -> None:
    wish = Wish("o1", Environment.PROD, (Dialect.GEMINI,), Operation.CHAT, "", "gemini-2.5-flash", root)
    assert find_route(snapshot(*map(credential, order)), wish).provider.id == provider


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
        {"mistral": [{"credentials": {"api_key": "k"}, "weight": 10**400}]},
        {"mistral": [{"credentials": {"api_key": "k"}, "weight": 1e300}]},
        {"mistral": [{"credentials": {"api_key": "k"}, "available_models": [{}, ["x"], 5]}]},
        {"mistral": [{"api_key": "k"}]},
    ],
)
def test_malformed_credentials_are_refused_without_being_shown(customer: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ask(BOTH, "mistral/x", customer=customer)
    assert "x-injected" not in caught.value.message


# Paths with places, and models that speak one of their provider's dialects

ANTHROPIC, GEMINI = (Dialect.ANTHROPIC,), (Dialect.GEMINI,)
FIELDS: dict[str, dict[str, str]] = {
    "google_vertex_ai": {
        "vertex_ai_credentials": "{}",
        "vertex_ai_project": "p 1",
        "vertex_ai_location": "europe-west4",
    },
    "azure_openai": {"api_key": "k", "api_base": "", "api_version": "2024-10-21"},
    "bedrock": {"api_key": "k", "aws_region_name": "eu-west-1"},
    "cloudflare": {"api_key": "k", "account_id": "acc"},
    "snowflake": {"api_key": "k", "account": "org-acc"},
}


def of_fields(provider: str, base_url: str | None = None, **fields: str) -> CredentialRecord:
    secrets = {name: Secret(text) for name, text in {**FIELDS[provider], **fields}.items()}
    return credential(provider, base_url=base_url or load_catalog()[provider].base_url, secrets=secrets)


VERTEX = "/v1/projects/p%201/locations/europe-west4/publishers"


@pytest.mark.parametrize(
    ("record", "model", "dialects", "url", "stream_path", "tier"),
    [
        (
            of_fields("google_vertex_ai"),
            "vertex_ai/gemini-2.5-flash",
            GEMINI,
            f"https://europe-west4-aiplatform.googleapis.com{VERTEX}/google/models/gemini-2.5-flash:generateContent",
            f"{VERTEX}/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
            Tier.RELAY,
        ),
        (
            of_fields("google_vertex_ai"),
            "vertex_ai_beta/gemini-2.5-flash",
            OPENAI,
            f"https://europe-west4-aiplatform.googleapis.com{VERTEX}/google/models/gemini-2.5-flash:generateContent",
            f"{VERTEX}/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
            Tier.TRANSLATE,
        ),
        (
            of_fields("google_vertex_ai"),
            "vertex_ai/claude-sonnet-4-5@20250929",
            ANTHROPIC,
            "https://europe-west4-aiplatform.googleapis.com"
            f"{VERTEX}/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
            f"{VERTEX}/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict",
            Tier.ADAPT,  # the model leaves the body, and the format's version enters it
        ),
        (
            of_fields("google_vertex_ai", vertex_ai_location="global", vertex_ai_project="p"),
            "vertex_ai/gemini-2.5-flash",
            GEMINI,
            "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google/models/"
            "gemini-2.5-flash:generateContent",
            "/v1/projects/p/locations/global/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
            Tier.RELAY,
        ),
        (
            of_fields("bedrock"),
            "bedrock/us.meta.llama4-v1:0",
            OPENAI,
            "https://bedrock-runtime.eu-west-1.amazonaws.com/model/us.meta.llama4-v1%3A0/converse",
            "/model/us.meta.llama4-v1%3A0/converse-stream",
            Tier.TRANSLATE,
        ),
        (
            of_fields("azure_openai", "https://me.openai.azure.com"),
            "azure/my:deploy@1",
            OPENAI,
            "https://me.openai.azure.com/openai/deployments/my%3Adeploy@1/chat/completions?api-version=2024-10-21",
            "/openai/deployments/my%3Adeploy@1/chat/completions?api-version=2024-10-21",
            Tier.RELAY,
        ),
        (
            of_fields("cloudflare"),
            "@cf/meta/llama-3.1-8b-instruct",
            OPENAI,
            "https://api.cloudflare.com/client/v4/accounts/acc/ai/v1/chat/completions",
            "/client/v4/accounts/acc/ai/v1/chat/completions",
            Tier.RELAY,
        ),
        (
            of_fields("snowflake"),
            "snowflake/claude-sonnet-4-5",
            ANTHROPIC,
            "https://org-acc.snowflakecomputing.com/api/v2/cortex/v1/messages",
            "/api/v2/cortex/v1/messages",
            Tier.RELAY,
        ),
        (
            of_fields("snowflake"),
            "snowflake/llama3.1-70b",
            ANTHROPIC,
            "https://org-acc.snowflakecomputing.com/api/v2/cortex/v1/chat/completions",
            "/api/v2/cortex/v1/chat/completions",
            Tier.TRANSLATE,
        ),
    ],
)
def test_where_a_call_goes(
    record: CredentialRecord, model: str, dialects: tuple[Dialect, ...], url: str, stream_path: str, tier: Tier
) -> None:
    attempt = ask(snapshot(record), model, dialects)
    assert attempt.base_url + attempt.path(stream=False) == url
    assert attempt.path(stream=True) == stream_path
    assert attempt.route.tier is tier


@pytest.mark.parametrize(
    ("provider", "lines"),
    [
        ("azure_openai", "api-key: k\r\n"),
        ("cloudflare", "authorization: Bearer k\r\n"),
        ("bedrock", ""),
        ("google_vertex_ai", ""),
    ],
)
def test_what_is_proven_anew_for_each_request_is_no_line_of_the_credential(provider: str, lines: str) -> None:
    record = of_fields(provider, "https://me.test")
    models = {"azure_openai": "azure/x", "google_vertex_ai": "vertex_ai/gemini-x"}
    assert ask(snapshot(record), models.get(provider, f"{provider}/x"), OPENAI).auth_lines() == lines


def test_claude_on_vertex_ai_has_its_version_in_the_body_and_its_name_in_the_path() -> None:
    rules = ask(snapshot(of_fields("google_vertex_ai")), "vertex_ai/claude-x@1", ANTHROPIC).route.rules
    assert (rules.omit, rules.default) == (("model",), {"anthropic_version": "vertex-2023-10-16"})
    assert ask(snapshot(of_fields("google_vertex_ai")), "vertex_ai/gemini-x", GEMINI).route.rules.omit == ()


@pytest.mark.parametrize(
    ("stored", "model", "provider"),
    [
        (("anthropic", "google_vertex_ai"), "claude-sonnet-4-5", "anthropic"),
        (("anthropic", "google_vertex_ai"), "claude-sonnet-4-5@20250929", "google_vertex_ai"),
        (("google_gemini_ai", "google_vertex_ai"), "gemini-2.5-flash", "google_gemini_ai"),
        (("google_vertex_ai",), "gemini-2.5-flash", "google_vertex_ai"),
        (("anthropic", "bedrock"), "anthropic.claude-sonnet-4-5-v1:0", "bedrock"),
        (("alibaba", "openai"), "qwen-plus", "alibaba"),
    ],
)
def test_a_bare_name_goes_home(stored: tuple[str, ...], model: str, provider: str) -> None:
    records = [of_fields(each) if each in FIELDS else credential(each) for each in stored]
    assert ask(snapshot(*records), model, OPENAI).route.provider.id == provider


@pytest.mark.parametrize(
    ("pinned", "model", "provider", "upstream"),
    [
        ("azure", "gpt-4o", "azure_openai", "gpt-4o"),
        ("azure_openai", "openai/gpt-4o", "azure_openai", "gpt-4o"),
        ("vertex_ai", "claude-sonnet-4-5@20250929", "google_vertex_ai", "claude-sonnet-4-5@20250929"),
        ("google_vertex_ai", "anthropic/claude-x", "google_vertex_ai", "claude-x"),
        ("bedrock", "anthropic.claude-x", "bedrock", "anthropic.claude-x"),
        ("together_ai", "meta-llama/Llama-3", "togetherai", "meta-llama/Llama-3"),
    ],
)
def test_a_provider_is_pinned_by_prefix_or_id(pinned: str, model: str, provider: str, upstream: str) -> None:
    wish = Wish("o1", Environment.PROD, OPENAI, Operation.CHAT, "", model, pinned=pinned)
    route = find_route(snapshot(), wish)
    assert (route.provider.id, route.upstream_model) == (provider, upstream)


def test_pinning_what_is_no_provider_names_those_there_are() -> None:
    wish = Wish("o1", Environment.PROD, OPENAI, Operation.CHAT, "", "gpt-4o", pinned="nobody")
    with pytest.raises(InvalidRequest, match="'nobody', which is no provider; known are ai21labs, alibaba"):
        find_route(snapshot(), wish)


# Credentials of several fields that the request brings

ACCOUNT = {"type": "service_account", "private_key": "-----BEGIN\ncanary", "client_email": "é@p.iam"}
ACCOUNT_LINE = '{"type":"service_account","private_key":"-----BEGIN\\ncanary","client_email":"\\u00e9@p.iam"}'
VERTEX_FIELDS = {"vertex_ai_credentials": ACCOUNT, "vertex_ai_project": "p", "vertex_ai_location": "us-east5"}
AWS = {"aws_access_key_id": "AKIA", "aws_secret_access_key": "canary", "aws_region_name": "eu-west-1"}


def shapes(provider: str, fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Return two of the shapes of `customer_credentials`; the third is made one of them when it is lifted."""
    return [
        {"customer": {provider: fields}},
        {"customer": {provider: [{"weight": 2, "credentials": fields}]}},
    ]


@pytest.mark.parametrize(
    ("model", "brought", "base_url", "secrets"),
    [
        *(
            (
                "vertex_ai/gemini-x",
                shape,
                "https://us-east5-aiplatform.googleapis.com",
                {**VERTEX_FIELDS, "vertex_ai_credentials": ACCOUNT_LINE},
            )
            for shape in (
                *shapes("google_vertex_ai", VERTEX_FIELDS),
                *shapes("vertex_ai", {**VERTEX_FIELDS, "vertex_ai_credentials": json.dumps(ACCOUNT, indent=2)}),
            )
        ),
        *(
            (
                "bedrock/meta.x",
                shape,
                "https://bedrock-runtime.eu-west-1.amazonaws.com",
                {"api_key": "", "aws_session_token": "", **AWS},
            )
            for shape in shapes("bedrock", AWS)
        ),
        *(
            (
                "azure/gpt-4o",
                shape,
                "https://me.openai.azure.com",
                {"api_key": "k", "api_base": "https://me.openai.azure.com/", "api_version": "2024-10-21"},
            )
            for shape in shapes("azure_openai", {"api_key": "k", "api_base": "https://me.openai.azure.com/"})
        ),
        (
            "azure/gpt-4o",
            {"override": {"azure/gpt-4o": {"api_key": "k", "api_base": "https://me.test", "api_version": "v"}}},
            "https://me.test",
            {"api_key": "k", "api_base": "https://me.test", "api_version": "v"},
        ),
        (
            "bedrock/meta.x",
            {"customer": {"bedrock": {"api_key": "k"}}},
            "https://bedrock-runtime.us-east-1.amazonaws.com",
            {
                "api_key": "k",
                "aws_access_key_id": "",
                "aws_secret_access_key": "",
                "aws_session_token": "",
                "aws_region_name": "us-east-1",
            },
        ),
    ],
)
def test_a_caller_brings_several_fields(
    model: str, brought: dict[str, Any], base_url: str, secrets: dict[str, str]
) -> None:
    attempt = ask(snapshot(), model, OPENAI, **brought)
    assert attempt.base_url == base_url
    assert {name: secret.reveal() for name, secret in attempt.credential.secrets.items()} == secrets
    assert attempt.callers_credential


@pytest.mark.parametrize(
    ("limits", "keys"),
    [
        (({}, {}), {"a", "b"}),
        (({"available_models": []}, {"exclude_models": []}), {"a", "b"}),
        (({"available_models": ["mistral/x"]}, {"available_models": ["y"]}), {"a"}),
        (({"available_models": ["y"]}, {"available_models": ["x"]}), {"b"}),
        (({"exclude_models": ["x"]}, {}), {"b"}),
        (({"exclude_models": ["y"]}, {"exclude_models": ["mistral/x"]}), {"a"}),
    ],
)
def test_a_callers_credential_may_be_for_some_models(limits: tuple[dict[str, Any], ...], keys: set[str]) -> None:
    entries = [{**limit, "credentials": {"api_key": key}} for key, limit in zip("ab", limits, strict=True)]
    attempts = [ask(BOTH, "mistral/x", customer={"mistral": entries}, draw=draw) for draw in (0.0, 0.99)]
    assert {attempt.credential.secrets["api_key"].reveal() for attempt in attempts} == keys


def test_a_callers_credentials_of_which_none_is_for_the_model_are_no_reason_to_take_ours() -> None:
    entries = [{"available_models": ["y"], "credentials": {"api_key": "c"}}]
    with pytest.raises(InvalidRequest, match="lists no credentials for this model"):
        ask(BOTH, "mistral/x", customer={"mistral": entries})


@pytest.mark.parametrize(
    ("model", "provider", "fields", "words"),
    [
        ("azure/x", "azure_openai", {"api_key": "canary"}, "customer_credentials.azure_openai.api_base is missing"),
        ("azure/x", "azure_openai", {"api_key": "canary", "api_base": "http://10.0.0.1"}, "must begin with https://"),
        ("azure/x", "azure_openai", {"api_key": "canary", "api_base": {"a": "canary"}}, "api_base is missing"),
        ("bedrock/x", "bedrock", {"aws_access_key_id": "canary"}, "needs either api_key or aws_access_key_id and"),
        ("bedrock/x", "bedrock", {}, "needs either api_key or aws_access_key_id and"),
        ("vertex_ai/gemini-x", "google_vertex_ai", {"vertex_ai_credentials": "canary"}, "must be a JSON object"),
        ("vertex_ai/gemini-x", "google_vertex_ai", {"vertex_ai_credentials": 5}, "must be a JSON object"),
        ("vertex_ai/gemini-x", "google_vertex_ai", {"vertex_ai_credentials": ACCOUNT}, "vertex_ai_project is missing"),
        ("cloudflare/x", "cloudflare", {"api_key": "canary", "account_id": "canäry"}, "account_id has characters"),
    ],
)
def test_what_a_caller_brings_is_whole_or_refused(
    model: str, provider: str, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words) as raised:
        ask(snapshot(), model, OPENAI, customer={provider: fields})
    assert "canary" not in raised.value.message
    assert (raised.value.param or "").startswith(f"customer_credentials.{provider}")


def test_what_callers_bring_for_two_providers_of_one_model_is_two_deployments() -> None:
    """And another caller's is a third: neither is tried in the other's place, nor pays for its failures."""
    wish = Wish("o1", Environment.PROD, EITHER, Operation.CHAT, "", "openai/gpt-4o")

    def deployments(key: str) -> list[str]:
        brought = {"openai": {"api_key": key}, "azure": {"api_key": key, "api_base": "https://me.openai.azure.com"}}
        made = plan(snapshot(), wish, lambda: 0.0, Terms(fallbacks=("azure/gpt-4o",), customer=brought))
        return [one.deployment_id for choice in made.choices for one in choice.attempts]

    assert deployments("canary") == deployments("canary")
    assert len({*deployments("canary"), *deployments("other")}) == 4
    assert "canary" not in "".join(deployments("canary"))
