"""The home credential: the organization's own, whatever its weight and models, or a refusal that says what to do."""

from typing import Any

import pytest

from gantry.core.secret import Secret
from gantry.providers.spec import load_catalog
from gantry.routing.credentials import explain_no_home, home_credential
from gantry.routing.snapshot import CredentialRecord

MISTRAL = load_catalog()["mistral"]


def credential(name: str, **fields: Any) -> CredentialRecord:
    values: dict[str, Any] = {"organization_id": "o1", "provider_id": "mistral", "name": name, "credential_id": name}
    values |= {"base_url": "https://x.test", "secrets": {"api_key": Secret("k")}}
    return CredentialRecord(**{**values, **fields})


HOME = credential("home", home=True, weight=0.0, models=("one-model",))
BUSY = credential("busy", weight=9.0)


def test_weight_and_models_do_not_matter() -> None:
    assert home_credential([BUSY, HOME], "o1", "mistral") is HOME


@pytest.mark.parametrize(
    "stored",
    [
        [],
        [BUSY],
        [credential("platform", organization_id=None, home=True)],
        [credential("anothers", organization_id="o2", home=True)],
        [credential("elsewhere", provider_id="openai", home=True)],
    ],
    ids=["nothing", "no home", "platform", "another's", "another provider's"],
)
def test_nothing_else_is_home(stored: list[CredentialRecord]) -> None:
    assert home_credential(stored, "o1", "mistral") is None


def test_a_refusal_says_what_to_choose() -> None:
    text = explain_no_home([BUSY, credential("other"), credential("p", organization_id=None)], "o1", MISTRAL)
    assert text.endswith(
        "choose one with `gantry providers home mistral/busy` or `gantry providers home mistral/other`"
    )
    assert "live with one account at Mistral" in text


def test_a_refusal_without_a_credential_says_what_to_add() -> None:
    stored = [credential("p", organization_id=None), credential("anothers", organization_id="o2")]
    assert explain_no_home(stored, "o1", MISTRAL).endswith("add one with `gantry providers add mistral`")
