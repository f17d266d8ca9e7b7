"""Batches whose variants have environments, and what became of them."""

import wtb

GRAPH = "ray_graphs:build"


def variant(name, **environment):
    return wtb.Variant(name, environment=environment)


def with_variable(name, value):
    return variant(name, env_vars={"RAY_TRIAL": str(value)})


LONGER = {"env_vars": {"RAY_TRIAL": "2", "RAY_TRIAL_SLOWER": "3"}}
"""Where nodes take longer."""


def cases(count, **case):
    return [{"number": number, "how": "tell the environment", **case} for number in range(count)]


def told(batch):
    """Return for each variant what its executions found in the environment, and on which actors."""
    return {
        name: (
            {one.metrics["RAY_TRIAL"] for one in batch.results if one.variant == name},
            {
                one.attempts[-1].worker.partition("@")[0]
                for one in batch.results
                if one.variant == name
            },
        )
        for name in {one.variant for one in batch.results}
    }


def states(runner):
    return {
        one.name: one.environment and one.environment["env_vars"]["RAY_TRIAL"]
        for one in runner.actors.states()
    }
