"""The facts about models: complete enough to be of use, strict enough to be true."""

import pytest

from gantry.prices.load import load_rates
from gantry.providers.model_facts import Capability, FactsUnreadable, Modality, ModelKind, load_facts, parse_facts
from gantry.providers.spec import load_catalog

FACTS = load_facts()
OF_2026_11 = 1_795_000_000_000_000_000


def test_every_file_is_named_after_a_provider_of_the_catalogue() -> None:
    assert FACTS.keys() <= load_catalog().keys()
    assert {"mistral", "openai", "anthropic", "google_gemini_ai"} <= FACTS.keys()


@pytest.mark.parametrize("provider", FACTS)
def test_chat_and_embedding_models_have_their_sizes(provider: str) -> None:
    sizeless = [
        model.names[0]
        for model in FACTS[provider]
        if model.kind in (ModelKind.CHAT, ModelKind.EMBEDDING) and not model.context_window
    ]
    # Named by their provider, and described to those who were let in only.
    assert [name for name in sizeless if "rosalind" not in name and "cyber" not in name] == []


def test_what_everybody_knows() -> None:
    known = {name: model for models in FACTS.values() for model in models for name in model.names}
    assert known["mistral-large-latest"].context_window == 262_144
    assert Modality.IMAGE in known["mistral-small-latest"].input
    assert Modality.IMAGE not in known["codestral-latest"].input
    assert Capability.FIM in known["codestral-latest"].capabilities
    assert known["mistral-embed"].kind is ModelKind.EMBEDDING
    assert Capability.TOOLS in known["gpt-4o"].capabilities
    assert Capability.REASONING in known["claude-sonnet-4-5"].capabilities
    assert known["gemini-2.5-flash"].input[-1] is Modality.DOCUMENT
    assert known["pixtral-large-latest"].replacement == "mistral-large-latest"


def test_nearly_all_have_a_price() -> None:
    rates = load_rates()
    all_of = [(provider, model.names) for provider, models in FACTS.items() for model in models]
    unpriced = [names for provider, names in all_of if rates.find_first(provider, names, OF_2026_11) is None]
    assert len(unpriced) < 0.15 * len(all_of), unpriced


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[model]]\nnames = ["a"]\nsize = 1', "unknown field `size`"),
        ('[[model]]\nnames = ["a"]\nkind = "talk"', "talk"),
        ('[[model]]\nnames = ["a", "b"]\n[[model]]\nnames = ["b"]', "two models are called b"),
        ("[[model]]\nnames = []", "a model has no name"),
        ("[[model]", "x.toml"),
    ],
)
def test_a_file_with_a_fault_is_refused_by_name(text: str, says: str) -> None:
    with pytest.raises(FactsUnreadable, match=says):
        parse_facts(text, "x.toml")
