"""How a Ray cluster is used."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any

from wtb import _plan
from wtb._environments import ENV_VARS, plain_environment
from wtb.errors import ConfigurationError

__all__ = ["RayConfig"]

GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class RayConfig:
    """How a Ray cluster is used: where it is, what an actor takes of it, and how patient one is.

    An actor is a supervisor on one of the cluster's machines: it makes attempts in processes of its
    own, `tasks_per_actor` at once.

    Attributes:
        ray_address: Where the cluster is, for example "auto" or "ray-head:6379"; None or "local"
            starts one on this machine for as long as the runner is open.
        ray_namespace: The cluster's namespace that the program is in, unless it is in one already.
        num_cpus_per_task: How many CPUs Ray sets aside for each of an actor's processes.
        memory_per_task_gb: How many GiB of memory; 0 sets none aside.
        resources_per_task: Custom resources of the cluster, by name.
        tasks_per_actor: How many attempts an actor makes at once.
        min_actors: How many actors are there at least, as long as a batch is under way.
        max_actors: How many at most.
        max_pending_tasks: How many attempts are handed out at once, over all actors.
        max_retries: How often an execution is tried again whose attempt was lost with its process
            or actor. It is not charged with a retry for that.
        actor_max_restarts: How many actors of a batch may be lost and replaced.
        task_timeout_seconds: How long an attempt may take, unless the batch says it.
        actor_creation_timeout: How many seconds an actor may take until it is ready.
        result_timeout: How many seconds an actor may be silent before it is given up.
        idle_timeout: How many seconds an actor beyond `min_actors` may have nothing to do.
        object_store_memory_gb: How many GiB a cluster that is started here has for objects; Ray's
            own choice by default.
        num_cpus: How many CPUs a cluster that is started here has; those of the machine by default.
        runtime_env: The environment that Ray makes for the actors; what a variant's own one says of
            the same is put over it.

    Raises:
        ConfigurationError: A value cannot be used.

    Example:
        >>> RayConfig.for_testing().max_actors
        2
    """

    ray_address: str | None = "auto"
    ray_namespace: str = "wtb"
    num_cpus_per_task: float = 1.0
    memory_per_task_gb: float = 2.0
    resources_per_task: Mapping[str, float] = field(default_factory=dict)
    tasks_per_actor: int = 1
    min_actors: int = 1
    max_actors: int = 10
    max_pending_tasks: int = 100
    max_retries: int = 3
    actor_max_restarts: int = 3
    task_timeout_seconds: float | None = 3600.0
    actor_creation_timeout: float = 60.0
    result_timeout: float = 4.0
    idle_timeout: float = 10.0
    object_store_memory_gb: float | None = None
    num_cpus: int | None = None
    runtime_env: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for name in ("tasks_per_actor", "max_actors", "max_pending_tasks"):
            _plan.count(getattr(self, name), name)
        for name in ("min_actors", "max_retries", "actor_max_restarts"):
            _plan.count(getattr(self, name), name, 0)
        if self.min_actors > self.max_actors:
            raise ConfigurationError(
                f"min_actors={self.min_actors} is more than max_actors={self.max_actors}"
            )
        for name in ("actor_creation_timeout", "result_timeout", "idle_timeout"):
            _plan.seconds(getattr(self, name), name)
        if self.task_timeout_seconds is not None:
            _plan.seconds(self.task_timeout_seconds, "task_timeout_seconds")
        _plan.count_or_none(self.num_cpus, "num_cpus")
        for name in ("num_cpus_per_task", "memory_per_task_gb"):
            _check_amount(getattr(self, name), name)
        if self.object_store_memory_gb is not None:
            _check_amount(self.object_store_memory_gb, "object_store_memory_gb")
        environment = plain_environment(self.runtime_env, "RayConfig(runtime_env=...)")
        object.__setattr__(self, "runtime_env", environment)
        if not isinstance(self.resources_per_task, Mapping):
            raise ConfigurationError(
                f"resources_per_task maps names to amounts, not {self.resources_per_task!r}"
            )
        for name, amount in self.resources_per_task.items():
            _check_amount(amount, f"the resource {name!r}")

    @classmethod
    def for_local_development(cls, **changes: Any) -> "RayConfig":
        """Return settings for a cluster on this machine, which is started with the runner.

        Args:
            **changes: Fields that are to be otherwise.
        """
        cores = os.cpu_count() or 1
        local: dict[str, Any] = {
            "ray_address": None,
            "memory_per_task_gb": 0.0,
            "max_actors": min(4, cores),
            "max_pending_tasks": 32,
            "max_retries": 1,
            "task_timeout_seconds": 300.0,
        }
        return cls(**{**local, **changes})

    @classmethod
    def for_testing(cls, **changes: Any) -> "RayConfig":
        """Return settings for tests: a small cluster on this machine.

        Args:
            **changes: Fields that are to be otherwise.
        """
        small: dict[str, Any] = {
            "ray_address": None,
            "num_cpus": 2,
            "num_cpus_per_task": 0.5,
            "memory_per_task_gb": 0.0,
            "max_actors": 2,
            "max_pending_tasks": 16,
            "max_retries": 1,
            "task_timeout_seconds": 60.0,
            "object_store_memory_gb": 0.25,
        }
        return cls(**{**small, **changes})

    @classmethod
    def for_production(
        cls,
        ray_address: str = "auto",
        num_workers: int = 10,
        memory_gb: float = 4.0,
        **changes: Any,
    ) -> "RayConfig":
        """Return settings for a cluster of several machines.

        Args:
            ray_address: Where the cluster is.
            num_workers: How many actors at most.
            memory_gb: GiB of memory for each attempt that is made at once.
            **changes: Fields that are to be otherwise.
        """
        large: dict[str, Any] = {
            "ray_address": ray_address,
            "memory_per_task_gb": memory_gb,
            "max_actors": num_workers,
            "max_pending_tasks": max(100, 8 * num_workers),
            "actor_max_restarts": 10 * num_workers,
            "task_timeout_seconds": 7200.0,
        }
        return cls(**{**large, **changes})

    @property
    def starts_cluster(self) -> bool:
        """Whether a cluster is started on this machine."""
        return self.ray_address in (None, "local")

    def describe(self) -> dict[str, Any]:
        """Return the fields as JSON."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            name: dict(value) if isinstance(value, Mapping) else value
            for name, value in found.items()
        }

    def environment_for(self, own: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Return the environment of actors that work for variants with an environment of their own.

        Args:
            own: That environment; None for variants that have none.
        """
        base = self.runtime_env or {}
        variables = {**base.get(ENV_VARS, {}), **(own or {}).get(ENV_VARS, {})}
        merged = {**base, **(own or {}), ENV_VARS: variables}
        return {key: value for key, value in merged.items() if key != ENV_VARS or value} or None

    def actor_options(self, environment: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return what Ray is told of an actor.

        Args:
            environment: The environment that it is in.
        """
        tasks = self.tasks_per_actor
        options: dict[str, Any] = {
            "num_cpus": self.num_cpus_per_task * tasks,
            "resources": {name: one * tasks for name, one in self.resources_per_task.items()},
            # An actor that is lost is replaced here: Ray's own restart knows nothing of attempts.
            "max_restarts": 0,
            "max_task_retries": 0,
            # One call waits for news, others bring attempts or ask for the state.
            "max_concurrency": 4,
        }
        if self.memory_per_task_gb:
            options["memory"] = int(self.memory_per_task_gb * GIB * tasks)
        if environment is not None:
            options["runtime_env"] = dict(environment)
        return options


def _check_amount(amount: Any, what: str) -> None:
    is_number = isinstance(amount, int | float) and not isinstance(amount, bool)
    if not is_number or not isfinite(amount) or amount < 0:
        raise ConfigurationError(f"{what} is a number from 0 on, not {amount!r}")
