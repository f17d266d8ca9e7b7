"""A workflow whose executions differ in every way that a report shows."""

import operator
import sys
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph

import wtb
from wtb import Case, Score, Variant, evaluator

HOSTILE = (
    "</script><img src=x onerror=\"window.hacked='img'\"><script>window.hacked='script'</script>"
    "{{script}}<!--"
)
CASES = 12
REPEATS = 2


class State(TypedDict, total=False):
    question: int
    plan: str
    answer: Any
    notes: Annotated[list[str], operator.add]


def plan(state: State) -> State:
    return {"plan": f"answer {state['question']}", "notes": ["planned"]}


def answer(state: State) -> State:
    sys.stdout.write(f"thinking about {state['question']}\n")
    return {"answer": state["question"], "notes": [HOSTILE]}


def worse(state: State) -> State:
    """Right for even questions, and for the third one in the first repeat only."""
    if state["question"] == 5:
        sys.stderr.write("giving up\n")
        raise ValueError(f"no answer {HOSTILE}")
    if state["question"] == 3 and wtb.current().repeat:
        return {"answer": -3}
    is_right = state["question"] % 2 == 0 or state["question"] == 3
    return {"answer": state["question"] if is_right else None, "notes": ["\u4e16\u754c"]}


def wordy(state: State) -> State:
    return {"answer": state["question"], "notes": ["long " * 20_000]}


def graph(**nodes: Any) -> StateGraph:
    made = StateGraph(State)
    made.add_node("plan", plan)
    made.add_node("answer", answer)
    made.add_edge(START, "plan")
    made.add_edge("plan", "answer")
    made.add_edge("answer", END)
    return made


@evaluator
def correct(output: Any, expected: Any) -> Score:
    is_right = output["answer"] == expected
    return Score(
        float(is_right), reason="as expected" if is_right else f"not {expected}: {HOSTILE}"
    )


@evaluator(name="length", direction="min")
def length(output: Any) -> float:
    return float(sum(map(len, output["notes"])))


VARIANTS = [
    Variant("baseline"),
    Variant(f"worse {HOSTILE}", nodes={"answer": worse}),
    Variant("wordy", nodes={"answer": wordy}),
]


def cases(count: int = CASES) -> list[Case]:
    return [
        Case(
            {"question": number},
            number,
            id=f"case-{number}",
            tags=["hostile" if number == 4 else "plain"],
            group=f"group-{number}",
        )
        for number in range(count)
    ]


def write_file(state: State) -> State:
    Path("made.txt").write_text(f"made for {state['question']} {HOSTILE}", encoding="utf-8")
    Path("data.csv").write_text("changed", encoding="utf-8")
    sys.stdout.write("written to made.txt\n")
    return {"answer": 1, "notes": []}


FILES = Variant("files", nodes={"answer": write_file})
