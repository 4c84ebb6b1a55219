"""Deliveries to real receivers on loopback: signed, tried again ever later, given up, and never in each other's way."""

import asyncio
import hashlib
import hmac
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from gantry.clerk.alert_book import AlertBook
from gantry.clerk.courier import Courier
from gantry.clerk.deliver import (
    CLAIMED_SECONDS,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    MOST_ATTEMPTS,
    MOST_FOR_CHANNEL,
    Deliverer,
    pause_after,
)
from gantry.console.channel_service import ChannelChange, ChannelForm, change_by_form, make_channel, try_channel
from gantry.core.alert import Alert, Event
from gantry.core.secret import Secret
from gantry.dial.mail import MailServer, read_mail_server
from gantry.dial.origin import ProxyRules
from gantry.dial.pool import Dialler, PoolLimits
from gantry.home import Home, Keyring, load_keyring
from gantry.store.alert_channels import Channel, ChannelKind, remove_channels
from gantry.store.alerts import Delivery, DeliveryState, Outbox, deliveries_of, raise_alert
from gantry.store.control import ControlStore, default_organization
from gantry.store.logs import LogStore, RecordBatch
from gantry.store.vault import Vault
from tests.clerk.receivers import SECONDS, Received, WebhookReceiver, closed_port, receiving, receiving_mail
from tests.store.logs_of_tests import make_log

NS = 1_000_000_000
START = 1_795_000_000 * NS


class Office:
    """A deliverer over a home of its own, with a clock that a test turns."""

    def __init__(self, home: Home, keyring: Keyring) -> None:
        self.home = home
        self.keyring = keyring
        self.vault = Vault(keyring.vault)
        self.control = ControlStore(home.control_db)
        self.logs = LogStore(home.logs_db)
        self.now = START
        self.loop = asyncio.new_event_loop()
        with self.control.reading() as connection:
            self.organization_id = default_organization(connection)
        self.deliverer = self.employ()

    def employ(self, mail_server: MailServer | None = None, environ: Mapping[str, str] | None = None) -> Deliverer:
        self.book = AlertBook(self.home, self.keyring, self.home.control_db, clock=lambda: self.now / NS)
        limits = PoolLimits(connections=64, idle=5.0)
        tls = ssl.create_default_context()
        self.dialler = Dialler(self.loop, tls=tls, proxies=ProxyRules(), limits=limits)
        clock: Callable[[], int] = lambda: self.now  # noqa: E731
        courier = Courier(
            self.book, self.vault, environ or {}, self.dialler, mail_server, self.logs.find, clock, seconds=1.0
        )
        self.deliverer = Deliverer(self.book, self.logs, courier, self.loop, clock=clock, draw=lambda: 0.5)
        return self.deliverer

    def add(self, target: str, name: str = "ops", *, private: bool = True, **fields: Any) -> tuple[Channel, str]:
        """Add a channel; return it with its secret."""
        form = ChannelForm(name=name, target=target, **fields)
        with self.control.changing() as change:
            made, secret = make_channel(change, self.vault, self.organization_id, form, private=private)
        self.turn_clock(2.0)
        return made, "" if secret is None else secret.reveal()

    def turn_clock(self, seconds: float) -> None:
        self.now += int(seconds * NS)

    def tell(self, subject: str = "one", event: Event = Event.UNPRICED_MODEL) -> None:
        alert = Alert(
            organization_id=self.organization_id, event=event, subject=subject, message="hear", data={"model": "m"}
        )
        self.deliverer.step()  # it reads the channels
        with self.logs.writing() as connection:
            assert raise_alert(connection, alert, self.book.channels, self.now)

    def told(self) -> list[Delivery]:
        with self.logs.reading() as connection:
            return deliveries_of(connection, self.organization_id, 1000)[::-1]

    def work(self, until: Callable[[], object] | None = None) -> None:
        """Step until nothing is under way, or until something is true."""
        for _ in range(1000):
            busy = self.deliverer.step()
            if until() if until is not None else not busy:
                return
        raise AssertionError("it never came to an end")

    def die(self) -> None:
        """End whatever is under way; nobody hears what became of it."""
        self.loop.run_until_complete(self._die())

    async def _die(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.dialler.close()
        for _ in range(5):
            await asyncio.sleep(0)

    def close(self) -> None:
        self.deliverer.close()
        self.die()
        self.loop.close()
        self.logs.close()
        self.control.close()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    home = Home(tmp_path / "home")
    home.prepare()
    office = Office(home, load_keyring(home, create=True))
    yield office
    office.close()


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with receiving() as receiver:
        yield receiver


def test_a_webhook_hears_of_an_alert_signed_and_at_the_whole_of_its_url(
    office: Office, receiver: WebhookReceiver
) -> None:
    _, secret = office.add(receiver.url("/hook/a?token=canary-query"))
    office.tell()
    office.work()
    received = receiver.next()
    (delivery,) = office.told()
    assert received.path == "/hook/a?token=canary-query"
    assert received.body.decode() == delivery.payload
    assert json.loads(received.body)["subject"] == "one"
    headers = received.headers
    assert headers["x-respan-signature"] == hmac.new(secret.encode(), received.body, hashlib.sha256).hexdigest()
    seconds = office.now // NS
    timed = hmac.new(secret.encode(), f"{seconds}.".encode() + received.body, hashlib.sha256).hexdigest()
    assert headers["x-gantry-signature"] == f"t={seconds},v1={timed}"
    assert (headers["x-gantry-delivery"], headers["x-gantry-event"]) == (delivery.id, "unpriced_model")
    assert headers["host"] == f"127.0.0.1:{receiver.port}"
    assert (delivery.state, delivery.attempts, delivery.last_error) == (DeliveryState.DELIVERED, 1, None)
    office.turn_clock(3600)
    office.work()
    assert len(receiver.all) == 1


def test_slack_is_sent_a_text_and_no_signature(office: Office, receiver: WebhookReceiver) -> None:
    channel, _ = office.add(receiver.url("/services/T0/canary"), kind=ChannelKind.SLACK)
    assert channel.target == f"http://127.0.0.1:{receiver.port}"
    office.tell()
    office.work()
    received = receiver.next()
    assert (received.path, json.loads(received.body)) == ("/services/T0/canary", {"text": "*unpriced_model*: hear"})
    assert not [name for name in received.headers if "signature" in name]


def test_an_e_mail_goes_to_the_mail_server_of_the_settings(office: Office) -> None:
    office.add("a@x.test, b@x.test", kind=ChannelKind.EMAIL)
    office.tell()
    office.work()
    (delivery,) = office.told()
    assert delivery.last_error == "no mail server is configured: set smtp_url and smtp_from"
    office.die()
    with receiving_mail() as mail:
        office.employ(read_mail_server(Secret(f"smtp://127.0.0.1:{mail.port}"), "g@gantry.test"))
        office.turn_clock(3600)
        office.work()
        letter = mail.letters.get(timeout=SECONDS)
    assert letter.recipients == ["a@x.test", "b@x.test"]
    assert json.loads(delivery.payload)["id"] in letter.mail["Message-ID"]
    assert office.told()[0].state is DeliveryState.DELIVERED


def test_a_log_is_posted_as_the_api_shows_it(office: Office, receiver: WebhookReceiver) -> None:
    channel, _ = office.add(receiver.url(), events=(Event.REQUEST_LOG,))
    log = make_log("l1", organization_id=office.organization_id, model="m", input="hello", cost=1500)
    office.logs.record(RecordBatch(logs=[log], outbox=Outbox(channels=[channel], at=office.now)))
    office.work()
    item = json.loads(receiver.next().body)
    assert (item["id"], item["model"], item["input"], item["cost"]) == ("l1", "m", "hello", 0.0000015)
    assert office.told() == []


def test_a_log_that_was_deleted_meanwhile_is_not_told(office: Office, receiver: WebhookReceiver) -> None:
    channel, _ = office.add(receiver.url(), events=(Event.REQUEST_LOG,))
    log = make_log("l1", organization_id=office.organization_id)
    office.logs.record(RecordBatch(logs=[log], outbox=Outbox(channels=[channel], at=office.now)))
    office.logs.delete(office.organization_id, None, "l1")
    office.work()
    assert office.told()[0].last_error == "the log was deleted before it was delivered"
    assert receiver.all == []


def test_a_receiver_that_fails_is_tried_again_ever_later_with_the_same_body_and_given_up(
    office: Office, receiver: WebhookReceiver
) -> None:
    receiver.answer = lambda _: 500
    office.add(receiver.url())
    office.tell()
    pauses = []
    for _ in range(MOST_ATTEMPTS):
        office.work()
        (delivery,) = office.told()
        assert delivery.last_error == f"127.0.0.1:{receiver.port} answered 500"
        pauses.append((delivery.next_at - office.now) / NS)
        office.now = delivery.next_at
    assert delivery.state is DeliveryState.DEAD
    assert pauses[:4] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE, 8 * FIRST_PAUSE]
    assert pauses[-2] == LONGEST_PAUSE
    office.turn_clock(100 * LONGEST_PAUSE)
    office.work()
    assert len(receiver.all) == MOST_ATTEMPTS
    assert len({(one.body, one.headers["x-gantry-delivery"]) for one in receiver.all}) == 1


@pytest.mark.parametrize("status", [400, 404, 410, 429, 503])
def test_what_is_not_2xx_did_not_arrive(office: Office, receiver: WebhookReceiver, status: int) -> None:
    receiver.answer = lambda _: status
    office.add(receiver.url())
    office.tell()
    office.work()
    assert office.told()[0].state is DeliveryState.PENDING
    receiver.answer = lambda _: 204
    office.turn_clock(60)
    office.work()
    assert office.told()[0].state is DeliveryState.DELIVERED


def test_a_redirect_is_not_followed(office: Office, receiver: WebhookReceiver) -> None:
    with receiving() as elsewhere:
        head = f"HTTP/1.1 307 Temporary Redirect\r\nlocation: {elsewhere.url()}\r\ncontent-length: 0\r\n\r\n"
        receiver.answer = lambda _: head.encode()
        office.add(receiver.url())
        office.tell()
        office.work()
        assert elsewhere.all == []
    error = office.told()[0].last_error
    assert error == f"127.0.0.1:{receiver.port} answered 307, and redirects are not followed"


@pytest.mark.parametrize(
    ("answer", "words"),
    [(b"", "closed the connection"), (b"what?\r\n\r\n", "not HTTP/1.1"), (None, "did not answer within 1 s")],
)
def test_a_receiver_that_answers_nothing_good_is_told_of_in_words(
    office: Office, receiver: WebhookReceiver, answer: bytes | None, words: str
) -> None:
    receiver.answer = lambda _: answer
    office.add(receiver.url("/canary-path"))
    office.tell()
    office.work()
    error = office.told()[0].last_error or ""
    assert words in error
    assert "canary" not in error


def test_a_receiver_that_is_down_is_told_once_it_is_there(office: Office) -> None:
    port = closed_port()
    office.add(f"http://127.0.0.1:{port}/")
    office.tell()
    office.work()
    assert "cannot connect" in (office.told()[0].last_error or "")


def test_an_answer_without_end_is_not_read(office: Office, receiver: WebhookReceiver) -> None:
    receiver.answer = lambda _: b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n" + bytes(200_000)
    office.add(receiver.url())
    office.tell()
    office.work()
    assert office.told()[0].state is DeliveryState.DELIVERED


def test_a_slow_channel_holds_up_no_other(office: Office, receiver: WebhookReceiver) -> None:
    with receiving(lambda _: None) as slow:
        office.add(slow.url(), "slow")
        office.add(receiver.url(), "quick")
        for number in range(10):
            office.tell(str(number))
        office.work(lambda: len(receiver.all) == 10)
        assert len(slow.all) <= MOST_FOR_CHANNEL
        states = [one.state for one in office.told()]
        assert states.count(DeliveryState.PENDING) >= 10


def test_an_address_that_a_caller_named_may_not_be_private(office: Office, receiver: WebhookReceiver) -> None:
    office.add(f"http://localhost:{receiver.port}/", private=False)
    office.tell()
    office.work()
    assert "private address" in (office.told()[0].last_error or "")
    assert receiver.all == []


def test_what_is_on_its_way_to_a_removed_channel_is_given_up(office: Office, receiver: WebhookReceiver) -> None:
    office.add(receiver.url())
    office.tell()
    with office.control.changing() as change:
        remove_channels(change, office.book.channels)
    office.turn_clock(120)
    office.work()
    assert [(one.state, one.last_error) for one in office.told()] == [(DeliveryState.DEAD, "its channel was removed")]
    assert receiver.all == []


def test_a_disabled_channel_waits(office: Office, receiver: WebhookReceiver) -> None:
    channel, _ = office.add(receiver.url())
    office.tell()
    with office.control.changing() as change:
        disabled = change_by_form(change, channel, ChannelChange(enabled=False))
    office.turn_clock(2)
    office.work()
    assert receiver.all == []
    with office.control.changing() as change:
        change_by_form(change, disabled, ChannelChange(enabled=True, events=UNSET))
    office.turn_clock(2)
    office.work()
    assert len(receiver.all) == 1


def test_a_test_goes_to_one_channel_alone(office: Office, receiver: WebhookReceiver) -> None:
    channel, _ = office.add(receiver.url("/one"), "one")
    office.add(receiver.url("/two"), "two")
    with office.logs.writing() as connection:
        try_channel(connection, channel, office.now)
    office.work()
    received = receiver.next()
    assert (received.path, json.loads(received.body)["event"]) == ("/one", "test")
    assert len(receiver.all) == 1


def test_whoever_dies_after_sending_has_it_delivered_again_with_the_same_id(
    office: Office, receiver: WebhookReceiver
) -> None:
    """The claim of the one that died is over after a minute."""
    office.add(receiver.url())
    office.tell()
    office.work(lambda: len(receiver.all) == 1)
    office.die()  # before it has stored what it knew
    office.employ()
    office.turn_clock(CLAIMED_SECONDS - 1)
    office.work()
    first = office.told()[0]
    if first.state is DeliveryState.PENDING:
        office.turn_clock(1)
        office.work()
    assert len({one.headers["x-gantry-delivery"] for one in receiver.all}) == 1
    assert len({json.loads(one.body)["id"] for one in receiver.all}) == 1


def test_connections_are_used_again_and_a_stale_one_costs_nothing(office: Office, receiver: WebhookReceiver) -> None:
    office.add(receiver.url())
    for number in range(3):
        office.tell(str(number))
        office.work()
    assert office.dialler.size == 1

    def hang_up(received: Received) -> int | bytes:
        return 200 if json.loads(received.body)["subject"] != "3" or len(receiver.all) > 3 else b""

    receiver.answer = hang_up
    office.tell("3")
    office.work()
    assert [one.state for one in office.told()] == [DeliveryState.DELIVERED] * 4
    assert [one.attempts for one in office.told()] == [1] * 4
    assert len(receiver.all) == 5


@given(st.integers(1, 40), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_to_a_bound_and_are_spread(attempts: int, draw: float) -> None:
    pause, middle = pause_after(attempts, draw), pause_after(attempts, 0.5)
    assert 0.5 * middle <= pause <= 1.5 * middle
    assert FIRST_PAUSE <= middle <= LONGEST_PAUSE
    assert middle <= pause_after(attempts + 1, 0.5) <= 2 * middle
