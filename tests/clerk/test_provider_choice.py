"""Which provider is meant, and which base URLs are none."""

import pytest

from gantry.clerk.provider_choice import ChoiceError, check_base_url, choose_provider
from gantry.providers.spec import load_catalog
from gantry.store.providers import CustomProvider

CATALOG = load_catalog()
ACME = CustomProvider(id="acme", organization_id="o", name="Acme", base_url="https://acme.test")


@pytest.mark.parametrize(
    ("provider", "base_url", "expected"),
    [
        ("mistral", None, ("https://api.mistral.ai", False)),
        ("mistral", "http://127.0.0.1:9700/v1/", ("http://127.0.0.1:9700", False)),
        ("acme", None, ("https://acme.test", False)),
        ("acme", "https://eu.acme.test/v1", ("https://eu.acme.test", False)),
        ("new-one", "https://llm.test/base/v1", ("https://llm.test/base", True)),
    ],
)
def test_choice(provider: str, base_url: str | None, expected: tuple[str, bool]) -> None:
    choice = choose_provider(provider, base_url, CATALOG, [ACME])
    assert (choice.base_url, choice.is_new) == expected
    assert choice.spec.id == provider


@pytest.mark.parametrize(
    ("provider", "base_url", "message"),
    [
        ("mistrall", None, "Did you mean mistral?"),
        ("nobody", None, "Known are acme, mistral, openai"),
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
