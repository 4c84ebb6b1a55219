"""Providers as rows: the strict loader, the catalogue that comes with this version, and a user's own."""

from fnmatch import fnmatchcase
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.vocabulary import STATEFUL_OPERATIONS, Dialect, Operation
from gantry.dial.origin import parse_base_url
from gantry.dialects.rules import RequestRules
from gantry.providers import spec as spec_module
from gantry.providers.spec import (
    Auth,
    AuthScheme,
    CredentialField,
    ModelRules,
    ProviderSpec,
    SpecError,
    custom_spec,
    load_catalog,
    normalise_base_url,
    parse_spec,
)

CATALOG = load_catalog()
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
    ],
)
def test_an_error_names_the_file_and_the_key(text: str, words: list[str]) -> None:
    with pytest.raises(SpecError) as raised:
        parse_spec(text, "acme.toml")
    message = str(raised.value)
    assert message.startswith("acme.toml: ")
    for word in words:
        assert word in message


def test_a_file_is_named_after_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "catalog"
    folder.mkdir()
    (folder / "acme.toml").write_text(ROW)
    (folder / "README.md").write_text("not a row")
    monkeypatch.setattr(spec_module, "files", lambda _: tmp_path)
    assert list(load_catalog()) == ["acme"]

    (folder / "acme.toml").rename(folder / "other.toml")
    with pytest.raises(SpecError, match=r"other\.toml: .* acme"):
        load_catalog()


# The catalogue


def test_the_catalogue_is_sorted() -> None:
    assert list(CATALOG) == sorted(CATALOG)


@pytest.mark.parametrize("spec", CATALOG.values(), ids=CATALOG.keys())
def test_a_row_of_the_catalogue_is_sane(spec: ProviderSpec) -> None:
    if spec.base_url and spec.needs_secret:
        assert parse_base_url(spec.base_url, private=False).origin.scheme == "https"
    for url in (spec.base_url, spec.base_url + spec.root) if spec.base_url else ():
        assert normalise_base_url(url, spec.root) == spec.base_url
    assert spec.name
    assert spec.id == spec.id.lower()
    assert spec.id in spec.prefixes
    assert spec.paths
    assert all(spec.paths.values())
    assert spec.base_url or not spec.environment  # a key alone would have nowhere to go
    assert spec.probe.startswith("/")
    assert spec.auth.field in {field.name for field in spec.fields}
    assert spec.auth.name == spec.auth.name.lower()
    assert all(name == name.lower() for name in spec.request_id_headers)
    assert all(name == name.upper() and name.isidentifier() for name in spec.environment)
    assert (spec.native is None) == (not spec.native_prefixes)
    if spec.native is not None:
        assert spec.native in spec.paths
        for path in spec.paths[spec.native].values():
            assert path.startswith(tuple(f"{prefix}/" for prefix in spec.native_prefixes))
    assert all(
        Operation.OPAQUE not in operations and all("?" not in path for path in operations.values())
        for operations in spec.paths.values()
    )


def test_no_two_rows_answer_to_one_name() -> None:
    for kind in ("prefixes", "environment", "models"):
        names = [name for spec in CATALOG.values() for name in getattr(spec, kind)]
        assert len(names) == len(set(names)), kind
    natives = [spec.native for spec in CATALOG.values() if spec.native is not None]
    assert len(natives) == len(set(natives))


@pytest.mark.parametrize("spec", CATALOG.values(), ids=CATALOG.keys())
def test_a_row_survives_the_snapshot(spec: ProviderSpec) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(spec), type=ProviderSpec) == spec


def test_mistral_serves_every_operation_that_is_one_request() -> None:
    paths = {name: path for operations in CATALOG["mistral"].paths.values() for name, path in operations.items()}
    elsewhere = {Operation.REALTIME, Operation.OPAQUE, Operation.COUNT_TOKENS}
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
        ("claude-sonnet-4", None),
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
    assert spec.paths == CATALOG["openai"].paths
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
