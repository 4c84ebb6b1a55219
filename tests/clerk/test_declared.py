"""Declared objects: applied as one change, only where they differ, and gone when no longer declared."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from msgspec import structs

from gantry.clerk.declared import apply_declared
from gantry.core.secret import Secret
from gantry.home import Keyring
from gantry.providers.spec import load_catalog
from gantry.settings import DeclaredProvider
from gantry.store.control import ControlStore, default_organization
from gantry.store.credentials import (
    Credential,
    ManagedBy,
    NewCredential,
    add_credential,
    credentials_of,
    sealed_secrets,
)
from gantry.store.providers import custom_providers_of
from gantry.store.vault import Vault

VAULT = Vault(Keyring(b"m" * 32).vault)
CATALOG = load_catalog()
FROM_FILE = DeclaredProvider(provider="mistral", api_key=Secret("one"))


@pytest.fixture
def control(tmp_path: Path) -> Iterator[ControlStore]:
    with ControlStore(tmp_path / "control.db") as store:
        yield store


def _apply(
    control: ControlStore, declared: Sequence[DeclaredProvider] = (), environ: Mapping[str, str] | None = None
) -> tuple[list[Credential], list[str]]:
    problems = apply_declared(control, VAULT, CATALOG, declared, environ or {})
    with control.reading() as connection:
        return credentials_of(connection), problems


def _add_by_hand(control: ControlStore, name: str, **fields: object) -> None:
    new = NewCredential(provider_id="mistral", name=name, base_url="https://api.mistral.ai", **fields)  # type: ignore[arg-type]
    with control.reading() as connection:
        organization = default_organization(connection)
    with control.changing() as change:
        add_credential(change, VAULT, organization, new)


def test_what_a_declared_credential_leaves_out_is_stored_and_changes(control: ControlStore) -> None:
    (first,), problems = _apply(control, [structs.replace(FROM_FILE, exclude_models=("a-*",))])
    assert (first.excluded_models, problems) == (("a-*",), [])
    version = control.version()
    _apply(control, [structs.replace(FROM_FILE, exclude_models=("a-*",))])
    assert control.version() == version
    (second,), _ = _apply(control, [FROM_FILE])
    assert (second.excluded_models, second.id) == ((), first.id)


def test_a_declared_credential_becomes_everybodys_and_its_own_again(control: ControlStore) -> None:
    for platform in (True, False, True):
        (credential,), problems = _apply(control, [structs.replace(FROM_FILE, platform=platform)])
        assert (credential.platform, credential.home, problems) == (platform, not platform, [])
        version = control.version()
        _apply(control, [structs.replace(FROM_FILE, platform=platform)])
        assert control.version() == version


def test_a_key_in_the_environment_is_a_credential_by_reference(control: ControlStore) -> None:
    (credential,), problems = _apply(control, environ={"MISTRAL_API_KEY": "canary", "HOME": "/"})
    assert (credential.provider_id, credential.source) == ("mistral", "MISTRAL_API_KEY")
    assert credential.managed_by is ManagedBy.ENVIRONMENT
    assert problems == []
    with control.reading() as connection:
        assert sealed_secrets(connection) == {}
    assert _apply(control)[0] == []


@pytest.mark.parametrize(
    ("environ", "base_url"),
    [
        (
            {"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://me.openai.azure.com/"},
            "https://me.openai.azure.com",
        ),
        ({"AWS_BEARER_TOKEN_BEDROCK": "k"}, "https://bedrock-runtime.{aws_region_name}.amazonaws.com"),
    ],
)
def test_what_a_key_needs_beside_it_is_in_the_environment_too(
    control: ControlStore, environ: dict[str, str], base_url: str
) -> None:
    (credential,), problems = _apply(control, environ=environ)
    assert (credential.base_url, credential.source) == (base_url, next(iter(environ)))
    assert problems == []
    version = control.version()
    _apply(control, environ=environ)
    assert control.version() == version


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        (
            {"AZURE_OPENAI_API_KEY": "canary"},
            "$AZURE_OPENAI_API_KEY is not used: Azure OpenAI also needs its Endpoint: https://NAME.openai.azure.com, "
            "in $AZURE_OPENAI_ENDPOINT or $AZURE_API_BASE",
        ),
        (
            {"AZURE_OPENAI_API_KEY": "canary", "AZURE_API_BASE": "me"},
            "$AZURE_OPENAI_API_KEY is not used: 'me' is no base URL; it looks like https://api.mistral.ai",
        ),
    ],
)
def test_a_key_that_lacks_what_it_needs_is_not_used(
    control: ControlStore, environ: dict[str, str], problem: str
) -> None:
    assert _apply(control, environ=environ) == ([], [problem])


KEYS = {"aws_access_key_id": Secret("AKIA"), "aws_secret_access_key": Secret("s")}


@pytest.mark.parametrize(
    ("entry", "base_url", "kept"),
    [
        (
            DeclaredProvider(provider="bedrock", fields=KEYS),
            "https://bedrock-runtime.{aws_region_name}.amazonaws.com",
            KEYS,
        ),
        (
            DeclaredProvider(
                provider="azure", api_key=Secret("k"), fields={"api_base": Secret("https://me.azure.test/")}
            ),
            "https://me.azure.test",
            {"api_key": Secret("k")},
        ),
        (
            DeclaredProvider(provider="azure", fields={"api_key": Secret("k")}, base_url="https://me.azure.test"),
            "https://me.azure.test",
            {"api_key": Secret("k")},
        ),
        (
            DeclaredProvider(
                provider="vertex_ai",
                fields={"vertex_ai_credentials": Secret('{ "a": 1 }'), "vertex_ai_project": Secret("p")},
            ),
            "https://{vertex_ai_location}-aiplatform.googleapis.com",
            {"vertex_ai_credentials": Secret('{"a":1}'), "vertex_ai_project": Secret("p")},
        ),
        (
            DeclaredProvider(provider="cloudflare", api_key_env="CF", fields={"account_id": Secret("a")}),
            "https://api.cloudflare.com",
            {"account_id": Secret("a")},
        ),
    ],
    ids=["access key", "address in fields", "address", "service account", "a key in the environment"],
)
def test_a_credential_of_several_fields(
    control: ControlStore, entry: DeclaredProvider, base_url: str, kept: dict[str, Secret]
) -> None:
    (credential,), problems = _apply(control, [entry])
    assert (credential.base_url, problems) == (base_url, [])
    with control.reading() as connection:
        sealed = sealed_secrets(connection)[credential.id]
    assert {name: VAULT.open(value, credential.place(name)) for name, value in sealed.items()} == kept
    version = control.version()
    _apply(control, [entry])
    assert control.version() == version


def test_a_variable_that_is_empty_is_not_set(control: ControlStore) -> None:
    assert _apply(control, environ={"MISTRAL_API_KEY": " "}) == ([], [])


def test_a_provider_that_needs_no_key_is_declared_without_one(control: ControlStore) -> None:
    (credential,), problems = _apply(control, [DeclaredProvider(provider="ollama")])
    assert (credential.provider_id, credential.base_url, credential.source) == (
        "ollama",
        "http://127.0.0.1:11434",
        None,
    )
    assert problems == []


def test_applying_again_changes_nothing(control: ControlStore) -> None:
    custom = DeclaredProvider(provider="acme", api_key=Secret("x"), base_url="https://acme.test/v1")
    environ = {"OPENAI_API_KEY": "k"}
    first = _apply(control, [FROM_FILE, custom], environ)
    version = control.version()
    assert _apply(control, [FROM_FILE, custom], environ) == first
    assert control.version() == version
    assert len(first[0]) == 3


def test_a_changed_secret_is_stored_under_the_same_id(control: ControlStore) -> None:
    (before,), _ = _apply(control, [FROM_FILE])
    (after,), _ = _apply(control, [DeclaredProvider(provider="mistral", api_key=Secret("two"), weight=3)])
    assert (after.id, after.weight) == (before.id, 3)
    with control.reading() as connection:
        sealed = sealed_secrets(connection)[after.id]["api_key"]
    assert VAULT.open(sealed, after.place("api_key")) == Secret("two")


def test_what_is_no_longer_declared_goes_with_its_provider(control: ControlStore) -> None:
    _add_by_hand(control, "mine", secrets={"api_key": Secret("x")})
    custom = DeclaredProvider(provider="acme", api_key=Secret("x"), base_url="https://acme.test")
    _apply(control, [FROM_FILE, custom])
    left, _ = _apply(control)
    assert [credential.name for credential in left] == ["mine"]
    with control.reading() as connection:
        assert custom_providers_of(connection) == []


def test_a_changed_base_url_moves_a_declared_provider(control: ControlStore) -> None:
    for host in ("https://one.test", "https://two.test"):
        declared = DeclaredProvider(provider="acme", api_key=Secret("x"), base_url=host)
        (credential,), _ = _apply(control, [declared])
        assert credential.base_url == host
        with control.reading() as connection:
            assert [custom.base_url for custom in custom_providers_of(connection)] == [host]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (DeclaredProvider(provider="acme", api_key=Secret("x")), "no provider 'acme'"),
        (DeclaredProvider(provider="mistral"), "needs either api_key or api_key_env"),
        (DeclaredProvider(provider="mistral", api_key=Secret("x"), api_key_env="V"), "needs either"),
        (DeclaredProvider(provider="mistral", api_key=Secret("x"), base_url="ftp://x"), "is no base URL"),
        (DeclaredProvider(provider="mistral", api_key=Secret("x"), name="mine"), "mistral/mine exists already"),
        (FROM_FILE, "mistral/gantry.toml exists already"),
        (DeclaredProvider(provider="azure", api_key=Secret("x")), "each Azure OpenAI server has its own address"),
        (DeclaredProvider(provider="bedrock"), "needs either api_key or aws_access_key_id and aws_secret_access_key"),
        (DeclaredProvider(provider="bedrock", fields={"region": Secret("x")}), "bedrock has no field 'region'"),
        (DeclaredProvider(provider="mistral", api_key_env="V", fields={"api_key": Secret("x")}), "needs either"),
    ],
)
def test_an_object_that_cannot_be_used_refuses_itself_alone(
    control: ControlStore, entry: DeclaredProvider, problem: str
) -> None:
    _add_by_hand(control, "mine", secrets={"api_key": Secret("x")})
    found, problems = _apply(control, [FROM_FILE, entry])
    assert [credential.name for credential in found] == ["mine", "gantry.toml"]
    assert len(problems) == 1
    assert problems[0].startswith("gantry.toml: providers[1]: ")
    assert problem in problems[0]


def test_a_variable_in_use_is_not_offered_twice(control: ControlStore) -> None:
    environ = {"MISTRAL_API_KEY": "k"}
    declared = DeclaredProvider(provider="mistral", api_key_env="MISTRAL_API_KEY", weight=2)
    (credential,), _ = _apply(control, [declared], environ)
    assert credential.managed_by is ManagedBy.FILE
    _apply(control)
    _add_by_hand(control, "mine", source="MISTRAL_API_KEY")
    (credential,), _ = _apply(control, environ=environ)
    assert credential.name == "mine"
