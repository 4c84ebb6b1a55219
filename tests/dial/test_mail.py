"""E-mail to a real SMTP server on loopback: over TLS where there is a password, or not at all."""

import ssl
from pathlib import Path

import pytest

from gantry.core.secret import Secret
from gantry.dial.mail import MailFailed, compose, read_mail_server, send
from tests.clerk.receivers import MailReceiver, closed_port, receiving_mail
from tests.dial.certificates import Authority

FROM = "Gantry <alerts@gantry.test>"
MAIL = compose(FROM, ["a@x.test", "b@x.test"], "A subject\r\nBcc: evil@x.test", "Grüße, and\n.a dot", "id1")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def post(receiver: MailReceiver, scheme: str = "smtp", login: str = "", context: ssl.SSLContext | None = None) -> None:
    server = read_mail_server(Secret(f"{scheme}://{login}localhost:{receiver.port}"), FROM)
    send(server, MAIL, context or ssl.create_default_context(), 10.0)


def test_a_mail_arrives_as_it_was_composed() -> None:
    with receiving_mail() as receiver:
        post(receiver)
        letter = receiver.letters.get(timeout=10)
    assert (letter.sender, letter.recipients) == ("alerts@gantry.test", ["a@x.test", "b@x.test"])
    assert letter.mail["Subject"] == "A subject Bcc: evil@x.test"
    assert letter.mail["Bcc"] is None
    assert letter.mail["Message-ID"] == "<id1@gantry.test>"
    assert letter.mail.get_content().splitlines() == ["Grüße, and", ".a dot"]
    assert not letter.over_tls


def test_tls_is_taken_where_it_is_offered_and_the_login_goes_over_it(authority: Authority) -> None:
    with receiving_mail(authority.serving("localhost"), password="p:w@rd") as receiver:
        post(receiver, login="me:p%3Aw%40rd@", context=authority.trusting())
        letter = receiver.letters.get(timeout=10)
    assert (letter.login, letter.over_tls) == ("me p:w@rd", True)


def test_smtps_speaks_tls_from_the_first_byte(authority: Authority) -> None:
    with receiving_mail(authority.serving("localhost"), at_once=True, password="p") as receiver:
        post(receiver, "smtps", "me:p@", authority.trusting())
        assert receiver.letters.get(timeout=10).over_tls


def test_a_password_is_not_sent_without_tls() -> None:
    with receiving_mail(password="canary") as receiver, pytest.raises(MailFailed, match="offers no TLS"):
        post(receiver, login="me:canary@")
    assert not any("AUTH" in command for command in receiver.commands)


def test_a_server_that_nobody_vouches_for_is_not_spoken_to(authority: Authority) -> None:
    with receiving_mail(authority.serving("localhost")) as receiver, pytest.raises(MailFailed, match="certificate"):
        post(receiver)
    assert receiver.letters.empty()


def test_what_is_refused_is_told_without_the_secret(authority: Authority) -> None:
    with receiving_mail(authority.serving("localhost"), password="another") as receiver:
        with pytest.raises(MailFailed, match="refused the login with code 535") as refused:
            post(receiver, login="me:canary@", context=authority.trusting())
    assert "canary" not in str(refused.value)
    with receiving_mail(refused="b@x.test") as receiver, pytest.raises(MailFailed, match=r"refused b@x\.test"):
        post(receiver)
    with pytest.raises(MailFailed, match="refused"):
        send(read_mail_server(Secret(f"smtp://127.0.0.1:{closed_port()}"), FROM), MAIL, ssl.create_default_context(), 5)


@pytest.mark.parametrize("url", ["mail.test:25", "http://mail.test", "smtp://", "smtp://h/path", "smtp://h:port"])
def test_what_names_no_server_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="smtp_url") as refused:
        read_mail_server(Secret(url), FROM)
    assert url == "smtp://" or url not in str(refused.value)
    with pytest.raises(ValueError, match="smtp_from"):
        read_mail_server(Secret("smtp://mail.test"), "nobody")
