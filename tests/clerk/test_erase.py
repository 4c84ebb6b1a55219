"""What is read of an erased customer later: rows that say nothing of it, and everybody else's as they are."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from gantry.clerk import erase
from gantry.clerk.batch import Batch
from gantry.clerk.erase import Erasing, Forgotten
from gantry.core.erasure import Erased, Erasure, subject_digest
from gantry.core.request_log import RequestLog
from gantry.core.usage import Usage
from gantry.core.vocabulary import Environment, LogMethod, Outcome
from gantry.home import Home, load_keyring
from gantry.store.customer_sums import CustomerNote
from gantry.store.erasures import add_erasure, erasures_of
from gantry.store.logs import LogStore

PEPPER = b"pepper"
CANARY = "canary"
AT = 1000


def a_log(**changes: object) -> RequestLog:
    """Return a log whose every text says the canary, but for what says where and how it was called."""
    texts = {
        field.name: CANARY.encode() if field.name.startswith("full_") else CANARY
        for field in structs.fields(RequestLog)
        if field.type in (str | None, bytes | None)
    }
    known = dict.fromkeys(
        "key_id model requested_model provider_id credential_id deployment_name tier price_source price_version "
        "response_id upstream_request_id finish_reason cache_key cost_by_unit changes".split()
    )
    values: dict[str, object] = {
        **texts,
        **known,
        "log_id": "1",
        "organization_id": "o",
        "environment": Environment.PROD,
        "log_method": LogMethod.INFERENCE,
        "outcome": Outcome.SUCCESS,
        "status_code": 200,
        "started_at": AT - 1,
        "ended_at": AT + 1,
        "cost": 7,
        "usage": Usage(input_tokens=3),
        **changes,
    }
    return RequestLog(**values)  # type: ignore[arg-type]


def forgotten(environment: Environment | None = None) -> Forgotten:
    erasure = Erasure(
        id="e",
        organization_id="o",
        subject_digest=subject_digest(PEPPER, "o", CANARY),
        environment=environment,
        erased=Erased(finished_at=AT),
        author="somebody",
        erased_at=AT,
    )
    known = Forgotten(PEPPER)
    known.learn([erasure])
    return known


def test_a_record_that_comes_late_keeps_what_it_cost_and_says_nothing() -> None:
    log = a_log()
    stripped = forgotten().stripped(log)
    assert CANARY.encode() not in msgspec.json.encode(stripped)
    assert (stripped.cost, stripped.usage, stripped.started_at, stripped.log_id) == (7, log.usage, AT - 1, "1")


def test_others_and_what_begins_later_are_as_they_were() -> None:
    known = forgotten(Environment.PROD)
    for other in (
        a_log(started_at=AT + 1),
        a_log(environment=Environment.TEST),
        a_log(organization_id="another"),
        a_log(customer_identifier="bob"),
        a_log(customer_identifier=None),
    ):
        assert known.stripped(other) is other


def test_a_batch_forgets_what_was_noted_of_the_customer() -> None:
    ada, bob = a_log(), a_log(log_id="2", customer_identifier="bob")
    notes = {log.log_id: CustomerNote("o", "prod", log.customer_identifier or "", AT) for log in (ada, bob)}
    batch = Batch(logs=[ada, bob], customers=notes)
    applied = forgotten().applied(batch)
    assert [log.customer_identifier for log in applied.logs] == [None, "bob"]
    assert list(applied.customers) == ["2"]
    assert Forgotten(PEPPER).applied(batch) is batch


def test_the_store_is_gone_through_once_for_all_that_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    keyring = load_keyring(home, create=True)
    scrubbed: list[LogStore] = []

    def scrub(store: LogStore) -> Iterator[None]:
        scrubbed.append(store)
        yield

    monkeypatch.setattr(erase, "scrub", scrub)
    store = LogStore(tmp_path / "logs.db")
    with store.writing() as connection:
        for customer in ("ada", "bob", "eve"):
            digest = subject_digest(keyring.pepper, "o", customer)
            erased = Erased(subject=customer)
            add_erasure(
                connection,
                Erasure(
                    id=customer,
                    organization_id="o",
                    subject_digest=digest,
                    environment=None,
                    erased=erased,
                    author="a",
                    erased_at=AT,
                ),
            )
    erasing = Erasing(home, keyring, tmp_path / "logs.db", Forgotten(keyring.pepper), rest=lambda _: None)
    while erasing.step():
        pass
    with store.reading() as connection:
        assert [one.erased.finished_at is not None for one in erasures_of(connection, "o", 9)] == [True] * 3
    assert len(scrubbed) == 1
