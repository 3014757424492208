"""What a round shows beside its metrics, as rows in the run's folder."""

from typing import Any

from fedbytes.experiments.evaluation.client_metrics import REPORT_ROWS
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.federated.server.round_report import RoundReport
from fedbytes.federated.simulation import Simulation
from fedbytes.federated.stages.privacy_account import epsilon_after


class RoundRecords:
    """Writes what rounds show beside their metrics.

    Args:
        folder: of the run.
        simulation: the run's federation with its parties.
        with_reports: whether to write the examples and the loss that each client said, too.
    """

    def __init__(self, folder: RunFolder, simulation: Simulation, with_reports: bool) -> None:
        self.folder, self.simulation, self.with_reports = folder, simulation, with_reports

    def write(self, report: RoundReport, evaluated: bool) -> dict[str, float]:
        """Write a round's agreement, what was dropped in it, and the rows of audits.

        Args:
            report: of the round.
            evaluated: whether it was, so that audits examine the model too.

        Returns:
            what audits add to the row of an evaluated round.
        """
        fed, round_ = self.simulation.fed, report.round
        row: dict[str, Any] = {"round": round_, **report.agreement, **report.outcome}
        row |= epsilon_after(fed, round_, self.simulation.state.server.privacy)
        if fed.plugins.attack:
            row["dropped_messages"] = len(report.dropped)
            row |= count_attackers(self.simulation, report)
        if fed.plugins.clean:
            row |= self._write_cleaned(report)
        self.folder.append_row(row, "deltas.jsonl")
        for client, (count, loss) in report.reported.items() if self.with_reports else ():
            said = {"round": round_, "client": client, "examples": count, "train_loss": loss}
            self.folder.append_row(said, REPORT_ROWS)
        return self._write_audits(evaluated) if fed.plugins.audit else {}

    def _write_cleaned(self, report: RoundReport) -> dict[str, int]:
        """Write what each client dropped of its examples; return the round's sums."""
        sums = {"dropped_examples": 0}
        for client in report.clients:
            kept = self.simulation.state.clients.peek(client)
            assert kept is not None
            found = {"round": report.round, "client": client, "dropped": kept.dropped}
            sums["dropped_examples"] += kept.dropped
            if self.simulation.fed.planted is not None:
                of_planted = {"planted": kept.planted, "dropped_planted": kept.dropped_planted}
                found |= of_planted
                sums |= {key: sums.get(key, 0) + count for key, count in of_planted.items()}
            self.folder.append_row(found, "cleaned.jsonl")
        return sums

    def _write_audits(self, evaluated: bool) -> dict[str, float]:
        """Write what audits found; return what they add to the row of an evaluated round."""
        with self.simulation.clock.phase("evaluate"):
            found_rows = self.simulation.audit() if evaluated else self.simulation.heard()
        for found in found_rows:
            self.folder.append_row(found, "audits.jsonl")
        columns: dict[str, float] = {}
        for audit in self.simulation.fed.plugins.audit:
            columns |= audit.columns([one for one in found_rows if one["audit"] == audit.name])
        return columns


def count_attackers(simulation: Simulation, report: RoundReport) -> dict[str, int]:
    """Return how many attackers a round drew, and how many more than its defences are for.

    One whose messages were dropped is no longer among those that a defence has to tell apart.
    """
    hostile = set(simulation.attackers.present(report.round, report.clients))
    left = len(hostile - set(report.dropped))
    most = simulation.fed.plugins.tolerates(len(report.clients) - len(report.dropped))
    above = {} if most is None else {"attackers_above_f": max(0, left - most)}
    return {"attackers": len(hostile), **above}
