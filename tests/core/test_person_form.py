"""What a person may be called: an address that is stored is one that a mail can be sent to."""

import pytest

from gantry.core.person_form import FormRefused, read_email
from gantry.dial.mail import compose


@pytest.mark.parametrize(
    "text", ["(:[).@*(#|+*", ".?:é@('(\\?", "ada(grace)@example.com", "ada@[::1]", "a:b@c;", '"a"@b.c']
)
def test_what_a_header_of_a_mail_reads_as_something_else_is_no_address(text: str) -> None:
    with pytest.raises(FormRefused):
        read_email(text)


@pytest.mark.parametrize(
    "text", [" Ada@Example.COM", "o'hara+tag@example.com", "a/b=c!#$%&*?^_`{|}~@x.test", "zoë@exämple.test"]
)
def test_any_other_is_one_and_a_mail_is_made_for_it(text: str) -> None:
    email = read_email(text)
    assert email == text.strip().lower()
    assert email in str(compose("gantry@example.com", [email], "hello", "text", "id")["To"])
