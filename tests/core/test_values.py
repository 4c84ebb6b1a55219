"""The laws of the ground floor's values."""

import copy
import json
import pickle
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.api_key import ENTROPY_BYTES, KEY_LENGTH, format_key, has_key_form, key_digest, public_prefix
from gantry.core.errors import GatewayError
from gantry.core.ids import ENTROPY_BITS, format_id
from gantry.core.model_ref import ModelRef, is_safe_path_segment, parse_model_ref
from gantry.core.money import nano_from_usd, usd_from_nano
from gantry.core.sealing import SealBroken, Sealer, derive_key
from gantry.core.secret import Secret

entropy = st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES)


@given(entropy)
def test_a_key_has_the_documented_form(random_bytes: bytes) -> None:
    key = format_key(random_bytes).reveal()
    assert len(key) == KEY_LENGTH == 61
    assert has_key_form(key)
    assert key.replace("_", "").isalnum()
    assert key.startswith("gk_" + public_prefix(key) + "_")


@given(entropy, st.integers(0, KEY_LENGTH - 1), st.characters(codec="ascii"))
def test_a_mistyped_key_is_not_a_key(random_bytes: bytes, place: int, character: str) -> None:
    key = format_key(random_bytes).reveal()
    mistyped = key[:place] + character + key[place + 1 :]
    assert has_key_form(mistyped) is (mistyped == key)


@given(entropy)
def test_digests_depend_on_the_pepper(random_bytes: bytes) -> None:
    key = format_key(random_bytes).reveal()
    assert len(key_digest(key, b"a")) == 32
    assert key_digest(key, b"a") != key_digest(key, b"b")


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**ENTROPY_BITS - 1), st.integers(0, 2**ENTROPY_BITS - 1))
def test_ids_sort_by_time(unix_ms: int, one: int, other: int) -> None:
    identifier = format_id(unix_ms, one)
    assert len(identifier) == 32
    assert identifier[12] == "7"
    assert int(identifier[:12], 16) == unix_ms
    if unix_ms:
        assert format_id(unix_ms - 1, other) < identifier


@given(st.integers(-(10**15), 10**15))
def test_money_survives_dollars(nano: int) -> None:
    assert nano_from_usd(Decimal(nano) / 10**9) == nano
    assert nano_from_usd(str(Decimal(nano) / 10**9)) == nano


def test_money_at_the_edge() -> None:
    assert nano_from_usd(0.001) == 1_000_000
    assert nano_from_usd(0.1) == 100_000_000
    assert usd_from_nano(1_000_000) == 0.001
    for amount in ("nan", "inf", float("nan"), float("inf")):
        with pytest.raises(ValueError, match="finite"):
            nano_from_usd(amount)


def test_a_secret_tells_nobody() -> None:
    secret = Secret("canary")
    for text in (repr(secret), str(secret), f"{secret}", f"{secret!r:>20}", "%s" % secret, repr({"a": [secret]})):  # noqa: UP031
        assert "canary" not in text
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError):
        msgspec.json.encode(secret)
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert copy.deepcopy(secret).reveal() == "canary"
    assert secret == Secret("canary")


def test_a_sealed_value_opens_only_in_its_place() -> None:
    key, other = derive_key(b"m" * 32, "vault"), derive_key(b"m" * 32, "snapshot")
    assert key != other
    numbers = iter(range(100))
    sealer = Sealer(key, nonce=lambda: next(numbers).to_bytes(12, "big"))
    sealed = sealer.seal(b"secret", b"here")
    assert b"secret" not in sealed
    assert sealer.open(sealed, b"here") == b"secret"
    newer = Sealer(other, key, nonce=lambda: bytes(12))
    assert newer.open(sealed, b"here") == b"secret"
    with pytest.raises(SealBroken):
        sealer.open(sealed, b"elsewhere")
    with pytest.raises(SealBroken):
        Sealer(other, nonce=lambda: bytes(12)).open(sealed, b"here")
    for index in range(len(sealed)):
        with pytest.raises(SealBroken):
            sealer.open(sealed[:index] + bytes([sealed[index] ^ 1]) + sealed[index + 1 :], b"here")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mistral/mistral-large-latest", ModelRef("mistral", "mistral-large-latest")),
        ("mistral-large-latest", ModelRef(None, "mistral-large-latest")),
        ("deepseek-ai/DeepSeek-R1", ModelRef(None, "deepseek-ai/DeepSeek-R1")),
        ("mistral/deepseek-ai/DeepSeek-R1", ModelRef("mistral", "deepseek-ai/DeepSeek-R1")),
        ("mistral/", ModelRef(None, "mistral/")),
        ("/x", ModelRef(None, "/x")),
        ("", ModelRef(None, "")),
    ],
)
def test_model_references(text: str, expected: ModelRef) -> None:
    assert parse_model_ref(text, {"mistral"}) == expected


@pytest.mark.parametrize(
    "text",
    ["a/../b", "..", ".", "a/./b", "a//b", "/a", "..;a", "a;b", "a?b", "a#b", "a%2fb", "a\\b", "a\nb", "", "é"],
)
def test_unsafe_path_segments(text: str) -> None:
    assert not is_safe_path_segment(text)


def test_each_error_says_whose_fault_it_is() -> None:
    def leaves(error: type[GatewayError]) -> list[type[GatewayError]]:
        below = [one for one in error.__subclasses__() if one.__module__ == GatewayError.__module__]
        return [leaf for child in below for leaf in leaves(child)] or [error]

    for leaf in leaves(GatewayError):
        assert leaf.__name__ in (__import__("gantry.core.errors", fromlist=["x"]).__doc__ or "")
        assert 400 <= leaf.status < 600
        assert (leaf.status < 500) == (leaf.fault == "caller")
