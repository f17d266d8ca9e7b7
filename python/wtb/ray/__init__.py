"""The Ray runner: attempts on the machines of a cluster. Ray itself is imported once it is used."""

from wtb.ray.actor import VariantExecutionActor
from wtb.ray.config import RayConfig
from wtb.ray.lifecycle import ActorLifecycleManager, ActorState
from wtb.ray.runner import RayBatchTestRunner

__all__ = [
    "ActorLifecycleManager",
    "ActorState",
    "RayBatchTestRunner",
    "RayConfig",
    "VariantExecutionActor",
]
