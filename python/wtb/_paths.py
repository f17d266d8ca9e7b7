"""Names of nodes inside subgraphs."""

__all__ = ["path_of"]


def path_of(namespace: str) -> str:
    """Return `"agent/tools"` for LangGraph's `"agent:<task>|tools:<task>"`.

    Segments that are numbers tell apart the calls of one subgraph and name no node.
    """
    return "/".join(part.partition(":")[0] for part in namespace.split("|") if not part.isdigit())
