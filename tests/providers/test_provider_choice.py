"""Which provider is meant, and which base URLs are none."""

import re
from contextlib import nullcontext

import pytest

from gantry.core.custom_provider import CustomProvider
from gantry.core.secret import Secret
from gantry.providers.provider_choice import (
    ChoiceError,
    check_base_url,
    check_given,
    check_provider_id,
    choose_provider,
    is_same_host,
    read_fields,
)
from gantry.providers.spec import load_catalog

CATALOG = load_catalog()
ACME = CustomProvider(id="acme", organization_id="o", name="Acme", base_url="https://acme.test")


@pytest.mark.parametrize(
    ("provider", "base_url", "expected"),
    [
        ("mistral", None, ("https://api.mistral.ai", False)),
        ("mistral", "http://127.0.0.1:9700/v1/", ("http://127.0.0.1:9700", False)),
        ("groq", "https://api.groq.com/openai/v1", ("https://api.groq.com", False)),
        ("deepinfra", "https://di.test/v1/openai/", ("https://di.test", False)),
        ("vllm", "http://10.0.0.5:8000/v1", ("http://10.0.0.5:8000", False)),
        ("acme", None, ("https://acme.test", False)),
        ("acme", "https://eu.acme.test/v1", ("https://eu.acme.test", False)),
        ("new-one", "https://llm.test/base/v1", ("https://llm.test/base", True)),
    ],
)
def test_choice(provider: str, base_url: str | None, expected: tuple[str, bool]) -> None:
    choice = choose_provider(provider, base_url, CATALOG, [ACME])
    assert (choice.base_url, choice.is_new) == expected
    assert choice.spec.id == provider


@pytest.mark.parametrize("name", ["togetherai", "together", "together_ai"])
def test_each_prefix_names_its_provider(name: str) -> None:
    assert choose_provider(name, None, CATALOG, []).spec is CATALOG["togetherai"]


@pytest.mark.parametrize(
    ("provider", "given", "api_key_env", "ok"),
    [
        ("mistral", {"api_key"}, False, True),
        ("mistral", set(), True, True),
        ("mistral", set(), False, False),
        ("mistral", {"api_key"}, True, False),
        ("ollama", set(), False, True),
        ("ollama", {"api_key"}, False, True),
        ("ollama", {"api_key"}, True, False),
    ],
)
def test_a_declared_key_is_given_once_or_needs_none(
    provider: str, given: set[str], api_key_env: bool, ok: bool
) -> None:
    with nullcontext() if ok else pytest.raises(ChoiceError, match=f"{provider} needs either api_key or api_key_env"):
        check_given(CATALOG[provider], given, api_key_env)


@pytest.mark.parametrize(
    ("provider", "given", "api_key_env", "message"),
    [
        ("cloudflare", {"api_key"}, False, "needs account_id (Account id): give it in fields"),
        ("cloudflare", set(), True, None),  # $CLOUDFLARE_ACCOUNT_ID may be set with it
        ("cloudflare", {"api_key", "account_id"}, False, None),
        (
            "bedrock",
            {"aws_access_key_id"},
            False,
            "needs either api_key or aws_access_key_id and aws_secret_access_key",
        ),
        ("bedrock", {"aws_access_key_id", "aws_secret_access_key"}, False, None),
        ("google_vertex_ai", {"vertex_ai_credentials"}, False, "needs vertex_ai_project"),
        ("google_vertex_ai", {"vertex_ai_project"}, False, "needs either api_key or api_key_env"),
    ],
)
def test_a_declared_credential_is_whole(provider: str, given: set[str], api_key_env: bool, message: str | None) -> None:
    with nullcontext() if message is None else pytest.raises(ChoiceError, match=re.escape(message)):
        check_given(CATALOG[provider], given, api_key_env)


def test_fields_are_read_as_they_are_kept() -> None:
    read = read_fields(CATALOG["google_vertex_ai"], {"vertex_ai_project": " p ", "vertex_ai_credentials": '{"a": 1}\n'})
    assert read == {"vertex_ai_project": Secret("p"), "vertex_ai_credentials": Secret('{"a":1}')}


@pytest.mark.parametrize(
    ("provider", "fields", "message"),
    [
        ("mistral", {"region": "canary"}, "mistral has no field 'region'; it has api_key"),
        ("azure_openai", {"api_base": "canary"}, "no field 'api_base'; it has api_key, api_version"),
        ("google_vertex_ai", {"vertex_ai_credentials": "canary"}, "vertex_ai_credentials must be a JSON object"),
        ("bedrock", {"aws_region_name": "canäry"}, "aws_region_name has characters that no key has"),
        ("bedrock", {"aws_region_name": ""}, "aws_region_name is missing"),
    ],
)
def test_what_is_no_field_is_named_and_not_shown(provider: str, fields: dict[str, str], message: str) -> None:
    with pytest.raises(ChoiceError, match=re.escape(message)) as raised:
        read_fields(CATALOG[provider], fields)
    assert "can" not in str(raised.value)


@pytest.mark.parametrize(
    ("provider", "base_url", "message"),
    [
        ("mistrall", None, "Did you mean mistral?"),
        ("nobody", None, "Known are acme, ai21labs, alibaba, anthropic,"),
        ("vllm", None, "each vLLM server has its own address"),
        ("New One", "https://x.test", "lower-case letters"),
        ("a/b", "https://x.test", "lower-case letters"),
        ("a|b", "https://x.test", "lower-case letters"),
    ],
)
def test_no_choice(provider: str, base_url: str | None, message: str) -> None:
    with pytest.raises(ChoiceError) as raised:
        choose_provider(provider, base_url, CATALOG, [ACME])
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.mistral.ai",
        "ftp://x.test",
        "file:///etc/passwd",
        "https://",
        "https://x.test:0",
        "https://x.test:99999",
        "https://user:pass@x.test",
        "https://x.test?key=1",
        "https://x.test#a",
        "https://x.test/a b",
        "https://x.test/\r\nx",
        "https://é.test",
        "http://[::1",
        "https://a_b.test/é",
        "https://x'y.test",
        "http://169.254.169.254/v1",
        "http://[fe80::1]:8000",
        "http://0.0.0.0:8000",
        "http://224.0.0.1",
        "http://[::ffff:169.254.169.254]",
    ],
)
def test_no_base_url(url: str) -> None:
    with pytest.raises(ChoiceError):
        check_base_url(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://10.0.0.7/v1", "http://[::1]:8000", "http://gpu:8000"])
def test_the_operators_own_network_has_base_urls(url: str) -> None:
    assert check_base_url(url) == url.removesuffix("/v1")


def test_words_about_a_base_url_show_no_password() -> None:
    with pytest.raises(ChoiceError) as raised:
        check_base_url("https://user:canary@x.test:99999")
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "other", "same"),
    [
        ("https://x.test", "https://x.test/base", True),
        ("https://x.test", "http://x.test", False),
        ("https://x.test", "https://x.test:8443", False),
        ("https://x.test", "https://y.test", False),
        ("https://x.test", "https://x.test.evil.test", False),
    ],
)
def test_which_base_urls_lead_to_the_same_host(url: str, other: str, same: bool) -> None:
    assert is_same_host(url, other) is same


@pytest.mark.parametrize("name", ["mistral", "azure", "azure_openai"])
def test_a_name_of_the_catalogue_is_no_new_one(name: str) -> None:
    with pytest.raises(ChoiceError, match=f"{name} is a name of .* comes with Gantry"):
        check_provider_id(name, CATALOG)
