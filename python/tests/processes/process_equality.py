"""Random graphs of all kinds of nodes, as `langgraph_adapter/test_equality.py` builds them."""

import random

from test_equality import build

KINDS = ["plain", "async", "command", "send", "branch", "subgraph"]


def plan(seed: int):
    draw = random.Random(seed)
    size = draw.randint(2, 6)
    nodes = []
    for index in range(size):
        later = list(range(index + 1, size))
        targets = sorted(draw.sample(later, min(len(later), draw.randint(0, 3))))
        nodes.append((KINDS[(seed + index) % len(KINDS)], targets, draw.randint(0, 9)))
    return nodes, draw.random() < 0.5


def graph(seed: int):
    return build(*plan(seed))
