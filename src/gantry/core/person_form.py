"""What a person may be called, and what may be a password. Pure.

Law: as NIST SP 800-63B has it: long rather than odd. No rule about kinds of characters, and no change by the calendar.
"""

from typing import Final

SHORTEST_PASSWORD: Final = 10
LONGEST_PASSWORD: Final = 1024  # bytes
_LONGEST_NAME: Final = 100
_LONGEST_EMAIL: Final = 254
_SPECIALS: Final = frozenset('()<>[]:;\\,"')  # what means something else in a header of an e-mail (RFC 5322 §3.2.3)
# The commonest that are long enough to pass otherwise.
_COMMON: Final = frozenset(
    """
    1234567890 0123456789 0987654321 1234567891 12345678910 123456789a 1111111111 0000000000 1q2w3e4r5t 1qaz2wsx3edc
    qwertyuiop qwerty1234 qwerty12345 qwerty123456 password12 password123 password1234 passw0rd123 p@ssw0rd123
    administrator adminadmin admin12345 changeme123 letmein1234 iloveyou123 welcome123 football123 q1w2e3r4t5y6
    aaaaaaaaaa abcdefghij abcd1234567 correcthorsebatterystaple zaq12wsxcde3 gantrygantry
    """.split()
)


class FormRefused(ValueError):
    """A name, an e-mail address or a password cannot be; `param` says which, the message why."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


def read_email(text: str) -> str:
    """Return an address as it is compared. Raises FormRefused."""
    email = text.strip().lower()
    name, at, host = email.rpartition("@")
    plain = email.isprintable() and not any(sign.isspace() or sign in _SPECIALS for sign in email)
    if not (name and at and host) or "@" in name or len(email) > _LONGEST_EMAIL or not plain:
        raise FormRefused("email", "must be an e-mail address, such as ada@example.com")
    return email


def read_name(text: str) -> str:
    """Return a person's name. Raises FormRefused."""
    name = text.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise FormRefused("name", f"must be one line of 1 to {_LONGEST_NAME} characters")
    return name


def check_password(password: str, email: str) -> None:
    """Raises FormRefused for a password that would be guessed."""
    if len(password) < SHORTEST_PASSWORD:
        raise FormRefused("password", f"must have at least {SHORTEST_PASSWORD} characters; a sentence is a good one")
    if len(password.encode(errors="surrogatepass")) > LONGEST_PASSWORD:
        raise FormRefused("password", f"must have at most {LONGEST_PASSWORD} bytes")
    plain = password.strip().lower()
    if plain in (email, email.partition("@")[0]) or plain in _COMMON or len(set(plain)) <= 2:
        raise FormRefused("password", "is among the first that anybody would try; choose another")
