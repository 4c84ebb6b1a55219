"""Settings: which layer wins, and what is said about a wrong one."""

import os
from pathlib import Path
from typing import Any

import pytest

from gantry import settings
from gantry.core.secret import Secret
from gantry.core.vocabulary import Environment
from gantry.home import Home
from gantry.settings import (
    Declared,
    DeclaredModel,
    DeclaredProvider,
    LogLevel,
    ServeSettings,
    SettingsError,
    WhenFull,
    WhenSilent,
    granted_cpus,
    list_settings,
    load_settings,
    read_config,
)


def _load(
    tmp_path: Path, toml: str = "", environ: dict[str, str] | None = None, **flags: Any
) -> tuple[ServeSettings, Declared]:
    home = Home(tmp_path)
    if toml:
        home.config.write_text(toml)
    return load_settings(home, flags, environ or {})


def test_defaults(tmp_path: Path) -> None:
    assert _load(tmp_path) == (ServeSettings(), Declared())


def test_flags_over_the_environment_over_the_file_over_defaults(tmp_path: Path) -> None:
    toml = 'host = "file"\nport = 1\nidle_timeout = 1\n'
    environ = {"GANTRY_HOST": "environment", "GANTRY_PORT": "2"}
    loaded, _ = _load(tmp_path, toml, environ, host="flag", port=None, workers=None)
    assert (loaded.host, loaded.port, loaded.idle_timeout, loaded.workers) == ("flag", 2, 1.0, None)


def test_texts_of_the_environment_become_values(tmp_path: Path) -> None:
    environ = {
        "GANTRY_WORKERS": "3",
        "GANTRY_LOG_LEVEL": "debug",
        "GANTRY_JOURNAL_FULL": "pass",
        "GANTRY_TOTAL_TIMEOUT": "12.5",
        "GANTRY_DATABASE_URL": "postgresql://u:canary@h/d",
        "GANTRY_CA_BUNDLE": "/etc/ca.pem",
    }
    loaded, _ = _load(tmp_path, "", environ)
    assert (loaded.workers, loaded.log_level, loaded.journal_full) == (3, LogLevel.DEBUG, WhenFull.PASS)
    assert (loaded.total_timeout, loaded.ca_bundle) == (12.5, Path("/etc/ca.pem"))
    assert loaded.database_url == Secret("postgresql://u:canary@h/d")
    assert "canary" not in repr(loaded)


def test_the_url_of_the_store_is_checked_and_has_an_older_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new, old = "postgresql://new@h/d", "postgresql://old@h/d"
    for toml, environ, expected in (
        ("", {"GANTRY_DATABASE": old}, old),
        ("", {"GANTRY_DATABASE_URL": new, "GANTRY_DATABASE": old}, new),
        (f'database = "{old}"', {}, old),
        (f'database = "{old}"', {"GANTRY_DATABASE_URL": new}, new),
    ):
        assert _load(tmp_path, toml, environ)[0].database_url == Secret(expected)
    with pytest.raises(SettingsError, match="GANTRY_DATABASE: database_url begins with postgresql://"):
        _load(tmp_path, "", {"GANTRY_DATABASE": "mysql://h/d"})
    monkeypatch.setattr("gantry.settings.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"install llm-gantry\[postgres\]"):
        _load(tmp_path, "", {"GANTRY_DATABASE_URL": new})


def test_the_url_of_shared_counters_is_checked_and_kept_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"GANTRY_REDIS_URL": "rediss://u:canary@h:6380/1", "GANTRY_REDIS_DOWN": "closed"}
    loaded, _ = _load(tmp_path, "redis_timeout = 0.05", environ)
    assert (loaded.redis_url, loaded.redis_down) == (Secret(environ["GANTRY_REDIS_URL"]), WhenSilent.CLOSED)
    assert loaded.redis_timeout == 0.05
    assert "canary" not in repr(loaded)
    with pytest.raises(SettingsError, match="GANTRY_REDIS_URL: redis_url begins with redis://"):
        _load(tmp_path, "", {"GANTRY_REDIS_URL": "h:6379"})
    monkeypatch.setattr("gantry.settings.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match="llm-gantry"):
        _load(tmp_path, "", environ)


def test_variables_that_all_programs_share_count_less_than_our_own_words(tmp_path: Path) -> None:
    environ = {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "localhost", "SSL_CERT_FILE": "/ca"}
    loaded, _ = _load(tmp_path, "", environ)
    assert (loaded.upstream_proxy, loaded.no_proxy, loaded.ca_bundle) == ("http://p:1", "localhost", Path("/ca"))
    assert _load(tmp_path, 'upstream_proxy = "http://q:2"', environ)[0].upstream_proxy == "http://q:2"
    environ["GANTRY_UPSTREAM_PROXY"] = "http://r:3"
    assert _load(tmp_path, "", environ)[0].upstream_proxy == "http://r:3"


def test_declared_providers(tmp_path: Path) -> None:
    toml = """
    port = 0
    [[providers]]
    provider = "mistral"
    api_key = "canary"
    [[providers]]
    provider = "acme"
    name = "eu"
    api_key_env = "ACME_KEY"
    base_url = "https://acme.test/v1"
    weight = 2
    models = ["a", "b"]
    environment = "test"
    """
    _, declared = _load(tmp_path, toml)
    assert declared.providers == (
        DeclaredProvider(provider="mistral", api_key=Secret("canary")),
        DeclaredProvider(
            provider="acme",
            name="eu",
            api_key_env="ACME_KEY",
            base_url="https://acme.test/v1",
            weight=2.0,
            models=("a", "b"),
            environment=Environment.TEST,
        ),
    )
    assert "canary" not in repr(declared)
    assert read_config(Home(tmp_path)).providers == declared.providers


def test_declared_models(tmp_path: Path) -> None:
    toml = """
    [[models]]
    name = "team/fast"
    base = "mistral/mistral-small-latest"
    input_cost = 0.15
    output_cost = 1
    [[models]]
    name = "mine"
    provider = "acme"
    by_name = true
    tools = false
    parameters = { temperature = { max = 1.5 } }
    """
    _, declared = _load(tmp_path, toml)
    assert declared.models == (
        DeclaredModel(name="team/fast", base="mistral/mistral-small-latest", input_cost=0.15, output_cost=1.0),
        DeclaredModel(
            name="mine", provider="acme", by_name=True, tools=False, parameters={"temperature": {"max": 1.5}}
        ),
    )


def test_declared_routing(tmp_path: Path) -> None:
    toml = """
    [routing]
    fallback_models = ["mistral/mistral-small-latest"]
    [routing.retries]
    num_retries = 2
    [[routing.groups]]
    id = "fast"
    [[routing.groups.members]]
    model = "gpt-4o"
    weight = 3
    """
    _, declared = _load(tmp_path, toml)
    assert declared.routing == {
        "fallback_models": ["mistral/mistral-small-latest"],
        "retries": {"num_retries": 2},
        "groups": [{"id": "fast", "members": [{"model": "gpt-4o", "weight": 3}]}],
    }
    assert _load(tmp_path, "[routing]")[1].routing == {}
    assert _load(tmp_path, "port = 0")[1].routing is None


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("prot = 1", "gantry.toml: no setting 'prot'; did you mean 'port'?"),
        ("zzzzzzz = 1", "gantry.toml: no setting 'zzzzzzz'; known are host, port,"),
        ('port = "x"', "gantry.toml: port: Expected `int`"),
        ("port = 70000", "gantry.toml: port: Expected `int` <= 65535"),
        ("connect_timeout = 0", "gantry.toml: connect_timeout: Expected `float` > 0"),
        ('log_level = "loud"', "gantry.toml: log_level: Invalid enum value 'loud'"),
        ("port = ", "gantry.toml: "),
        ("providers = 1", "gantry.toml: providers are declared as [[providers]] tables"),
        (
            "[[providers]]\nprovider = 'm'\napi_keey = 'canary'",
            "no setting 'providers[0].api_keey'; did you mean 'api_key'?",
        ),
        ("[[routing]]\nretries = 1", "gantry.toml: routing is declared as one [routing] table"),
        ("[routing]\ngruops = []", "gantry.toml: routing: there is no `gruops` here; did you mean `groups`?"),
        ("[routing.retries]\nretry_after = nan", "gantry.toml: routing.retries.retry_after: Expected `float`"),
        ("[routing]\nfallback_models = [1979-05-27]", "gantry.toml: routing.fallback_models[0]: Expected `str`"),
        ("[[providers]]\nprovider = 'm'\nweight = inf", "providers: Expected `float` <= 1000000000"),
        ("limits = 'x'", "gantry.toml: limits are declared as [[limits]] tables"),
        ("[[limits]]\nkey = 'a'\nbudget = 1", "gantry.toml: no setting 'limits[0].budget'; known are name, key,"),
        ("[[limits]]\nkey = 'a'\ncots = 1", "gantry.toml: no setting 'limits[0].cots'; did you mean 'cost'?"),
        ("[[limits]]\nkey = 'a'\ntokens = 1.5", "`$[0].tokens`"),
        ("[[books]]\nmarkup = 1", "gantry.toml: books are declared as one [books] table"),
        ("[books]\nmarkups = 1", "gantry.toml: no setting 'books.markups'; did you mean 'markup'?"),
        ("[books]\nunpriced = 'perhaps'", "`$.unpriced`"),
        ("models = 'x'", "gantry.toml: models are declared as [[models]] tables"),
        (
            "[[models]]\nname = 'a'\n[[models]]\nname = 'm'\nbse = 'x'",
            "gantry.toml: no setting 'models[1].bse'; did you mean 'base'?",
        ),
        ("[[models]]\nbase = 'm'", "models: Object missing required field `name` - at `$[0]`"),
        ("[[models]]\nname = 'm'\ninput_cost = 'much'", "`$[0].input_cost`"),
        ("[[providers]]\nname = 'm'", "providers: Object missing required field `provider`"),
        ("[[providers]]\nprovider = 'm'\napi_key = 5", "providers: "),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, toml: str, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        _load(tmp_path, toml)
    assert message in str(raised.value)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    ("environ", "flags", "message"),
    [
        ({"GANTRY_PORT": "x"}, {}, "GANTRY_PORT: port: Expected `int`"),
        ({"GANTRY_PROT": "1"}, {}, "GANTRY_PROT, which is no setting; did you mean GANTRY_PORT?"),
        ({}, {"max_body_bytes": 0}, "--max-body-bytes: max_body_bytes: Expected `int` >= 1"),
        ({"GANTRY_TLS_KEY": "k.pem"}, {}, "GANTRY_TLS_KEY: tls_key needs tls_certificate beside it"),
        ({}, {"tls_certificate": "c.pem"}, "--tls-certificate: tls_certificate needs tls_key beside it"),
    ],
)
def test_what_is_wrong_elsewhere_is_named(
    tmp_path: Path, environ: dict[str, str], flags: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        _load(tmp_path, "", environ, **flags)
    assert message in str(raised.value)


def test_variables_that_are_not_settings_are_left_alone(tmp_path: Path) -> None:
    environ = {"GANTRY_HOME": "/x", "GANTRY_MASTER_KEY": "k", "GANTRY_OF_SOMEBODY_ELSE": "1"}
    assert _load(tmp_path, "", environ)[0] == ServeSettings()


def test_every_setting_explains_itself() -> None:
    for setting in list_settings():
        assert setting.help.endswith("."), setting.name
        assert setting.variable == f"GANTRY_{setting.name.upper()}"
    assert [setting.name for setting in list_settings()] == list(ServeSettings.__struct_fields__)


@pytest.mark.parametrize(
    ("affinity", "files", "expected"),
    [
        (4, {}, 4),
        (4, {"cpu.max": "150000 100000"}, 2),
        (4, {"cpu.max": "max 100000"}, 4),
        (4, {"cpu.max": "800000 100000"}, 4),
        (4, {"cpu.max": "50000 100000"}, 1),
        (4, {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        (4, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 4),
    ],
)
def test_granted_cpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, affinity: int, files: dict[str, str], expected: int
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(affinity)), raising=False)
    monkeypatch.setattr(settings, "CGROUPS", tmp_path)
    assert granted_cpus() == expected


def test_fields_of_a_declared_provider_are_secrets(tmp_path: Path) -> None:
    (tmp_path / "gantry.toml").write_text(
        "[[providers]]\nprovider = 'bedrock'\nfields = { aws_access_key_id = 'canary', aws_region_name = 'eu-1' }\n"
    )
    (declared,) = read_config(Home(tmp_path)).providers
    assert declared.fields == {"aws_access_key_id": Secret("canary"), "aws_region_name": Secret("eu-1")}
    assert "canary" not in repr(declared)
    assert "canary" not in str(declared.fields)


def test_a_field_of_a_declared_provider_is_text(tmp_path: Path) -> None:
    (tmp_path / "gantry.toml").write_text("[[providers]]\nprovider = 'm'\nfields = { api_key = ['canary'] }\n")
    with pytest.raises(SettingsError, match="providers") as raised:
        read_config(Home(tmp_path))
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("public_url = 'gantry.test'", "public_url must be https://HOST"),
        ("public_url = 'https://gantry.test/path'", "public_url must be https://HOST"),
        ("console_url = 'gantry.test'", "console_url must be https://HOST"),
        ("console_url = 'https://gantry.test'", "console_url needs database_url"),
        ("allowed_hosts = 'https://gantry.test'", "allowed_hosts: 'https://gantry.test' must be NAME"),
        ("allowed_hosts = 'gantry.test, other.test:80'", "allowed_hosts: 'other.test:80' must be NAME"),
        ("trusted_proxies = '10.0.0.0/8, nonsense'", "trusted_proxies: 'nonsense' is no address"),
        ("sign_up = 'sometimes'", "sign_up"),
        ("oidc = 1", "declared as [oidc.NAME] tables"),
        ("[oidc.Work]\nissuer = 'https://idp.test'\nclient_id = 'x'", "oidc.Work: the name may have small letters"),
        ("[oidc.work]\nissuer = 'http://idp.test'\nclient_id = 'x'", "oidc.work.issuer must be https://HOST"),
        ("[oidc.work]\nissuer = 'https://idp.test'\nclient = 'x'", "no setting 'oidc.work.client'"),
        ("[oidc.work]\nissuer = 'https://idp.test'\nclient_id = 'x'\nscopes = ['email']", "must have openid"),
        ("[oidc.work]\nissuer = 'https://idp.test'", "client_id"),
    ],
)
def test_what_the_console_goes_by_is_checked(tmp_path: Path, toml: str, said: str) -> None:
    home = Home(tmp_path)
    home.config.write_text(toml)
    with pytest.raises(SettingsError) as refused:
        load_settings(home, {}, {})
    assert said in str(refused.value)


def test_identity_providers_are_declared(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.config.write_text("[oidc.work]\nissuer = 'https://idp.test'\nclient_id = 'x'\ndefault_role = 'viewer'")
    _, declared = load_settings(home, {}, {})
    assert (declared.oidc["work"].default_role, declared.oidc["work"].scopes[0]) == ("viewer", "openid")
