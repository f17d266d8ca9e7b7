"""The cluster as a whole: joining it, and what it has."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wtb.errors import ConfigurationError
from wtb.ray.config import GIB, RayConfig

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["connect", "lacking", "load_ray", "room_for"]


def load_ray() -> "ModuleType":
    """Return the module `ray`.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise ConfigurationError(
            "the Ray runner needs Ray: pip install 'workflow-test-bench[ray]'"
        ) from error
    return ray


def connect(config: RayConfig) -> bool:
    """Join a cluster, unless this program is in one; return whether it was started here.

    Raises:
        ConfigurationError: There is none at the address.
    """
    ray = load_ray()
    if ray.is_initialized():
        return False
    quiet: dict[str, Any] = {"logging_level": "WARNING", "log_to_driver": False}
    if config.ray_address is not None:
        try:
            ray.init(address=config.ray_address, namespace=config.ray_namespace, **quiet)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            raise ConfigurationError(
                f"there is no Ray cluster at {config.ray_address!r} ({error}). Start one with "
                "`ray start --head`, or use RayConfig.for_local_development()"
            ) from error
        return False
    memory = config.object_store_memory_gb
    ray.init(
        address="local",
        namespace=config.ray_namespace,
        num_cpus=config.num_cpus,
        object_store_memory=None if memory is None else int(memory * GIB),
        include_dashboard=False,
        **quiet,
    )
    return True


def wanted(config: RayConfig) -> Mapping[str, float]:
    """Return what one actor takes, by the cluster's names."""
    options = config.actor_options()
    found = {"CPU": options["num_cpus"], **options["resources"]}
    if "memory" in options:
        found["memory"] = options["memory"]
    return {name: amount for name, amount in found.items() if amount}


def room_for(config: RayConfig) -> int:
    """Return how many more actors the cluster has room for now."""
    ray = load_ray()
    free = ray.available_resources()
    rooms = [int(free.get(name, 0.0) // amount) for name, amount in wanted(config).items()]
    return min(rooms, default=config.max_actors)


def lacking(config: RayConfig) -> str:
    """Say why no actor could be made, as far as it can be told from outside."""
    ray = load_ray()
    wants = wanted(config)
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    fits = any(all(node.get(name, 0.0) >= one for name, one in wants.items()) for node in nodes)
    asked = ", ".join(f"{name}: {amount:g}" for name, amount in wants.items()) or "nothing"
    if fits:
        return f"an actor takes {asked}, for which a machine is large enough, but not free"
    largest = {name: max((one.get(name, 0.0) for one in nodes), default=0.0) for name in wants}
    has = ", ".join(f"{name}: {amount:g}" for name, amount in largest.items())
    return f"an actor takes {asked}, and no machine of the cluster has more than {has}"
