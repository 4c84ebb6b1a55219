"""Providers as rows: the strict loader, the catalogue that comes with this version, and a user's own."""

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.secret import Secret
from gantry.core.vocabulary import STATEFUL_OPERATIONS, Dialect, Operation
from gantry.dial.origin import parse_base_url
from gantry.dialects.rules import RequestRules
from gantry.providers.spec import (
    Auth,
    AuthScheme,
    CredentialField,
    ModelRules,
    ProviderSpec,
    SpecError,
    custom_spec,
    fill_template,
    load_catalog,
    normalise_base_url,
    parse_spec,
    read_field,
)

CATALOG = load_catalog()
OTHER_HOSTS = {
    spec.id: tuple(url for urls in spec.base_url_where.values() for url in urls.values()) for spec in CATALOG.values()
}
ROW = """
id = "acme"
name = "Acme"
base_url = "https://api.acme.example"
models = ["acme-*"]

[auth]
scheme = "header"
name = "x-api-key"

[[fields]]
name = "api_key"
label = "Key"

[paths.openai_chat]
chat = "/v1/chat/completions"

[request]
rename = { max_completion_tokens = "max_tokens" }
drop = ["logit_bias"]
clamp = { temperature = [0, 1.5] }
default = { top_p = 0.9 }

[[request_for]]
models = ["acme-think-*"]
drop = ["temperature"]
"""

CLOUD = """
id = "cloud"
name = "Cloud"
base_url = "https://{region}.cloud.example"
either = [["api_key"], ["key_id", "key_secret"]]
[base_url_where.region]
global = "https://cloud.example"
[[fields]]
name = "api_key"
label = "API key"
required = false
[[fields]]
name = "key_id"
label = "Key id"
required = false
[[fields]]
name = "key_secret"
label = "Key secret"
required = false
[[fields]]
name = "account"
label = "Account"
secret = false
[[fields]]
name = "region"
label = "Region"
secret = false
host = true
default = "eu-1"
[paths.openai_chat]
chat = "/v1/{account}/models/{model}/chat"
[paths.anthropic]
chat = "/v1/{account}/messages"
[dialect_models]
anthropic = ["claude-*"]
"""


def row_with(old: str, new: str) -> str:
    assert old in ROW
    return ROW.replace(old, new)


# The loader


def test_a_row_is_read() -> None:
    assert parse_spec(ROW, "acme.toml") == ProviderSpec(
        id="acme",
        name="Acme",
        base_url="https://api.acme.example",
        paths={Dialect.OPENAI_CHAT: {Operation.CHAT: "/v1/chat/completions"}},
        auth=Auth(AuthScheme.HEADER, "x-api-key"),
        fields=(CredentialField("api_key", "Key"),),
        models=("acme-*",),
        request=RequestRules(
            {"max_completion_tokens": "max_tokens"}, ("logit_bias",), {"temperature": (0, 1.5)}, {"top_p": 0.9}
        ),
        request_for=(ModelRules(models=("acme-think-*",), drop=("temperature",)),),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (row_with("name =", "nmae = 1\nname ="), ["nmae"]),
        (row_with("[auth]", "[auth]\nsheme = 1"), ["sheme", "$.auth"]),
        (row_with('label = "Key"', 'label = "Key"\nhint = "x"'), ["hint", "$.fields[0]"]),
        (row_with("[paths.openai_chat]", "[paths.cobol]"), ["cobol", "$.paths"]),
        (row_with("chat = ", "chatter = "), ["chatter", "$.paths"]),
        (row_with('"header"', '"telepathy"'), ["telepathy", "$.auth.scheme"]),
        (row_with('id = "acme"', ""), ["id"]),
        (row_with('id = "acme"', "id = 5"), ["$.id"]),
        (row_with("[auth]", "[auth"), ["line 7"]),
        (row_with(".example", ".example/v1"), ["base_url", "/v1"]),
        (row_with(".example", ".example/v1/"), ["base_url", "/v1"]),
        (row_with(".example", ".example/"), ["base_url", "/v1"]),
        (row_with("rename =", "renmae ="), ["renmae", "$.request"]),
        (row_with("[0, 1.5]", "[0]"), ["$.request.clamp"]),
        (row_with('models = ["acme-think', 'model = ["acme-think'), ["model", "$.request_for[0]"]),
        (row_with('"/v1/chat', '"v1/chat'), ["paths.openai_chat.chat", "slash"]),
        (row_with('"/v1/chat', '"https://evil.example/v1/chat'), ["paths.openai_chat.chat", "slash"]),
        (row_with('"/v1/chat', '"/v1/{account}/chat'), ["paths.openai_chat.chat", "{account}", "no field"]),
        (row_with('"/v1/chat', '"/v1/{api_key}/chat'), ["paths.openai_chat.chat", "{api_key}", "secret"]),
        (row_with("api.acme", "{region}.acme"), ["base_url", "{region}"]),
        (row_with("api.acme", "{model}.acme"), ["base_url", "{model}"]),
        (CLOUD.replace("host = true\n", ""), ["fields", "region", "host = true"]),
        (row_with('models = ["acme-*"]', 'probe = "/v1/{account}"'), ["probe", "{account}"]),
        (row_with('scheme = "header"', 'scheme = "header"\nfield = "token"'), ["token", "no field"]),
        (row_with('models = ["acme-*"]', 'either = [["api_key"], ["token"]]'), ["token", "no field"]),
        (row_with("[auth]", '[base_url_where.region]\neu = "https://eu"\n[auth]'), ["region", "no field"]),
        (ROW + '[stream_paths.openai_chat]\nchat = "v1/stream"\n', ["stream_paths.openai_chat.chat", "slash"]),
        (ROW + '[stream_paths.cobol]\nchat = "/v1/stream"\n', ["cobol", "$.stream_paths"]),
        (ROW + '[dialect_models]\ncobol = ["x"]\n', ["cobol", "$.dialect_models"]),
        (ROW + '[[failures]]\nkind = "limit"\nreason = "x"\n', ["reason", "$.failures[0]"]),
        (ROW + '[[failures]]\nkind = "bad_luck"\nstatus = 400\n', ["bad_luck", "$.failures[0].kind"]),
        (ROW + "[[failures]]\nstatus = 400\n", ["kind", "$.failures[0]"]),
        (ROW + '[[failures]]\nkind = "limit"\n', ["failures", "limit", "says nothing"]),
        (ROW + '[[failures]]\nkind = "limit"\nmessage = " "\n', ["failures", "limit", "empty"]),
        (ROW + '[[failures]]\nkind = "limit"\nstatus = 400\ncode = ""\n', ["failures", "limit", "empty"]),
        (ROW + '[[failures]]\nkind = "limit"\nstatus = 200\n', ["failures", "200"]),
        (ROW + '[[failures]]\nkind = "limit"\nheader = "X-Limit: 0"\n', ["failures", "X-Limit", "lower case"]),
        (ROW + '[[failures]]\nkind = "limit"\nheader = "x-limit"\n', ["failures", "name: value"]),
    ],
)
def test_an_error_names_the_file_and_the_key(text: str, words: list[str]) -> None:
    with pytest.raises(SpecError) as raised:
        parse_spec(text, "acme.toml")
    message = str(raised.value)
    assert message.startswith("acme.toml: ")
    for word in words:
        assert word in message


def test_a_file_is_named_after_its_id(tmp_path: Path) -> None:
    folder = tmp_path / "catalog"
    folder.mkdir()
    (folder / "acme.toml").write_text(ROW)
    (folder / "README.md").write_text("not a row")
    assert list(load_catalog(folder)) == ["acme"]

    (folder / "acme.toml").rename(folder / "other.toml")
    with pytest.raises(SpecError, match=r"other\.toml: .* acme"):
        load_catalog(folder)


# The catalogue


def test_the_catalogue_is_sorted() -> None:
    assert list(CATALOG) == sorted(CATALOG)


@pytest.mark.parametrize("spec", CATALOG.values(), ids=CATALOG.keys())
def test_a_row_of_the_catalogue_is_sane(spec: ProviderSpec) -> None:
    values = {item.name: item.default or "some-place" for item in spec.fields}
    if spec.base_url and spec.needs_secret:
        for url in (spec.fill_base_url(spec.base_url, values), *OTHER_HOSTS.get(spec.id, ())):
            assert parse_base_url(url, private=False).origin.scheme == "https"
    for url in (spec.base_url, spec.base_url + spec.root) if spec.base_url else ():
        assert normalise_base_url(url, spec.root) == spec.base_url
    assert spec.name
    assert spec.id == spec.id.lower()
    assert spec.id in spec.prefixes
    assert spec.paths
    assert all(spec.paths.values())
    addresses = [item for item in spec.fields if item.address]
    assert len(addresses) <= 1
    assert all(item.environment for item in addresses) or not spec.environment  # a key alone would have nowhere to go
    assert spec.base_url or addresses or not spec.needs_secret
    assert not spec.probe or spec.probe.startswith("/")
    assert not any(item.default for item in spec.fields if item.secret)
    assert spec.auth.field in {field.name for field in spec.fields}
    assert spec.auth.name == spec.auth.name.lower()
    assert all(name == name.lower() for name in spec.request_id_headers)
    assert all(name == name.upper() and name.isidentifier() for name in spec.environment)
    assert (spec.native is None) == (not spec.native_prefixes)
    if spec.native is not None:
        assert spec.native in spec.paths
        for path in spec.paths[spec.native].values():
            assert path.startswith(tuple(f"{prefix}/" for prefix in spec.native_prefixes))
    assert not any(Operation.OPAQUE in operations for operations in spec.paths.values())
    if spec.auth.scheme is AuthScheme.SIGV4:  # what is signed is the whole path
        assert all("?" not in path for table in (spec.paths, spec.stream_paths) for path in table.values())
    for dialect, operations in spec.stream_paths.items():
        assert operations.keys() <= spec.paths[dialect].keys()
    assert spec.dialect_models.keys() <= spec.paths.keys()


def test_no_two_rows_answer_to_one_name() -> None:
    for kind in ("prefixes", "environment"):
        names = [name for spec in CATALOG.values() for name in getattr(spec, kind)]
        assert len(names) == len(set(names)), kind
    surfaces = [(spec.native, spec.native_root) for spec in CATALOG.values() if spec.native is not None]
    assert len(surfaces) == len(set(surfaces))


def test_no_bare_name_is_claimed_twice_but_where_that_is_meant() -> None:
    """Google's two doors have the same models, and a Claude with its date after an `@` is Vertex AI's."""
    claims = [(spec.id, pattern) for spec in CATALOG.values() for pattern in spec.models]
    overlaps = {
        (one, other)
        for one, pattern in claims
        for other, wider in claims
        if one != other
        and (fnmatchcase(pattern.replace("*", "x"), wider) or fnmatchcase(pattern.replace("*", ""), wider))
    }
    assert {tuple(sorted(pair)) for pair in overlaps} == {
        ("anthropic", "google_vertex_ai"),
        ("google_gemini_ai", "google_vertex_ai"),
    }


@pytest.mark.parametrize(
    ("model", "stronger", "weaker"),
    [("claude-sonnet-4-5@20250929", "google_vertex_ai", "anthropic"), ("claude-x", "anthropic", "google_vertex_ai")],
)
def test_the_closest_claim_is_the_strongest(model: str, stronger: str, weaker: str) -> None:
    assert CATALOG[stronger].claim_strength(model) > CATALOG[weaker].claim_strength(model)


@pytest.mark.parametrize("spec", CATALOG.values(), ids=CATALOG.keys())
def test_a_row_survives_the_snapshot(spec: ProviderSpec) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(spec), type=ProviderSpec) == spec


def test_mistral_serves_every_operation_of_its_api_that_is_one_request() -> None:
    paths = {name: path for operations in CATALOG["mistral"].paths.values() for name, path in operations.items()}
    elsewhere = {Operation.REALTIME, Operation.OPAQUE, Operation.COUNT_TOKENS, Operation.COMPLETIONS}
    elsewhere |= {Operation.EMBEDDING, Operation.RERANK}
    elsewhere |= {Operation.IMAGES, Operation.IMAGE_EDITS, Operation.IMAGE_VARIATIONS}
    assert set(Operation) - STATEFUL_OPERATIONS - paths.keys() == elsewhere
    assert Operation.AGENT_CHAT in paths


RULES = [
    ("groq", "any", RequestRules(drop=("logprobs", "top_logprobs", "logit_bias"))),
    ("deepseek", "any", RequestRules({"max_completion_tokens": "max_tokens"})),
    ("moonshot", "moonshot-v1-8k", RequestRules(clamp={"temperature": (0.0, 1.0)})),
    ("moonshot", "kimi-k3", RequestRules(drop=("temperature", "top_p", "presence_penalty", "frequency_penalty"))),
    ("xai", "grok-4-fast-reasoning", RequestRules(drop=("presence_penalty", "frequency_penalty"))),
    ("xai", "grok-4-fast-non-reasoning", RequestRules()),
    ("xai", None, RequestRules()),
    ("openai", "gpt-4o", RequestRules()),
    ("mistral", "mistral-small-latest", RequestRules()),
]


@pytest.mark.parametrize(("provider", "model", "rules"), RULES)
def test_the_rules_for_a_model(provider: str, model: str | None, rules: RequestRules) -> None:
    assert CATALOG[provider].rules_for(model) == rules


def test_a_rule_of_the_models_own_wins() -> None:
    spec = parse_spec(row_with('drop = ["temperature"]', "clamp = { temperature = [1, 1] }"), "acme.toml")
    assert spec.rules_for("acme-think-1").clamp == {"temperature": (1, 1)}
    assert spec.rules_for("acme-1") == spec.request


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("mistral-large-latest", "mistral"),
        ("ministral-8b-2410", "mistral"),
        ("codestral-latest", "mistral"),
        ("open-mistral-nemo", "mistral"),
        ("gpt-4o-mini", "openai"),
        ("o3-mini", "openai"),
        ("text-embedding-3-small", "openai"),
        ("whisper-1", "openai"),
        ("deepseek-chat", "deepseek"),
        ("grok-4", "xai"),
        ("sonar-pro", "perplexity"),
        ("kimi-k3", None),  # open weights: many serve them
        ("deepseek-v4-1-flash-1017", None),
        ("claude-sonnet-4", "anthropic"),
        ("qwen-plus-latest", "alibaba"),
        ("@cf/meta/llama-3.1-8b-instruct", "cloudflare"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock"),
        ("voyage-3.5", "voyage"),
        ("glm-4.6", None),
        ("my-mistral-large", None),
        ("Mistral-Large", None),
        ("", None),
        ("*", None),
    ],
)
def test_a_bare_name_is_claimed_by_one_provider_or_none(model: str, provider: str | None) -> None:
    assert [spec.id for spec in CATALOG.values() if spec.claims(model)] == ([provider] if provider else [])


@given(st.text(max_size=20))
def test_claims_are_the_patterns_and_nothing_else(model: str) -> None:
    spec = parse_spec(ROW, "acme.toml")
    assert spec.claims(model) == fnmatchcase(model, "acme-*")
    assert spec.claims(f"acme-{model}")


# A user's own provider


def test_a_custom_provider_speaks_openai_chat_under_its_own_prefix() -> None:
    spec = custom_spec("ours", "Our own", "http://10.0.0.5:8000")
    assert (spec.id, spec.name, spec.base_url, spec.prefixes) == ("ours", "Our own", "http://10.0.0.5:8000", ("ours",))
    paths = CATALOG["openai"].paths[Dialect.OPENAI_CHAT]
    beside = {Operation.IMAGE_VARIATIONS: "/v1/images/variations"}
    ranks = {Operation.RERANK: "/v1/rerank"}  # as servers of open models do
    assert spec.paths[Dialect.OPENAI_CHAT] | beside == paths | ranks
    kept = {Operation.RESPONSE: "/v1/responses"}  # few servers keep any
    assert spec.paths[Dialect.OPENAI_RESPONSES] | kept == CATALOG["openai"].paths[Dialect.OPENAI_RESPONSES]
    assert spec.auth == Auth()
    assert not spec.claims("gpt-4o")
    assert spec.native is None
    assert not spec.needs_secret


@pytest.mark.parametrize(
    ("base_url", "root"),
    [
        ("https://llm.test", "/v1"),
        ("https://llm.test/base", "/v1"),
        ("https://v2.llm.test", "/v1"),
        ("https://llm.test/v4", ""),
        ("https://llm.test/api/paas/v4", ""),
        ("https://llm.test/v1beta/openai", ""),
        ("https://llm.test/v1/account/gateway/compat", ""),
        ("https://llm.test/vision", "/v1"),
    ],
)
def test_a_custom_base_url_with_a_version_of_its_own_gets_no_other(base_url: str, root: str) -> None:
    spec = custom_spec("ours", "Our own", base_url)
    assert spec.paths[Dialect.OPENAI_CHAT][Operation.CHAT] == f"{root}/chat/completions"
    assert (spec.root, spec.probe) == (root, f"{root}/models")


@pytest.mark.parametrize(
    ("given_url", "kept"),
    [
        ("https://api.mistral.ai", "https://api.mistral.ai"),
        ("https://api.mistral.ai/", "https://api.mistral.ai"),
        ("https://api.mistral.ai/v1", "https://api.mistral.ai"),
        ("https://api.mistral.ai/v1/", "https://api.mistral.ai"),
        ("  https://api.mistral.ai/v1\n", "https://api.mistral.ai"),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api"),
        ("https://h//v1//", "https://h"),
        ("https://h/v1beta", "https://h/v1beta"),
        ("https://h/v10", "https://h/v10"),
        ("https://h/xv1", "https://h/xv1"),
    ],
)
def test_a_base_url_is_kept_without_its_version(given_url: str, kept: str) -> None:
    assert normalise_base_url(given_url) == kept
    assert normalise_base_url(kept) == kept


@pytest.mark.parametrize(
    ("given_url", "root", "kept"),
    [
        ("https://api.groq.com/openai/v1", "/openai/v1", "https://api.groq.com"),
        ("https://api.groq.com/openai/", "/openai/v1", "https://api.groq.com"),
        ("https://api.groq.com", "/openai/v1", "https://api.groq.com"),
        ("https://proxy.test/groq/openai/v1", "/openai/v1", "https://proxy.test/groq"),
        ("http://127.0.0.1:9700/v1", "/openai/v1", "http://127.0.0.1:9700"),
        ("https://api.deepinfra.com/v1/openai", "/v1/openai", "https://api.deepinfra.com"),
        ("https://api.deepinfra.com/v1", "/v1/openai", "https://api.deepinfra.com"),
        ("http://openai", "/openai/v1", "http://openai"),
        ("https://h/myopenai", "/openai/v1", "https://h/myopenai"),
        ("https://api.perplexity.ai", "", "https://api.perplexity.ai"),
        ("https://api.deepseek.com/v1", "", "https://api.deepseek.com"),
    ],
)
def test_a_base_url_is_kept_without_what_the_paths_carry(given_url: str, root: str, kept: str) -> None:
    assert normalise_base_url(given_url, root) == kept
    assert normalise_base_url(kept, root) == kept


@pytest.mark.parametrize(
    ("auth", "line"),
    [
        (Auth(), "authorization: Bearer s3cret"),
        (Auth(AuthScheme.BEARER, "x-token"), "x-token: Bearer s3cret"),
        (Auth(AuthScheme.HEADER, "x-api-key"), "x-api-key: s3cret"),
        (Auth(AuthScheme.HEADER), "authorization: s3cret"),
    ],
)
def test_a_secret_is_rendered_by_scheme(auth: Auth, line: str) -> None:
    assert auth.render("s3cret") == line
    assert auth.lines("s3cret") == f"{line}\r\n"
    assert auth.lines("") == ""


# Places in paths and base URLs, and the fields that go there


@pytest.mark.parametrize(
    ("template", "values", "filled"),
    [
        ("/v1/chat", {"model": "m"}, "/v1/chat"),
        ("/model/{model}/converse", {"model": "us.meta.llama-v1:0"}, "/model/us.meta.llama-v1%3A0/converse"),
        ("/models/{model}:run", {"model": "a/b c?d#e%"}, "/models/a%2Fb%20c%3Fd%23e%25:run"),
        ("/models/{model}:raw", {"model": "claude-sonnet-4-5@20250929"}, "/models/claude-sonnet-4-5@20250929:raw"),
        ("/{model}", {"model": "übermodell"}, "/%C3%BCbermodell"),
        ("/{model}", {"model": "{region}"}, "/%7Bregion%7D"),
        ("/x?api-version={api_version}", {"api_version": "2024&admin=1"}, "/x?api-version=2024%26admin%3D1"),
        ("https://{region}.x", {"region": "evil.test/"}, "https://evil.test%2F.x"),
        ("/{a}/{b}", {"a": "1"}, "/1/"),
    ],
)
def test_places_are_filled_and_encoded(template: str, values: dict[str, str], filled: str) -> None:
    assert fill_template(template, values) == filled


@pytest.mark.parametrize("value", ["evil.test/", "evil.test:443", "a b", "evil.test#", "user@evil.test", "ü", "x\\y"])
def test_what_no_host_has_makes_no_other_host(value: str) -> None:
    url = CATALOG["bedrock"].fill_base_url(CATALOG["bedrock"].base_url, {"aws_region_name": value})
    with pytest.raises(ValueError, match="host"):
        parse_base_url(url, private=False)


@pytest.mark.parametrize(
    ("base_url", "region", "filled"),
    [
        ("https://{region}.cloud.example", "eu-1", "https://eu-1.cloud.example"),
        ("https://{region}.cloud.example", "global", "https://cloud.example"),
        ("https://{region}.inner.example", "global", "https://global.inner.example"),
        ("http://127.0.0.1:9700", "global", "http://127.0.0.1:9700"),
    ],
)
def test_a_field_chooses_the_host(base_url: str, region: str, filled: str) -> None:
    assert parse_spec(CLOUD, "cloud.toml").fill_base_url(base_url, {"region": region}) == filled


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("us-central1", "us-central1-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_vertex_ai_has_hosts_that_span_regions(location: str, host: str) -> None:
    spec = CATALOG["google_vertex_ai"]
    assert spec.fill_base_url(spec.base_url, {"vertex_ai_location": location}) == f"https://{host}"


def test_only_what_is_no_secret_stands_in_a_place() -> None:
    secrets = {"api_key": Secret("k"), "account": Secret("a"), "region": Secret("r"), "other": Secret("x")}
    assert parse_spec(CLOUD, "cloud.toml").place_values(secrets) == {"account": "a", "region": "r"}


@pytest.mark.parametrize(
    ("given_names", "words"),
    [
        ({"api_key", "account"}, ""),
        ({"key_id", "key_secret", "account"}, ""),
        ({"api_key"}, "Cloud needs account (Account)"),
        ({"key_id", "account"}, "Cloud needs either api_key or key_id and key_secret"),
        ({"account"}, "Cloud needs either api_key or key_id and key_secret"),
    ],
)
def test_what_a_credential_lacks_is_named(given_names: set[str], words: str) -> None:
    assert parse_spec(CLOUD, "cloud.toml").explain_missing(given_names) == words


@pytest.mark.parametrize(
    ("provider", "model", "spoken"),
    [
        ("google_vertex_ai", "claude-sonnet-4-5@20250929", {Dialect.ANTHROPIC}),
        ("google_vertex_ai", "gemini-2.5-flash", {Dialect.GEMINI}),
        ("google_vertex_ai", None, {Dialect.GEMINI, Dialect.ANTHROPIC}),
        ("snowflake", "claude-sonnet-4-5", {Dialect.OPENAI_CHAT, Dialect.ANTHROPIC}),
        ("snowflake", "llama3.1-70b", {Dialect.OPENAI_CHAT}),
        ("zai", "glm-4.6", {Dialect.OPENAI_CHAT, Dialect.ANTHROPIC}),
    ],
)
def test_a_model_speaks_some_of_its_providers_dialects(provider: str, model: str | None, spoken: set[Dialect]) -> None:
    spec = CATALOG[provider]
    assert {dialect for dialect in spec.paths if spec.speaks(dialect, model)} == spoken


REGION = CredentialField("region", "Region", secret=False, host=True)
KEY, ACCOUNT = CredentialField("api_key", "API key"), CredentialField("account", "Account key", json=True)


@pytest.mark.parametrize(
    ("item", "given_value", "kept"),
    [
        (KEY, " k3y\n", "k3y"),
        (ACCOUNT, '{ "a": 1,\n "b": "é" }', '{"a":1,"b":"\\u00e9"}'),
        (ACCOUNT, {"private_key": "-----BEGIN\nX"}, '{"private_key":"-----BEGIN\\nX"}'),
    ],
)
def test_a_field_is_kept_as_one_line_of_ascii(
    item: CredentialField, given_value: str | dict[str, Any], kept: str
) -> None:
    assert read_field(item, given_value) == kept


@pytest.mark.parametrize(
    ("item", "given_value", "words"),
    [
        (KEY, "", "api_key is missing"),
        (KEY, " \n", "api_key is missing"),
        (KEY, 5, "api_key is missing"),
        (KEY, {"a": "canary"}, "api_key is missing"),
        (KEY, "canäry", "characters that no key has"),
        (KEY, "canary\r\nx-injected: 1", "characters that no key has"),
        (REGION, "canary/", "region has characters that no host has"),
        (REGION, "canary:443", "region has characters that no host has"),
        (REGION, "canary@x", "region has characters that no host has"),
        (KEY, "canary\x00", "characters that no key has"),
        (ACCOUNT, "canary", "account must be a JSON object: the whole content of the file"),
        (ACCOUNT, '["canary"]', "account must be a JSON object"),
        (ACCOUNT, "", "account must be a JSON object"),
        (ACCOUNT, 5, "account must be a JSON object"),
        (ACCOUNT, ["canary"], "account must be a JSON object"),
        (ACCOUNT, '{"private_key": "canary', "account must be a JSON object"),
    ],
)
def test_what_is_no_field_is_refused_without_being_shown(item: CredentialField, given_value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as raised:
        read_field(item, given_value)
    assert "can" not in str(raised.value).replace("cannot", "")
