"""Seeds the random number generators that an execution may draw from."""

import random
import sys


def seed_everything(seed: int) -> None:
    """Seed `random`, and numpy and torch if the process has loaded them.

    The generators are global, so executions that run at the same time in threads share them. A node
    that needs its own stream takes `wtb.current().seed`.

    Args:
        seed: Any non-negative integer; numpy gets its lowest 32 bits, torch its lowest 63.
    """
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed % 2**32)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed % 2**63)
