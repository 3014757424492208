"""A run in progress: the federation's state, the clock and the ledger, round after round."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import torch

from fedbytes.experiments.config.declaration.protocol import parse_final
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.evaluation.client_metrics import OWN_TEST_ROWS
from fedbytes.experiments.execution.events import Advanced, Listener, Noticed, Preparing
from fedbytes.experiments.execution.run_setup import make_problem, own_tests_of, who_holds_what
from fedbytes.experiments.execution.run_sources import confirmed, sources_of
from fedbytes.experiments.execution.single_run.round_records import RoundRecords
from fedbytes.experiments.execution.single_run.run_description import (
    describe_run,
    has_other_examples,
)
from fedbytes.experiments.execution.single_run.run_metrics import RunMetrics
from fedbytes.experiments.execution.single_run.run_summary import summarise_run
from fedbytes.experiments.execution.workers.client_workers import ClientWorkers
from fedbytes.experiments.execution.workers.stopped_runs import RunStoppedError
from fedbytes.experiments.kept.keep_model import folder_names, keep_models
from fedbytes.experiments.store.checkpoint import load_checkpoint, save_checkpoint
from fedbytes.experiments.store.many_clients.holdings import write_holdings
from fedbytes.experiments.store.per_text.right_answers import (
    KEPT,
    RIGHT_FILE,
    kept_rounds,
    pack_right,
)
from fedbytes.experiments.store.provenance import (
    continued_elsewhere,
    forget_peak_memory,
    provenance,
    with_processes,
)
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sources import Sources
from fedbytes.experiments.store.tries import forget_tries
from fedbytes.federated.clock import Clock
from fedbytes.federated.hooks import Hooks
from fedbytes.federated.protocol.ledger import Ledger
from fedbytes.federated.server.round_report import RoundReport
from fedbytes.federated.simulation import Simulation
from fedbytes.federated.stages.privacy_account import epsilon_after, privacy_note
from fedbytes.models import TrainableModel
from fedbytes.models.side_by_side.check import check_side_by_side


class RunInProgress:
    """A run that this process makes: from the start, or from its checkpoint on.

    Args:
        config: the run's.
        folder: where it writes; created, and with its configuration in it.
        hooks: code at the round's two hook points.
        sources: the digests of what it reads.
        deliver: the medium that bytes cross.
        on_event: called with each event.
        workers: processes that a round's clients train in; none by default.
        is_ours: raises if another process has taken the run over.
        stop: asked after each round whether to stop.

    Raises:
        ValueError: if it cannot be made: an asset is missing, or was changed while it was read.
    """

    def __init__(
        self,
        config: RunConfig,
        folder: RunFolder,
        hooks: Hooks,
        sources: Sources,
        *,
        deliver: Callable[[bytes], bytes],
        on_event: Listener,
        workers: ClientWorkers | None,
        is_ours: Callable[[], None],
        stop: Callable[[], bool],
    ) -> None:
        self.config, self.folder, self.on_event = config, folder, on_event
        self.is_ours, self.stop = is_ours, stop
        forget_peak_memory()
        self.resumed, saved, damage = load_checkpoint(folder)
        self.damage = damage or folder.anew
        if self.damage:
            self._say_why_anew()
        self.clock = Clock(saved.get("seconds"), saved.get("process_seconds"))
        with self.clock.phase("setup"):
            torch.set_num_threads(saved.get("threads", torch.get_num_threads()))
            self.problem = make_problem(config, hooks)
            if self.resumed is not None and has_other_examples(self.problem, folder.provenance()):
                folder.clear()
                self.resumed, saved = None, {}
                self.damage = "its examples were split otherwise or read otherwise when begun"
                self._say_why_anew()
            self.problem.model.prepare(lambda *progress: on_event(Preparing(*progress)))
            if self.problem.federation.clients_at_once > 1:
                check_side_by_side(self.problem.model, config.model["name"])
            self.sources = confirmed(sources, sources_of(config, hooks))
            self.ledger = Ledger(**saved.get("bytes", {}))
            self.simulation = Simulation(
                self.problem.federation,
                self.resumed,
                ledger=self.ledger,
                clock=self.clock,
                deliver=deliver,
                pool=None if workers is None else workers.pool,
            )
            if workers is not None:
                workers.begin(self.problem.model)
        self.state = self.simulation.state
        self.state.spill_into(folder.checkpoints)
        own_tests, note = own_tests_of(config, self.problem)
        self.measured = RunMetrics(self.problem, self.simulation, own_tests)
        self.records = RoundRecords(folder, self.simulation, with_reports=bool(own_tests))
        for one in (note, privacy_note(self.problem.federation)):
            if one:
                on_event(Noticed(one))
        self.metrics: dict[str, float] = saved.get("metrics", {})
        final = parse_final(config.declared.get("protocol", {}).get("final", "last"))
        self.kept = kept_rounds(config.rounds, config.evaluate_every, max(KEPT, final))

    def _say_why_anew(self) -> None:
        where = f"run {self.folder.run} in {self.folder.path.parent}"
        self.on_event(Noticed(f"{where} starts anew: {self.damage}"))

    def finish(self) -> None:
        """Run the remaining rounds, and write what the run ends with.

        Raises:
            RunStoppedError: if `stop` said so; a checkpoint is written.
        """
        if self.resumed is not None:
            before = self.folder.provenance()
            moved = continued_elsewhere(before, self.state.round) or before
            moved = with_processes(moved, self.state.round, self.config.workers_per_run)
            if moved is not before:
                self.folder.write_json("provenance.json", moved)
        else:
            self._describe()
            if self.config.evaluate_start:
                self.folder.append_row(self._row(0, {"train_loss": None}))
        while self.state.round < self.config.rounds:
            report = self.simulation.run_round()
            row = self._evaluate(report)
            found = self.records.write(report, evaluated=row is not None)
            self._save(None if row is None else row | found)
            self.on_event(Advanced(report.round, self.ledger.total, self.metrics))
            self._stop_if_asked()
        self.is_ours()
        if self.problem.model.answers:
            answers = [asdict(answer) for answer in self.problem.model.answers]
            self.folder.write_json("answers.json", {"answers": answers})
        summary = summarise_run(self.folder, self.problem, self.simulation, self.metrics)
        if self.config.keep != "none":
            keep_models(self.folder, self.config, summary, self._models())
        self.folder.finish(summary)

    def _stop_if_asked(self) -> None:
        """Write a checkpoint and stop, if that is wanted and rounds are left."""
        round_ = self.state.round
        if round_ == self.config.rounds or not self.stop():
            return
        if round_ % self.config.checkpoint_every:
            self._checkpoint()
        raise RunStoppedError(f"stopped after round {round_} of {self.config.rounds}")

    def _models(self) -> Iterator[tuple[str, TrainableModel]]:
        """Yield the models that the run made: that of all, and those of clients, by their names."""
        algorithm, model = self.problem.federation.algorithm, self.problem.model
        if algorithm.shares_model:
            self.measured.client_models.load_shared()
            yield "", model
        if algorithm.has_own_models:
            names = folder_names(self.problem.split.partition)
            for client in self.measured.client_models.each():
                yield names[client], model

    def _describe(self) -> None:
        """Record the run's provenance before the first round."""
        problem = self.problem
        described = describe_run(self.config, problem, self.sources)
        restarted = {"restarted": self.damage} if self.damage else {}
        self.folder.write_json("provenance.json", provenance() | described | restarted)
        write_holdings(self.folder.path, *who_holds_what(problem))
        problem.split.partition.save(self.folder.path / "partition.npz")

    def _evaluate(self, report: RoundReport) -> dict[str, Any] | None:
        """Return the row of an evaluated round, None for one that is not."""
        round_ = report.round
        if round_ % self.config.evaluate_every and round_ != self.config.rounds:
            return None
        return self._row(round_, {"train_loss": report.train_loss}, report.agreement)

    def _row(
        self,
        round_: int,
        learned: dict[str, float | None],
        agreement: dict[str, float] | None = None,
    ) -> dict[str, Any]:
        """Evaluate the state, and return the row of `round_`."""
        sent = self.config.evaluate_clients == "sent" and round_ > 0
        self.metrics, found = self.measured.measure(sent)
        for one in found:
            self.folder.append_row({"round": round_, **one}, OWN_TEST_ROWS)
        return {
            "round": round_,
            "rounds": self.config.rounds,
            "up_bytes": self.ledger.up_bytes,
            "down_bytes": self.ledger.down_bytes,
            "total_bytes": self.ledger.total,
            **learned,
            **self.metrics,
            **(agreement or {}),
            **epsilon_after(self.problem.federation, round_, self.state.server.privacy),
            "seconds": sum(self.clock.seconds().values()),
        }

    def _save(self, row: dict[str, Any] | None) -> None:
        round_ = self.state.round
        if row is not None:
            self.folder.append_row(row)
            right = self.problem.model.right
            if right is not None and round_ in self.kept:
                self.folder.append_row(pack_right(round_, right), RIGHT_FILE)
        if round_ % self.config.checkpoint_every == 0 or round_ == self.config.rounds:
            self._checkpoint()

    def _checkpoint(self) -> None:
        """Save the state, if the run is still ours."""
        self.is_ours()
        extra = {
            "seconds": self.clock.seconds(),
            "process_seconds": self.clock.process_seconds(),
            "threads": torch.get_num_threads(),
            "metrics": self.metrics,
        }
        save_checkpoint(self.folder, self.state, self.ledger, extra)
        forget_tries(self.folder)
