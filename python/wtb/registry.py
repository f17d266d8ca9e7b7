"""Workflows by name, for programs that speak of them by id as the seeds' `BatchTest` does."""

from wtb._warn import warn_caller
from wtb.errors import UnknownWorkflowError, did_you_mean
from wtb.workflow import Workflow, as_workflow

__all__ = ["Registry", "register", "registered"]


class Registry:
    """Workflows that were registered, by name; later ones of the same name replace earlier ones."""

    def __init__(self, parent: "Registry | None" = None) -> None:
        self._parent = parent
        self._workflows: dict[str, Workflow] = {}

    def register(self, workflow: object) -> Workflow:
        """Remember a workflow by its name and return it."""
        owner = as_workflow(workflow)
        former = self._workflows.get(owner.name, owner)
        if former is not owner and former.graph is not owner.graph:
            warn_caller(
                f"another workflow was registered as {owner.name!r} before: {former!r}. "
                "From now on the name means the new one"
            )
        self._workflows[owner.name] = owner
        return owner

    def find(self, name: str) -> Workflow | None:
        """Return the workflow of that name, here or in the parent."""
        found = self._workflows.get(name)
        if found is None and self._parent is not None:
            return self._parent.find(name)
        return found

    def get(self, name: str) -> Workflow:
        """Return the workflow of that name.

        Raises:
            UnknownWorkflowError: Nobody registered it.
        """
        found = self.find(name)
        if found is None:
            raise UnknownWorkflowError(
                f"no workflow is registered under {name!r}. "
                f"{did_you_mean(name, self.names(), listed_as='registered workflows')} "
                "Call register(workflow) first, or pass the workflow itself"
            )
        return found

    def names(self) -> list[str]:
        """Return all names, those of the parent included."""
        inherited = self._parent.names() if self._parent is not None else []
        return sorted({*inherited, *self._workflows})


registered = Registry()
"""The program's own registry, which every bench looks into."""


def register(workflow: object) -> Workflow:
    """Register a workflow for the whole program, so that its name resolves everywhere.

    Args:
        workflow: A `Workflow`, a graph, or a `"module:attribute"` reference.

    Returns:
        The workflow that is now known by its name.
    """
    return registered.register(workflow)
