"""A credential's secrets, opened: from the vault and the environment, with defaults, or the reason why not."""

from typing import Any

import pytest

from gantry.clerk.open_secrets import open_secrets
from gantry.core.secret import Secret
from gantry.home import Keyring
from gantry.providers.credential_secrets import CredentialUnusable
from gantry.providers.spec import load_catalog
from gantry.store.credentials import Credential
from gantry.store.vault import Vault

VAULT = Vault(Keyring(b"m" * 32).vault)
CATALOG = load_catalog()


def opened(
    provider: str, kept: dict[str, str], source: str | None = None, environ: dict[str, str] | None = None
) -> dict[str, str]:
    credential = Credential(
        id="c1", organization_id="o1", provider_id=provider, name="main", base_url="https://x.test", source=source
    )
    sealed = {name: VAULT.seal(Secret(text), credential.place(name)) for name, text in kept.items()}
    found = open_secrets(credential, CATALOG[provider], sealed, VAULT, environ or {})
    return {name: secret.reveal() for name, secret in found.items()}


@pytest.mark.parametrize(
    ("arguments", "secrets"),
    [
        ({"provider": "mistral", "kept": {"api_key": "k"}}, {"api_key": "k"}),
        ({"provider": "ollama", "kept": {}}, {"api_key": ""}),
        (
            {"provider": "azure_openai", "kept": {"api_key": "k"}},
            {"api_key": "k", "api_base": "", "api_version": "2024-10-21"},
        ),
        (
            {
                "provider": "azure_openai",
                "kept": {},
                "source": "V",
                "environ": {"V": "k", "OPENAI_API_VERSION": "2025-01-01"},
            },
            {"api_key": "k", "api_base": "", "api_version": "2025-01-01"},
        ),
        (
            {
                "provider": "azure_openai",
                "kept": {"api_version": "mine"},
                "source": "V",
                "environ": {"V": "k", "OPENAI_API_VERSION": "2025-01-01"},
            },
            {"api_key": "k", "api_base": "", "api_version": "mine"},
        ),
        (  # a stored key does not mix with what lies in the environment
            {
                "provider": "cloudflare",
                "kept": {"api_key": "k", "account_id": "a"},
                "environ": {"CLOUDFLARE_ACCOUNT_ID": "b"},
            },
            {"api_key": "k", "account_id": "a"},
        ),
        (
            {
                "provider": "cloudflare",
                "kept": {},
                "source": "V",
                "environ": {"V": "k\n", "CLOUDFLARE_ACCOUNT_ID": " b "},
            },
            {"api_key": "k", "account_id": "b"},
        ),
        (
            {
                "provider": "google_vertex_ai",
                "kept": {"vertex_ai_project": "p"},
                "source": "V",
                "environ": {"V": '{\n "a": "é" }'},
            },
            {
                "vertex_ai_credentials": '{"a":"\\u00e9"}',
                "vertex_ai_project": "p",
                "vertex_ai_location": "us-central1",
            },
        ),
    ],
)
def test_what_is_opened(arguments: dict[str, Any], secrets: dict[str, str]) -> None:
    assert opened(**arguments) == secrets


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"provider": "mistral", "kept": {}}, "Mistral AI needs api_key"),
        ({"provider": "mistral", "kept": {}, "source": "V", "environ": {"V": " "}}, "$V is not set"),
        (
            {"provider": "mistral", "kept": {}, "source": "V", "environ": {"V": "canäry"}},
            "API key: api_key has characters",
        ),
        ({"provider": "ollama", "kept": {}, "source": "V"}, "$V is not set"),
        ({"provider": "cloudflare", "kept": {}, "source": "V", "environ": {"V": "canary"}}, "needs account_id"),
        (
            {"provider": "bedrock", "kept": {"aws_access_key_id": "canary"}},
            "needs either api_key or aws_access_key_id and",
        ),
        (
            {
                "provider": "google_vertex_ai",
                "kept": {"vertex_ai_project": "p"},
                "source": "V",
                "environ": {"V": "canary"},
            },
            "must be a JSON object",
        ),
    ],
)
def test_what_cannot_be_used_says_why_and_shows_nothing(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(CredentialUnusable) as raised:
        opened(**arguments)
    assert words in str(raised.value)
    assert "can" not in str(raised.value)


def test_a_secret_that_was_moved_does_not_open() -> None:
    credential = Credential(
        id="c1", organization_id="o1", provider_id="mistral", name="main", base_url="https://x.test"
    )
    sealed = {"api_key": VAULT.seal(Secret("canary"), credential.place("other"))}
    with pytest.raises(CredentialUnusable, match="its secret does not open"):
        open_secrets(credential, CATALOG["mistral"], sealed, VAULT, {})
