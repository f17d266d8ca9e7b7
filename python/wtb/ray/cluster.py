"""The cluster as a whole: joining it, and what it has."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wtb.errors import ConfigurationError, WorkerError, did_you_mean
from wtb.ray.config import GIB, RayConfig

if TYPE_CHECKING:
    from types import ModuleType

__all__ = [
    "Question",
    "answer",
    "check_environment",
    "connect",
    "lacking",
    "leave",
    "load_ray",
    "no_other_cluster",
    "room_for",
]


T = TypeVar("T")

PLUGINS = "RAY_RUNTIME_ENV_PLUGINS"
"""The environment variable that names what else Ray can make environments with."""

PARTS = 10_000
"""Into how many parts Ray divides one of a resource."""

ANSWER_S = 10.0
"""How long the head may take for an answer without which nothing can begin."""


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


class _Others:
    """How many keep Ray from starting a cluster by itself."""

    lock = threading.Lock()
    count = 0
    before = True


@contextlib.contextmanager
def no_other_cluster() -> Iterator[None]:
    """Keep Ray's calls from starting a cluster, as they do once the program has left its own.

    They fail then. It is what the variable `RAY_ENABLE_AUTO_CONNECT=0` does for a whole program.
    """
    hook: Any = sys.modules.get("ray._private.auto_init_hook")
    if hook is None:
        # It is not in use, or has no such thing any more.
        yield
        return
    with _Others.lock:
        if not _Others.count:
            _Others.before = hook.enable_auto_connect
        _Others.count += 1
        hook.enable_auto_connect = False
    try:
        yield
    finally:
        with _Others.lock:
            _Others.count -= 1
            if not _Others.count:
                hook.enable_auto_connect = _Others.before


class _Use:
    """Which runners of this program use the cluster, of which a program has one at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users: set[int] = set()
        self.is_own = False


_use = _Use()


def connect(config: RayConfig, user: object) -> bool:
    """Join a cluster, unless this program is in one; return whether it was not.

    Args:
        config: Where it is, or what one that is started here has.
        user: Who uses it, until `leave`.

    Raises:
        ConfigurationError: There is none at the address.
    """
    ray = load_ray()
    with _use.lock:
        _use.users.add(id(user))
        if ray.is_initialized():
            return False
        try:
            ray.init(**_arguments(config))
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            _use.users.discard(id(user))
            where = "on this machine" if config.starts_cluster else repr(config.ray_address)
            raise ConfigurationError(
                f"there is no Ray cluster to be had: {where} ({error}). Start one with "
                "`ray start --head`, or use RayConfig.for_local_development()"
            ) from error
        _use.is_own = config.starts_cluster
        return True


def leave(user: object) -> None:
    """Use the cluster no more; one that was started here ends with its last user."""
    with _use.lock:
        _use.users.discard(id(user))
        if _use.is_own and not _use.users:
            _use.is_own = False
            load_ray().shutdown()


def _arguments(config: RayConfig) -> dict[str, Any]:
    common: dict[str, Any] = {
        "namespace": config.ray_namespace,
        # Its warnings are about what the user can do nothing about.
        "logging_level": "ERROR",
        "log_to_driver": False,
    }
    if not config.starts_cluster:
        return {**common, "address": config.ray_address}
    memory = config.object_store_memory_gb
    return {
        **common,
        "address": "local",
        "num_cpus": config.num_cpus,
        "object_store_memory": None if memory is None else int(memory * GIB),
        "include_dashboard": False,
    }


class Question(Generic[T]):
    """A question to the cluster's head, which does not answer while it is gone.

    Args:
        ask: Asks, for as long as that takes.
    """

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._thread: threading.Thread | None = None
        self._found: T | None = None

    def look(self, wait_s: float = 0.0) -> T | None:
        """Return the answer to what was asked last, None while there is none; and then ask again.

        Args:
            wait_s: How many seconds to wait for it.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="wtb-ray-question", daemon=True)
            self._thread.start()
        self._thread.join(wait_s)
        if self._thread.is_alive():
            return None
        self._thread = None
        found, self._found = self._found, None
        return found

    def _run(self) -> None:
        # A head that refuses to answer is as good as one that does not.
        with suppress(Exception):
            self._found = self._ask()


def answer(ask: Callable[[], T]) -> T:
    """Return the head's answer.

    Raises:
        WorkerError: It does not answer.
    """
    found = Question(ask).look(ANSWER_S)
    if found is None:
        raise WorkerError(
            f"the head of the Ray cluster has not answered for {ANSWER_S:g} s. What has not run is "
            "left; bench.resume_batch goes on with it once the cluster is there again"
        )
    return found


def wanted(config: RayConfig) -> Mapping[str, float]:
    """Return what one actor takes, by the cluster's names."""
    options = config.actor_options()
    found = {"CPU": options["num_cpus"], **options["resources"]}
    if "memory" in options:
        found["memory"] = options["memory"]
    return {name: amount for name, amount in found.items() if amount}


def check_environment(environment: Mapping[str, Any] | None, title: str) -> None:
    """Refuse an environment that Ray cannot make.

    Args:
        environment: What it is made from.
        title: How errors speak of the variant that needs it.

    Raises:
        ConfigurationError: It can see that without trying.
    """
    from ray.runtime_env import RuntimeEnv

    known = {one for one in RuntimeEnv.known_fields if not one.startswith("_")}
    for key in environment or {}:
        # Ray ignores what it does not know, but for the keys of plugins.
        if key not in known and PLUGINS not in os.environ:
            near = did_you_mean(key, sorted(known), listed_as="Ray's are")
            raise ConfigurationError(f"{title}: an environment has no key {key!r}. {near}")
    for key in ("working_dir", "py_modules"):
        given = (environment or {}).get(key, [])
        for one in [given] if isinstance(given, str) else given:
            if os.path.isdir(one):
                raise ConfigurationError(
                    f"{title}: {key} is {one!r}; actors take no directory of this machine, but the "
                    "URI of a zip file"
                )
    try:
        RuntimeEnv(**(environment or {}))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{title}: Ray does not take its environment: {error}") from error


def room_for(config: RayConfig) -> int:
    """Return how many more actors the cluster's machines have room for, each on one of them."""
    wants = wanted(config)
    if not wants:
        return config.max_actors
    # Ray counts in whole parts: 0.3 has room for 0.1 three times.
    return sum(
        min(
            round(free.get(name, 0.0) * PARTS) // max(1, round(amount * PARTS))
            for name, amount in wants.items()
        )
        for free in _free_by_machine()
    )


def _free_by_machine() -> Sequence[Mapping[str, float]]:
    ray = load_ray()
    # Ray's public function adds all machines up, and so finds room that none of them has.
    by_machine = getattr(ray._private.state, "available_resources_per_node", None)
    return [ray.available_resources()] if by_machine is None else list(by_machine().values())


def lacking(config: RayConfig) -> str:
    """Say why no actor could be made, as far as it can be told from outside."""
    ray = load_ray()
    wants = wanted(config)
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    fits = any(all(node.get(name, 0.0) >= one for name, one in wants.items()) for node in nodes)
    asked = ", ".join(f"{name}: {amount:g}" for name, amount in wants.items()) or "nothing"
    if fits and room_for(config) > 0:
        return (
            f"there was room for it ({asked}), so that it is its environment, or Ray, that is slow"
        )
    if fits:
        return f"an actor takes {asked}, for which a machine is large enough, but not free"
    largest = {name: max((one.get(name, 0.0) for one in nodes), default=0.0) for name in wants}
    if all(largest[name] >= one for name, one in wants.items()):
        return f"an actor takes {asked}, and no machine of the cluster has all of that"
    has = ", ".join(f"{name}: {amount:g}" for name, amount in largest.items())
    return f"an actor takes {asked}, and no machine of the cluster has more than {has}"
