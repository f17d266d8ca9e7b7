"""What tests of histories read: executions of a listing, checkpoints, lines."""

from typing import Any

from console import Console, Done


def found(project: Console, **wanted: str) -> str:
    """Return the id of the newest execution that is as wanted."""
    listed = project("list", "executions", "--json").json()
    return next(one["id"] for one in listed if wanted.items() <= one.items())


def steps(project: Console, execution: str, *options: str) -> list[dict[str, Any]]:
    document = project("checkpoints", execution, *options, "--json").json()
    return list(document["checkpoints"])


def lines(done: Done) -> list[str]:
    return [line.rstrip() for line in done.stdout.splitlines()]
