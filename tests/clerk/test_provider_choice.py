"""Which provider is meant, and which base URLs are none."""

from contextlib import nullcontext

import pytest

from gantry.clerk.provider_choice import ChoiceError, check_base_url, check_key_given, choose_provider
from gantry.providers.spec import load_catalog
from gantry.store.providers import CustomProvider

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
    ("provider", "api_key", "api_key_env", "ok"),
    [
        ("mistral", True, False, True),
        ("mistral", False, True, True),
        ("mistral", False, False, False),
        ("mistral", True, True, False),
        ("ollama", False, False, True),
        ("ollama", True, False, True),
        ("ollama", True, True, False),
    ],
)
def test_a_declared_key_is_given_once_or_needs_none(provider: str, api_key: bool, api_key_env: bool, ok: bool) -> None:
    with nullcontext() if ok else pytest.raises(ChoiceError, match=f"{provider} needs either api_key or api_key_env"):
        check_key_given(CATALOG[provider], api_key, api_key_env)


@pytest.mark.parametrize(
    ("provider", "base_url", "message"),
    [
        ("mistrall", None, "Did you mean mistral?"),
        ("nobody", None, "Known are acme, cerebras, deepinfra,"),
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
    ],
)
def test_no_base_url(url: str) -> None:
    with pytest.raises(ChoiceError):
        check_base_url(url)
