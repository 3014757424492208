"""What an evaluation of a run measures: on common tests, on clients' own, and of attacks."""

from collections.abc import Sequence
from typing import Any

from fedbytes.arrays import Int64s
from fedbytes.experiments.evaluation.client_metrics import mean_metrics, sum_up
from fedbytes.experiments.evaluation.client_models import ClientModels, as_sent
from fedbytes.experiments.execution.attack_success import measure_attacks
from fedbytes.experiments.execution.run_setup import Problem, attackers_of
from fedbytes.federated.simulation import Simulation


class RunMetrics:
    """Measures the model of all, and what clients have.

    Args:
        problem: what the run trains.
        simulation: the run's federation with its parties.
        own_tests: the rows of the test split that are each client's; empty if they have none.
    """

    def __init__(
        self, problem: Problem, simulation: Simulation, own_tests: Sequence[Int64s]
    ) -> None:
        self.problem, self.simulation, self.own_tests = problem, simulation, own_tests
        self.client_models = ClientModels(
            problem.federation, simulation.state, problem.model, simulation
        )

    def measure(self, sent: bool) -> tuple[dict[str, float], list[dict[str, Any]]]:
        """Return the metrics of the state as it is, and a row for each client with own tests.

        Args:
            sent: whether clients send what they measured, which is then priced.
        """
        with self.simulation.clock.phase("evaluate"):
            metrics = self.client_models.on_common_tests()
            found = self.client_models.on_own_tests(self.own_tests) if self.own_tests else []
            metrics |= self._attack_success()
            self.client_models.load_shared()
        if sent:
            found = as_sent(self.simulation, found)
        return metrics | sum_up(found), found

    def _attack_success(self) -> dict[str, float]:
        """Return how far attacks get: on the model of all, or the mean over honest clients' own."""
        model, probes = self.problem.model, self.problem.probes
        if not probes or self.problem.federation.algorithm.shares_model:
            self.client_models.load_shared()
            return measure_attacks(model, probes)
        hostile = {client for one in attackers_of(self.problem) for client in one}
        return mean_metrics(
            [
                measure_attacks(model, probes)
                for client in self.client_models.each()
                if client not in hostile
            ]
        )
