import pytest

from gantry.console.paths import canonical_path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/request-logs/list/", "/api/request-logs/list"),
        ("/request-logs/list", "/api/request-logs/list"),
        ("//api///request-logs//", "/api/request-logs"),
        ("/ui", "/ui"),
        ("/ui/a/", "/ui/a"),
        ("/uix", "/api/uix"),
        ("/apix", "/api/apix"),
        ("/", "/api"),
        ("", "/api"),
        ("/api", "/api"),
    ],
)
def test_one_spelling(path: str, expected: str) -> None:
    assert canonical_path(path) == expected
