"""The home credential: the organization's own, whatever its weight and models, or a refusal that says what to do."""

from typing import Any

import pytest

from gantry.core.errors import NoCredential
from gantry.core.secret import Secret
from gantry.core.vocabulary import STATEFUL_OPERATIONS, Dialect, Environment, Operation
from gantry.providers.spec import load_catalog
from gantry.routing.credentials import explain_no_home, home_credential
from gantry.routing.plan import Wish
from gantry.routing.planner import plan
from gantry.routing.snapshot import Body, CredentialRecord, KeyTable, Snapshot, build_key_table

MISTRAL = load_catalog()["mistral"]
PATHS = {Operation.AGENT_CHAT: "/v1/agents/completions"}


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


def serving(operation: Operation, *stored: CredentialRecord) -> CredentialRecord:
    snapshot = Snapshot(Body(1, 1, "t", (MISTRAL,), stored, {}), KeyTable("t", build_key_table([]), {}))
    path = PATHS.get(operation, f"/v1/{operation}")
    wish = Wish("o1", Environment.PROD, (Dialect.MISTRAL,), operation, path, None)
    return plan(snapshot, wish, lambda: 0.0).choices[0].attempts[0].credential


@pytest.mark.parametrize("operation", sorted(STATEFUL_OPERATIONS - {Operation.RESPONSE}))  # see test_planner
def test_stateful_calls_go_home_and_nowhere_else(operation: Operation) -> None:
    platform = credential("platform", organization_id=None, home=True)
    assert serving(operation, BUSY, HOME, platform) is HOME
    for stored in ((BUSY, platform), (platform,)):
        with pytest.raises(NoCredential, match="live with one account at Mistral"):
            serving(operation, *stored)


def test_other_calls_are_drawn_by_weight() -> None:
    assert serving(Operation.OPAQUE, HOME, BUSY) is BUSY
