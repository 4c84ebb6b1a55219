"""A model reference: what a caller writes in `model`. `mistral/mistral-large-latest`, or a bare name.

The part before the first slash is a provider only when it is the prefix of a known one: `deepseek-ai/DeepSeek-R1` is a
model name with a slash in it.
"""

from collections.abc import Container

from msgspec import Struct


class ModelRef(Struct, frozen=True):
    prefix: str | None
    name: str


def parse_model_ref(text: str, prefixes: Container[str]) -> ModelRef:
    prefix, slash, name = text.partition("/")
    if slash and name and prefix in prefixes:
        return ModelRef(prefix, name)
    return ModelRef(None, text)


def is_safe_path_segment(text: str) -> bool:
    """Say whether a name may be put into a URL path: no control, no dot or empty segments, no `?`, `#`, `;`, `%`, `\\`.

    A slash in it is safe once it is encoded, and where the other side decodes it too early it leads nowhere else.
    """
    return (
        bool(text)
        and text.isprintable()
        and text.isascii()
        and not any(c in text for c in "?#;%\\")
        and ".." not in text
        and not any(segment in ("", ".") for segment in text.split("/"))
    )
