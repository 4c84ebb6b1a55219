"""Usage: the sum of several calls."""

from decimal import Decimal

from gantry.core.usage import NO_USAGE, Usage, total_usage


def test_units_add_up_and_the_unknown_stays_unknown() -> None:
    usages = [
        Usage(input_tokens=3, output_tokens=0, input_audio_seconds=Decimal("0.5")),
        Usage(input_tokens=4, pages=2, input_audio_seconds=Decimal(2), estimated=True),
        NO_USAGE,
    ]
    expected = Usage(input_tokens=7, output_tokens=0, pages=2, input_audio_seconds=Decimal("2.5"), estimated=True)
    assert total_usage(usages) == expected
    assert total_usage([]) == NO_USAGE
