"""The farm of a miner, as its settings have it."""

from dataclasses import replace

from esper.node.clock import wall_ms
from esper.node.entries.farm_crew import FarmCrew, FarmSizes
from esper.node.entries.places import EntryPlaces
from esper.node.mining.node_mining import MiningPlan
from esper.node.setting_fields import SettingsError
from esper.node.settings import Resolved, Settings
from esper.node.workers.farm.farm import Farm
from esper.node.workers.farm.ray_here import DRIVER, check_installed
from esper.node.workers.farm.worker_spec import Role
from esper.node.workers.native_work import NativeVerifier
from esper.node.workers.worker_process import EngineChoice
from esper.primitives.params import NetworkParameters


def check_ray(resolved: Resolved) -> None:
    """Whether a cluster can be asked for at all. Raises SettingsError."""
    try:
        check_installed()
    except ValueError as error:
        raise SettingsError(f"{resolved.place('ray')}: {error}") from error


def with_farm(
    plan: MiningPlan, settings: Settings, params: NetworkParameters, places: EntryPlaces
) -> MiningPlan:
    """A plan whose workers share their work with the cluster that the settings name."""
    farm = Farm(DRIVER, settings.ray)
    sizes = FarmSizes(
        {Role.SEARCH: settings.ray_searchers, Role.PROVE: settings.ray_provers},
        {Role.SEARCH: settings.ray_search_cpus, Role.PROVE: settings.ray_prove_cpus},
    )
    engine = EngineChoice(settings.engine, settings.device)
    crew = FarmCrew(plan.crew, farm, sizes, params, places, engine, NativeVerifier(), wall_ms)
    return replace(plan, crew=crew, farm=farm)
