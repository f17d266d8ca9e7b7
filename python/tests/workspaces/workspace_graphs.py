"""Graphs whose nodes work on files; importable, so that workers find them by name."""

import contextlib
import itertools
import os
import time
from pathlib import Path
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

import wtb


class State(TypedDict, total=False):
    how: str
    seen: Any
    where: Any
    answer: Any


def chain(**nodes) -> StateGraph:
    """A graph that runs the given functions in their order."""
    graph = StateGraph(State)
    for name, function in nodes.items():
        graph.add_node(name, function)
    for one, other in itertools.pairwise([START, *nodes, END]):
        graph.add_edge(one, other)
    return graph


def here() -> Path:
    found = wtb.current().workspace
    assert found is not None
    return found


def listing(folder: Path) -> dict[str, str]:
    """The texts of all files, by path."""
    files = sorted(one for one in folder.rglob("*") if one.is_file())
    return {str(one.relative_to(folder)): one.read_text() for one in files}


def first(state: State) -> State:
    """Append in place, write anew, remove, and make a directory."""
    with (here() / "data.csv").open("a") as file:
        file.write("first\n")
    (here() / "made").mkdir()
    (here() / "made" / "first.txt").write_text(state["how"])
    (here() / "gone.txt").unlink()
    return {"where": [str(here()), os.getcwd()]}


def second(state: State) -> State:
    """Go on with what the first node has left, and fail if that is asked for."""
    with (here() / "data.csv").open("a") as file:
        file.write("second\n")
    (here() / "made" / "first.txt").rename(here() / "made" / "second.txt")
    match state["how"]:
        case "fail":
            raise ValueError("as asked")
        case "exit":
            os._exit(3)
        case "sleep":
            time.sleep(1000)
    return {"seen": listing(here())}


def build() -> StateGraph:
    return chain(first=first, second=second)


def asks(state: State) -> State:
    """Write before the question, which is no checkpoint, and after it."""
    (here() / "asked.txt").write_text("asked")
    answer = interrupt("go on?")
    (here() / "answered.txt").write_text(answer)
    return {"answer": answer, "seen": listing(here())}


def asking() -> StateGraph:
    return chain(first=first, asks=asks)


def reads(_: State) -> State:
    """Only look."""
    return {"seen": listing(here())}


def reading() -> StateGraph:
    return chain(reads=reads)


def relative(_: State) -> State:
    """Use the working directory, as programs do that know nothing of workspaces."""
    Path("result.txt").write_text(Path("data.csv").read_text().upper())
    return {"seen": listing(Path()), "where": os.environ.get("WTB_TEST_SET")}


def working() -> StateGraph:
    return chain(relative=relative)


def restless_node(_: State) -> State:
    """Write on and on, also when the attempt is over."""
    place = here()
    end = time.monotonic() + 4
    for number in itertools.count():
        # Somebody may remove the directory meanwhile.
        with contextlib.suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{number}").write_text("on")
        if time.monotonic() > end:
            return {}
    return {}


def restless() -> StateGraph:
    return chain(restless=restless_node)


def locking_node(_: State) -> State:
    """Change a file, and forbid to look at it."""
    (here() / "sub" / "kept.txt").write_text("changed")
    (here() / "sub").chmod(0)
    return {}


def locking() -> StateGraph:
    return chain(locking=locking_node)
