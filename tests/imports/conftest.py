"""Samples of what other programs write, by our hand and in their shape; each says where that is from."""

from collections.abc import Mapping

import pytest

from gantry.providers.spec import ProviderSpec, load_catalog


@pytest.fixture(scope="session")
def catalog() -> Mapping[str, ProviderSpec]:
    return load_catalog()


@pytest.fixture(scope="session")
def providers(catalog: Mapping[str, ProviderSpec]) -> dict[str, str]:
    return {name: spec.id for spec in catalog.values() for name in (*spec.prefixes, spec.id)}
