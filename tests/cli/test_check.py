"""`gantry check`: says what a start would meet, and writes nothing."""

from pathlib import Path

import pytest

from gantry.home import Home, load_keyring
from gantry.store.control import ControlStore, default_organization
from gantry.store.credentials import ManagedBy, NewCredential, add_credential
from gantry.store.vault import Vault
from tests.cli.conftest import Run
from tests.postgresql import needs_sqlite

TWICE = "[[models]]\nname = 'twice'\nbase = 'gpt-4o'\n"


def _files(path: Path) -> list[str]:
    return sorted(str(file.relative_to(path)) for file in path.rglob("*"))


def test_an_empty_place_is_fine_and_stays_empty(run: Run, home_path: Path) -> None:
    lines = run("check").stdout.splitlines()
    assert all(line.startswith("ok ") for line in lines)
    assert f"home: {home_path} is made at the first start" in lines[-1]
    assert not home_path.exists()


@needs_sqlite
def test_a_home_in_use_is_checked_down_to_its_snapshot(run: Run, home_path: Path) -> None:
    run("keys", "create", "dev")
    run("providers", "add", "mistral", "--api-key", "k")
    before = _files(home_path)
    lines = run("check").stdout.splitlines()
    assert lines[-1].startswith("ok    snapshot: version 3 can be published")
    assert "ok    logs.db: is made at the first start" in lines
    assert _files(home_path) == before


@pytest.mark.parametrize(
    ("toml", "environ", "finding"),
    [
        ("prot = 1", {}, "no setting 'prot'; did you mean 'port'?"),
        (
            "[oidc.idp]\nissuer = 'https://idp.test'\nclient_id = 'x'\nclient_secret_env = 'NOT_THERE'",
            {},
            "oidc.idp.client_secret_env: the environment has no NOT_THERE",
        ),
        ("", {"GANTRY_PORT": "x"}, "GANTRY_PORT: port: Expected `int`"),
        ("[[providers]]\nprovider = 'acme'\napi_key = 'k'", {}, "providers[0]: no provider 'acme'"),
        (
            "[[providers]]\nprovider = 'acme'\napi_key = 'k'\nbase_url = 'https://acme.test'\nplatform = true",
            {},
            "providers[0]: acme is a provider of your own, which other organizations do not know",
        ),
        ("[[providers]]\nprovider = 'mistral'", {}, "mistral needs either api_key or api_key_env"),
        ("[[providers]]\nprovider = 'mistral'\napi_key_env = 'V'", {}, "providers[0]: $V is not set"),
        ("[[providers]]\nprovider = 'bedrock'\nfields = { region = 'canary' }", {}, "bedrock has no field 'region'"),
        ("[[providers]]\nprovider = 'bedrock'", {}, "needs either api_key or aws_access_key_id and"),
        ("[[providers]]\nprovider = 'azure'\napi_key = 'k'", {}, "each Azure OpenAI server has its own address"),
        ("[[limits]]\nkey = 'ci'\ncost = 1.0", {}, "limits[0]: key: no API key has the id, prefix or name 'ci'"),
        ("[[limits]]\ncustomer = '*'\nrequests = 0", {}, "limits[0]: amount: it must be at least 1"),
        (
            "[[alert_channels]]\nname = 'a'\nurl = 'ftp://x'\nsecret = 's'",
            {},
            "alert_channels[0]: 'ftp://x' must start",
        ),
        ("[[alert_channels]]\nname = 'a'\nurl_env = 'V'\nsecret = 's'", {}, "alert_channels[0]: $V is not set"),
        ("smtp_url = 'mail.test'\nsmtp_from = 'a@x.test'", {}, "alerts: smtp_url must be smtp://USER"),
        ("smtp_url = 'smtp://mail.test'", {}, "alerts: smtp_from must be the e-mail address"),
        ("[books]\nmarkup = -1", {}, "books: Expected `float` >= 0"),
        ("[books]\nlow_balance = nan", {}, "gantry.toml: books.low_balance: nan USD is no amount to be held to"),
        ("[books]\nmarkup = nan", {}, "books: Expected `float` >= 0"),
        ("[[models]]\nname = 'm'\nbse = 'gpt-4o'", {}, "no setting 'models[0].bse'; did you mean 'base'?"),
        ("[[models]]\nname = 'm'\nbase = 'x'", {}, "gantry.toml: models[0].base: Base model not found: x"),
        ("[[models]]\nname = 'm'\nprovider = 'acme'", {}, "models[0].provider: Provider not found: acme"),
        ("[routing]\ngruops = []", {}, "gantry.toml: routing: there is no `gruops` here; did you mean `groups`?"),
        (
            "[[routing.groups]]\nid = 'g'\nmembers = [{ model = 'mistral/x', credential = 'c' }]",
            {"MISTRAL_API_KEY": "k"},
            "gantry.toml: routing: the group g names the credential c, and there is none",
        ),
        (f"{TWICE}{TWICE}", {}, "gantry.toml: models[1].name: twice is the name of models[0] already"),
    ],
)
def test_a_fault_fails_the_check(run: Run, home_path: Path, toml: str, environ: dict[str, str], finding: str) -> None:
    home_path.mkdir(mode=0o700)
    (home_path / "gantry.toml").write_text(toml)
    failed = [line for line in run("check", code=1, **environ).stdout.splitlines() if line.startswith("FAIL")]
    assert len(failed) == 1
    assert finding in failed[0]


def test_what_will_be_used_is_named(run: Run, home_path: Path) -> None:
    home_path.mkdir(mode=0o700)
    (home_path / "gantry.toml").write_text("port = 1234\n[[providers]]\nprovider = 'mistral'\napi_key = 'canary'")
    text = run("check", OPENAI_API_KEY="canary").stdout
    assert "listens on 127.0.0.1:1234" in text
    assert "providers[0]: mistral/gantry.toml for https://api.mistral.ai" in text
    assert "environment: $OPENAI_API_KEY is a credential for OpenAI" in text
    assert "canary" not in text


DECLARED = """
[[providers]]
provider = "acme"
api_key = "canary"
base_url = "https://acme.test"
models = ["our-own"]

[[models]]
name = "mine"
provider = "acme"

[[models]]
name = "team/fast"
base = "mistral/mistral-small-latest"
output_cost = 2.0

[[models]]
name = "listed"
base = "our-own"
"""


def test_declared_models_are_checked_beside_what_is_declared(run: Run, home_path: Path) -> None:
    home_path.mkdir(mode=0o700)
    (home_path / "gantry.toml").write_text(DECLARED)
    before = _files(home_path)
    lines = run("check").stdout.splitlines()
    assert lines[-3:] == [
        "ok    gantry.toml: models[0]: mine asks for mine of acme",
        "ok    gantry.toml: models[1]: team/fast asks for mistral/mistral-small-latest",
        "ok    gantry.toml: models[2]: listed asks for our-own",
    ]
    assert _files(home_path) == before


@pytest.mark.slow
def test_declared_models_are_checked_beside_what_was_added(run: Run, home_path: Path) -> None:
    run("providers", "add", "shop", "--api-key", "k", "--base-url", "http://127.0.0.1:1", "--models", "till")
    run("models", "add", "by-hand", "--base", "gpt-4o")
    toml = "[[models]]\nname = 'a'\nbase = 'till'\n[[models]]\nname = 'by-hand'\nprovider = 'shop'\n"
    (home_path / "gantry.toml").write_text(toml)
    lines = run("check", code=1).stdout.splitlines()
    assert "ok    gantry.toml: models[0]: a asks for till" in lines
    assert "FAIL  gantry.toml: models[1].name: by-hand was added by hand;" in lines[-1]


def test_a_key_in_the_environment_that_lacks_an_address_is_named(run: Run) -> None:
    text = run("check", AZURE_OPENAI_API_KEY="canary").output
    assert "environment: $AZURE_OPENAI_API_KEY is not used: Azure OpenAI also needs its Endpoint" in text
    text = run("check", AZURE_OPENAI_API_KEY="canary", AZURE_OPENAI_ENDPOINT="https://me.openai.azure.com").output
    assert "environment: $AZURE_OPENAI_API_KEY is a credential for Azure OpenAI" in text
    assert "canary" not in text


@needs_sqlite
def test_a_home_that_others_may_read_and_a_missing_key(run: Run, home_path: Path) -> None:
    run("keys", "create", "dev")
    home_path.chmod(0o755)
    assert "others may look into" in run("check", code=1).stdout
    home_path.chmod(0o700)
    (home_path / "master.key").unlink()
    assert "master.key is missing" in run("check", code=1).stdout


@pytest.mark.parametrize(("managed_by", "code"), [(ManagedBy.ENVIRONMENT, 0), (None, 1)])
def test_a_variable_that_is_not_set_here(run: Run, home_path: Path, managed_by: ManagedBy | None, code: int) -> None:
    """What only the environment offers goes with it; what a person added by reference is missed."""
    run("keys", "create", "dev")
    home = Home(home_path)
    new = NewCredential(
        provider_id="mistral", name="n", base_url="https://x.test", source="SOME_KEY", managed_by=managed_by
    )
    with ControlStore(home.control_db) as control, control.changing() as change:
        organization = default_organization(change.connection)
        add_credential(change, Vault(load_keyring(home).vault), organization, new)
    assert "mistral/n is left out: $SOME_KEY is not set" in run("check", code=code).stdout


@needs_sqlite
def test_a_file_that_is_no_database(run: Run, home_path: Path) -> None:
    run("keys", "create", "dev")
    (home_path / "logs.db").write_bytes(b"not a database" * 1000)
    assert "FAIL  logs.db: " in run("check", code=1).stdout


def test_declared_routing_is_checked_beside_what_a_start_would_have(run: Run, home_path: Path) -> None:
    run("providers", "add", "openai", "--api-key", "k", "--name", "by-hand")
    (home_path / "gantry.toml").write_text(
        """
        [[providers]]
        provider = "acme"
        base_url = "http://127.0.0.1:1"
        api_key = "k"
        models = ["listed"]
        [[models]]
        name = "alias"
        base = "gpt-4o"
        [routing]
        fallback_models = ["listed", "alias", "acme/x", "mistrall/x"]
        [[routing.groups]]
        id = "g"
        members = [
            { model = "openai/x", credential = "by-hand" },
            { model = "mistral/x", credential = "MISTRAL_API_KEY" },
            { model = "acme/x", credential = "acme/gantry.toml" },
        ]
        """
    )
    lines = run("check", MISTRAL_API_KEY="k").stdout.splitlines()
    assert [line.removeprefix("ok    gantry.toml: routing: ") for line in lines if "routing: " in line] == [
        "fallback_models names mistrall/x, and no provider is known to have it: write it as PROVIDER/MODEL",
        "1 groups, 0 rules for models",
    ]
