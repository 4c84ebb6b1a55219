"""Dates as HTTP has them, held against the reader of e-mail's."""

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.wire.http_date import read_http_date

MOMENT = 784_111_777.0  # RFC 9110's example


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "sun, 6 nov 1994 08:49:37 UTC",
        " Sun, 06 Nov 1994 08:49:37 +0000 ",
    ],
)
def test_the_three_forms_say_the_same_moment(text: str) -> None:
    assert read_http_date(text) == MOMENT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "Sun, 06 Nov 1994",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nox 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 25:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, \u0663\u0666 Nov 1994 08:49:37 GMT",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert read_http_date(text) is None


@given(st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)))
def test_a_date_is_read_as_the_reader_of_e_mail_reads_it(moment: datetime) -> None:
    text = format_datetime(moment, usegmt=True)
    assert read_http_date(text) == parsedate_to_datetime(text).timestamp()
