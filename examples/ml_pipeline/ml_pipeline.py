"""Compare three trainers on real data: load -> split -> train -> evaluate.

The graph is ordinary LangGraph and runs without WTB. Two things are added for the comparison: the
metrics that `evaluate` logs, and the other implementations of `train` at the end of the file.

The state never holds a fitted model, only arrays and numbers: whatever is in the state has to
survive LangGraph's serializer, so that an execution can be stored and continued elsewhere.
"""

import time
from typing import Any, TypedDict

import numpy as np
import wtb
from langgraph.graph import END, START, StateGraph
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

DATASETS = {"breast_cancer": load_breast_cancer, "digits": load_digits, "wine": load_wine}


class Input(TypedDict):
    """What a case has to give."""

    dataset: str
    split_seed: int


class State(Input):
    """Everything the nodes pass on; rows index into `features` and `labels`."""

    features: NDArray[np.float64]
    labels: NDArray[np.int64]
    train_rows: NDArray[np.int64]
    test_rows: NDArray[np.int64]
    predictions: NDArray[np.int64]
    fit_time_s: float
    accuracy: float
    macro_f1: float


class Output(TypedDict):
    """What an execution answers."""

    accuracy: float
    macro_f1: float


def load(state: Input) -> dict[str, Any]:
    """Read one of scikit-learn's bundled data sets."""
    if state["dataset"] not in DATASETS:
        known = ", ".join(DATASETS)
        raise ValueError(f"unknown data set {state['dataset']!r}; the known ones are {known}")
    data = DATASETS[state["dataset"]]()
    return {"features": data.data, "labels": data.target}


def split(state: State) -> dict[str, Any]:
    """Hold out 40 % of the rows, with every class in proportion."""
    train_rows, test_rows = train_test_split(
        np.arange(len(state["labels"])),
        test_size=0.4,
        stratify=state["labels"],
        random_state=state["split_seed"],
    )
    return {"train_rows": train_rows, "test_rows": test_rows}


def train(state: State) -> dict[str, Any]:
    """Logistic regression: the baseline."""
    return fit_and_predict(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
        state,
    )


def evaluate(state: State) -> dict[str, Any]:
    """Score the held-out rows."""
    truth = state["labels"][state["test_rows"]]
    accuracy = float(accuracy_score(truth, state["predictions"]))
    macro_f1 = float(f1_score(truth, state["predictions"], average="macro"))
    wtb.log_metric("accuracy", accuracy)
    wtb.log_metric("macro_f1", macro_f1)
    wtb.log_metric("fit_time_s", state["fit_time_s"], direction="min")
    return {"accuracy": accuracy, "macro_f1": macro_f1}


def fit_and_predict(model: Any, state: State) -> dict[str, Any]:
    """Fit a scikit-learn style `model` on the training rows and predict the held-out ones."""
    train_rows, test_rows = state["train_rows"], state["test_rows"]
    # The CPU time of this thread, because other workers share the machine with it.
    started = time.thread_time()
    model.fit(state["features"][train_rows], state["labels"][train_rows])
    fit_time_s = time.thread_time() - started
    return {"predictions": model.predict(state["features"][test_rows]), "fit_time_s": fit_time_s}


graph = StateGraph(State, input_schema=Input, output_schema=Output)
graph.add_node("load", load)
graph.add_node("split", split)
graph.add_node("train", train)
graph.add_node("evaluate", evaluate)
graph.add_edge(START, "load")
graph.add_edge("load", "split")
graph.add_edge("split", "train")
graph.add_edge("train", "evaluate")
graph.add_edge("evaluate", END)

workflow = wtb.Workflow("wf-ml-pipeline", graph)


@workflow.variant("train", "rf")
def train_random_forest(state: State) -> dict[str, Any]:
    """A random forest of 200 trees."""
    return fit_and_predict(
        RandomForestClassifier(n_estimators=200, n_jobs=1, random_state=model_seed()),
        state,
    )


@workflow.variant("train", "xgb")
def train_xgboost(state: State) -> dict[str, Any]:
    """Gradient-boosted trees."""
    # Imported here, so that only the executions that use XGBoost wait for it.
    from xgboost import XGBClassifier

    return fit_and_predict(
        XGBClassifier(
            n_estimators=120,
            max_depth=4,
            learning_rate=0.2,
            subsample=0.8,
            tree_method="hist",
            n_jobs=1,
            random_state=model_seed(),
        ),
        state,
    )


def model_seed() -> int:
    """The execution's seed: the same for every variant of a case, another for every repeat."""
    return wtb.current().seed % 2**32
