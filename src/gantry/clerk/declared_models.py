"""Custom models declared outside the store: `[[models]]` of gantry.toml.

Law: as `clerk/declared.py`'s: applied again at each start, as one change, and only where they differ; what is no longer
declared goes; one that cannot be used is reported with its key, left out, and refuses nothing but itself.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from gantry.clerk.model_world import read_world
from gantry.core.custom_model import CustomModel
from gantry.core.errors import InvalidRequest
from gantry.prices.rates import Rates
from gantry.providers.model_form import ModelForm, World, changed, check_name
from gantry.providers.spec import ProviderSpec
from gantry.settings import DeclaredModel
from gantry.store.control import ControlStore, default_organization
from gantry.store.credentials import ManagedBy
from gantry.store.custom_models import custom_models_of, put_custom_model, remove_custom_model
from gantry.store.database import Clock

# What a form calls otherwise than gantry.toml does.
_KEYS: Final[Mapping[str, str]] = {
    "model_name": "name",
    "base_model_name": "base",
    "provider_id": "provider",
    "cache_hit_input_cost": "cached_input_cost",
    "cache_creation_input_cost": "cache_write_cost",
    "max_context_window": "context_window",
}


def apply_declared_models(
    store: ControlStore,
    catalog: Mapping[str, ProviderSpec],
    declared: Sequence[DeclaredModel],
    open_rates: Callable[[], Rates],
    clock: Clock = time.time_ns,
) -> list[str]:
    """Make the managed custom models of the default organization what is declared; return what could not be used."""
    rates = open_rates() if declared else None  # a first start compiles them: not while a view of the store is open
    with store.reading() as connection:
        organization_id = default_organization(connection)
        present = custom_models_of(connection, organization_id)
        world = None
        if rates is not None:
            world = read_world(connection, organization_id, catalog, rates, clock())
    managed = {model.name: model for model in present if model.managed_by is not None}
    wanted: dict[str, CustomModel] = {}
    problems: list[str] = []
    if world is not None:
        by_hand = [model.name for model in present if model.managed_by is None]
        for found in read_models(declared, organization_id, world, by_hand):
            if isinstance(found, CustomModel):
                wanted[found.name] = found
            else:
                problems.append(found)
    gone = managed.keys() - wanted.keys()
    missing = [model for model in wanted.values() if not _is_same(managed.get(model.name), model)]
    if gone or missing:
        with store.changing() as change:
            for name in sorted(gone):
                remove_custom_model(change, organization_id, name)
            for model in missing:
                put_custom_model(change, model)
    return problems


def read_models(
    declared: Iterable[DeclaredModel], organization_id: str, world: World, by_hand: Iterable[str]
) -> Iterator[CustomModel | str]:
    """Yield what each entry means, or why it cannot be used. `by_hand` are the names that people have added."""
    added = set(by_hand)
    seen: dict[str, int] = {}
    for number, entry in enumerate(declared):
        try:
            if entry.name in added:
                raise InvalidRequest(
                    f"{entry.name} was added by hand; remove that with `gantry models remove {entry.name}`, or give "
                    "this one another name.",
                    param="name",
                )
            if seen.setdefault(entry.name, number) != number:
                raise InvalidRequest(f"{entry.name} is the name of models[{seen[entry.name]}] already.", param="name")
            yield _read_model(entry, organization_id, world)
        except InvalidRequest as error:
            key = _KEYS.get(error.param or "", error.param)
            yield f"gantry.toml: models[{number}]{'' if key is None else f'.{key}'}: {error.message}"


def _read_model(entry: DeclaredModel, organization_id: str, world: World) -> CustomModel:
    """Return the custom model that an entry means. Raises InvalidRequest."""
    form = ModelForm(
        base_model_name=_said(entry.base),
        custom_provider_id=_said(entry.provider),
        is_called_by_custom_name=_said(entry.by_name),
        display_name=_said(entry.display_name),
        input_cost=_said(entry.input_cost),
        output_cost=_said(entry.output_cost),
        cache_hit_input_cost=_said(entry.cached_input_cost),
        cache_creation_input_cost=_said(entry.cache_write_cost),
        max_context_window=_said(entry.context_window),
        streaming_support=_said(entry.streaming),
        function_call=_said(entry.tools),
        image_support=_said(entry.vision),
        # TOML has days and times, which JSON, and so the store, has as text.
        supported_params_override=msgspec.json.decode(msgspec.json.encode(entry.parameters)),
    )
    name = check_name(entry.name, world)
    return changed(CustomModel(organization_id=organization_id, name=name, managed_by=ManagedBy.FILE), form, world)


def _said(value: Any) -> Any | UnsetType:
    return UNSET if value is None else value


def _is_same(present: CustomModel | None, wanted: CustomModel) -> bool:
    return present is not None and replace(present, created_at=0, updated_at=0) == wanted
