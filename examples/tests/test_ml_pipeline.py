"""The ML example: every trainer runs on every data set, alike each time, with a state to store."""

from typing import Any

import ml_pipeline
import numpy as np
import pytest

TRAINERS = [ml_pipeline.train, ml_pipeline.train_random_forest, ml_pipeline.train_xgboost]
WINE: Any = {"dataset": "wine", "split_seed": 1}


def states(graph: Any, case: Any) -> Any:
    return list(graph.stream(case, stream_mode="values"))


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("dataset", ml_pipeline.DATASETS)
def test_every_trainer_learns_every_data_set(replaced: Any, trainer: Any, dataset: Any) -> None:
    graph = replaced(ml_pipeline.graph, train=trainer)
    output = graph.invoke({"dataset": dataset, "split_seed": 0})
    assert set(output) == {"accuracy", "macro_f1"}
    assert 0.85 < output["accuracy"] <= 1
    assert 0.85 < output["macro_f1"] <= 1


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_case_gives_the_same_predictions_each_time(trainer: Any) -> None:
    state: Any = {**WINE}
    state |= ml_pipeline.load(state)
    state |= ml_pipeline.split(state)
    first, second = trainer(state), trainer(state)
    np.testing.assert_array_equal(first["predictions"], second["predictions"])


def test_splits_differ_by_seed_and_never_overlap() -> None:
    state: Any = ml_pipeline.load(WINE)
    first, other = (ml_pipeline.split(state | {"split_seed": seed}) for seed in (0, 1))
    assert not np.array_equal(first["test_rows"], other["test_rows"])
    assert not set(first["train_rows"]) & set(first["test_rows"])
    assert len(first["train_rows"]) + len(first["test_rows"]) == len(state["labels"])


@pytest.mark.parametrize("trainer", TRAINERS)
def test_every_state_survives_the_serializer(replaced: Any, stored: Any, trainer: Any) -> None:
    seen = states(replaced(ml_pipeline.graph, train=trainer), WINE)
    full: Any = {**WINE}
    for node in (ml_pipeline.load, ml_pipeline.split, trainer, ml_pipeline.evaluate):
        full |= node(full)
    for state in [*seen, full]:
        copy = stored(state)
        assert copy.keys() == state.keys()
        for key, value in state.items():
            np.testing.assert_array_equal(copy[key], value)
            assert type(copy[key]) is type(value)


def test_an_unknown_data_set_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'iris'.*breast_cancer, digits, wine"):
        ml_pipeline.graph.compile().invoke({"dataset": "iris", "split_seed": 0})


def test_the_cases_are_the_data_sets_times_four_splits(cases: Any) -> None:
    found = {(case["group"], case["input"]["dataset"], case["input"]["split_seed"])
             for case in cases("ml_pipeline")}  # fmt: skip
    assert found == {(name, name, seed) for name in ml_pipeline.DATASETS for seed in range(4)}
