"""Rejected records of a customer who is erased are found, however JSON spells the name, and nobody else's."""

from pathlib import Path

import pytest

from gantry.clerk.join import Unreadable
from gantry.clerk.reject import SUFFIX, RejectedFrames, name_of
from gantry.journal.frames import FrameKind, LogPosted
from gantry.journal.segments import RawFrame

NAME = 'Zoë "the 1st" 😀/x'
SPELLINGS = {
    "as it is": 'Zoë \\"the 1st\\" 😀/x',
    "in ASCII": 'Zo\\u00eb \\"the 1st\\" \\ud83d\\ude00/x',
    "in capitals": "Zo\\u00EB \\u0022the 1st\\u0022 \\uD83D\\uDE00\\/x",
}


def posted(organization_id: str, log_id: str, customer: str) -> LogPosted:
    body = b'{"customer_identifier":"%b"}' % customer.encode()
    return LogPosted(log_id, organization_id, "key", "prod", 1, "full", body)


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
def test_a_customer_is_found_in_any_spelling(tmp_path: Path, spelled: str) -> None:
    rejected = RejectedFrames(tmp_path)
    theirs = posted("org", "1", spelled)
    others = [posted("org", "2", "Zoe"), posted("another", "3", spelled)]
    for origin in (theirs, *others):
        rejected.keep(origin)
    found = list(rejected.that_name("org", NAME))
    assert found == [tmp_path / f"{name_of(theirs)}{SUFFIX}"]


def test_what_tells_of_no_organization_is_found_by_the_name_alone(tmp_path: Path) -> None:
    rejected = RejectedFrames(tmp_path)
    for number, said in enumerate((b"\xc1 alice", b"\xc1 bob")):
        rejected.keep(Unreadable("one", RawFrame(number, 1, FrameKind.LOG_POSTED, said), "broken"))
    assert len(list(rejected.that_name("org", "alice"))) == 1


def test_nothing_was_rejected_yet(tmp_path: Path) -> None:
    assert list(RejectedFrames(tmp_path / "none").that_name("org", "alice")) == []
