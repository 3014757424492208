"""Refuses targets that a constant answer comes near, before any run is made."""

import json
from collections import Counter
from collections.abc import Sequence

from fedbytes.experiments.config.declaration.protocol import Protocol
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.plots.inference.target_hits import check_target


def check_targets(protocol: Protocol | None, configs: Sequence[RunConfig]) -> None:
    """Check declared targets of accuracy against the share of the test texts' largest class.

    Raises:
        ValueError: for one within five points of it; one line that names both.
    """
    if protocol is None or protocol.metric not in (None, "accuracy"):
        return
    targets = [target for target in protocol.targets if isinstance(target, int | float)]
    tasks = {json.dumps(config.task, sort_keys=True): config for config in configs}
    for config in tasks.values() if targets else ():
        task = config.components.task
        if task.kind != "classification":
            continue
        labels = task.load().test.columns["label"].tolist()
        constant = max(Counter(labels).values()) / len(labels)
        for target in targets:
            try:
                check_target(float(target), constant)
            except ValueError as error:
                raise ValueError(f"protocol.targets: {error}") from None
