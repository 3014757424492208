"""One run, from its configuration to its folder in the store."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from fedbytes.experiments.config.declaration.protocol import parse_final
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.evaluation.client_metrics import (
    OWN_TEST_ROWS,
    REPORT_ROWS,
    mean_metrics,
    sum_up,
)
from fedbytes.experiments.evaluation.client_models import ClientModels, as_sent
from fedbytes.experiments.execution.attack_success import (
    HALF_LIFE,
    SUCCESS,
    half_life,
    last_attacked_round,
    measure_attacks,
)
from fedbytes.experiments.execution.events import Advanced, Event, Noticed, Preparing
from fedbytes.experiments.execution.reuse import IfStale, settle
from fedbytes.experiments.execution.run_description import count_attackers, describe_run
from fedbytes.experiments.execution.run_setup import (
    attackers_of,
    make_problem,
    own_tests_of,
    who_holds_what,
)
from fedbytes.experiments.execution.run_sources import confirmed, sources_of
from fedbytes.experiments.execution.workers.client_workers import ClientWorkers
from fedbytes.experiments.execution.workers.stopped_runs import RunStoppedError as RunStoppedError
from fedbytes.experiments.execution.workers.stopped_runs import failure_told
from fedbytes.experiments.kept.keep_model import folder_names, keep_models
from fedbytes.experiments.store.attempts.held_run import IfRunHeld, held_run
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
    peak_gpu_bytes,
    peak_memory_bytes,
    provenance,
    with_processes,
)
from fedbytes.experiments.store.row_files import read_json_lines
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sources import Sources
from fedbytes.experiments.store.tries import counted_try, forget_tries
from fedbytes.federated.clock import Clock
from fedbytes.federated.hooks import Hooks
from fedbytes.federated.protocol.ledger import Ledger
from fedbytes.federated.server.server import RoundReport
from fedbytes.federated.simulation import Simulation
from fedbytes.federated.stages.privacy_account import epsilon_after, privacy_note, promise
from fedbytes.models import TrainableModel
from fedbytes.models.side_by_side.check import check_side_by_side
from fedbytes.process.leases.lease_files import LEASE_SECONDS, LeaseRecord

Listener = Callable[[Event], None]
"""Called with each event of a run."""


def _warn(event: Event) -> None:
    """Pass on what the user should know of; the other events are for those who listen."""
    if isinstance(event, Noticed):
        warnings.warn(event.message, UserWarning, stacklevel=2)


def run(
    config: RunConfig,
    store: str | Path,
    *,
    hooks: Hooks | None = None,
    deliver: Callable[[bytes], bytes] = bytes,
    on_event: Listener = _warn,
    tell: Listener | None = None,
    if_stale: IfStale = "refuse",
    retry_failed: bool = False,
    lease_seconds: float = LEASE_SECONDS,
    if_held: IfRunHeld = "queue",
    stop: Callable[[], bool] = bool,
    on_failure: Callable[[RunFolder, Exception], None] | None = None,
) -> RunFolder:
    """Make a run in `store`, or resume one that was interrupted; a finished one is left alone.

    A run that resumes from its checkpoint ends as it would have ended undisturbed, bit for bit,
    on the same machine: it keeps the number of threads that it began with. One whose checkpoint is
    damaged starts anew and says so.

    The run is held by a lease, so that one process at a time makes it, on whichever hosts share the
    store. A holder that has ended on this host is replaced at once, one on another host after
    `lease_seconds` of silence; what it writes when it wakes up is not read.

    What a run reads has digests in its provenance. Where they are others than today, the run is
    stale: neither its numbers nor its checkpoint are what the configuration would give.

    Args:
        config: from `make_config`.
        store: the folder that holds the runs.
        hooks: code at the round's two hook points; its names go into the provenance, and are no
            part of the run's id.
        deliver: the medium that bytes cross (see `Channel`).
        on_event: called with `Preparing`, `Advanced` and `Noticed` events.
        tell: the former name of `on_event`; it goes with the next release.
        if_stale: `refuse` a run that is stale, `remake` it (a damaged one too), or `accept` it,
            which its provenance then says.
        retry_failed: also make a run that has died three times without finishing a round.
        lease_seconds: of silence after which others may take this run over.
        if_held: what to do while another process makes the run: `queue` behind those of this host,
            and `watch` others; `watch` all; or `leave` it alone at once.
        stop: asked after each round, and while waiting for another process, whether to stop.
        on_failure: called with the run's folder and what is about to be raised, if that is the
            run's fault, while nobody else can be making the run: to put it down.

    Raises:
        ValueError: for anything that makes the run impossible, such as a folder that other hooks
            made, a hook without a name, or a run that is stale.
        HeldError: a ValueError, if another process is making the run.
        LostLeaseError: a ValueError, if another process took the run over meanwhile.
        RunStoppedError: if `stop` said so; the same call goes on.
        DiskError: if the disk is full; the run goes on when there is room.
    """
    hooks = hooks or Hooks()
    names = hooks.names  # before anything is written: some have none
    sources, listener = sources_of(config, hooks), tell or on_event

    def stop_waiting() -> None:
        if stop():
            raise RunStoppedError("stopped before it was this process's turn")

    def wait(lease: LeaseRecord, silent: float) -> None:
        if silent == 0:
            listener(Noticed(_waiting_for(lease, config.id)))
        stop_waiting()

    root = Path(store) / config.id
    with (
        held_run(
            root, seconds=lease_seconds, if_held=if_held, on_wait=wait, in_queue=stop_waiting
        ) as (lease, folder),
        failure_told(lease, folder, on_failure),
    ):
        settle(folder, sources, if_stale, config.keep)
        folder.require_hooks(names)
        folder.create(config.model_dump(mode="json", exclude={"declared"}))
        if folder.status != "done":
            with ExitStack() as ending:
                ending.enter_context(counted_try(folder, retry_failed))
                several = config.workers_per_run > 1
                workers = ending.enter_context(ClientWorkers(config)) if several else None
                made = _Run(config, folder, hooks, deliver, listener, sources, workers)
                made.is_ours, made.stop = lease.check, stop
                made.go()
    return folder


def _waiting_for(lease: LeaseRecord, run_id: str) -> str:
    return (
        f"run {run_id} is held by {lease.holder}: it is taken over after {lease.seconds:g} s of "
        "silence"
    )


class _Run:
    """A run in progress: the federation's state, the clock and the ledger."""

    def __init__(
        self,
        config: RunConfig,
        folder: RunFolder,
        hooks: Hooks,
        deliver: Callable[[bytes], bytes],
        on_event: Listener,
        sources: Sources,
        workers: ClientWorkers | None = None,
    ) -> None:
        self.config, self.folder, self.on_event = config, folder, on_event
        self.is_ours: Callable[[], None] = lambda: None
        self.stop: Callable[[], bool] = bool
        forget_peak_memory()
        self.resumed, saved, damage = load_checkpoint(folder)
        self.damage = damage or folder.anew
        if self.damage:
            self._say_why_anew()
        self.clock = Clock(saved.get("seconds"), saved.get("process_seconds"))
        with self.clock.phase("setup"):
            torch.set_num_threads(saved.get("threads", torch.get_num_threads()))
            self.problem = make_problem(config, hooks)
            if self.resumed is not None and self._began_with_other_examples():
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
        self.client_models = ClientModels(
            self.problem.federation, self.state, self.problem.model, self.simulation
        )
        self.own_tests, note = own_tests_of(config, self.problem)
        for one in (note, privacy_note(self.problem.federation)):
            if one:
                on_event(Noticed(one))
        self.metrics: dict[str, float] = saved.get("metrics", {})
        final = parse_final(config.declared.get("protocol", {}).get("final", "last"))
        self.kept = kept_rounds(config.rounds, config.evaluate_every, max(KEPT, final))

    def _say_why_anew(self) -> None:
        where = f"run {self.folder.run} in {self.folder.path.parent}"
        self.on_event(Noticed(f"{where} starts anew: {self.damage}"))

    def _began_with_other_examples(self) -> bool:
        """Return whether the run was begun with another split or other examples.

        Its files may be read otherwise by this version, or have changed in a run from before
        digests. A change that was accepted is none.
        """
        began = self.folder.provenance()
        today = {"partition": self.problem.split.partition.fingerprint}
        if "sources" in began:  # the digests of before are of what was read then
            today["data_digest"] = self.problem.task.data_digest
        same = all(began.get(key) in (None, value) for key, value in today.items())
        return not same and not began.get("accepted")

    def go(self) -> None:
        """Run the remaining rounds, and finish."""
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
            found = self._put_down(report, evaluated=row is not None)
            self._save(None if row is None else row | found)
            self.on_event(Advanced(report.round, self.ledger.total, self.metrics))
            self._stop_if_asked()
        self.is_ours()
        if self.problem.model.answers:
            answers = [asdict(answer) for answer in self.problem.model.answers]
            self.folder.write_json("answers.json", {"answers": answers})
        summary = self._summary()
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
            self.client_models.load_shared()
            yield "", model
        if algorithm.has_own_models:
            names = folder_names(self.problem.split.partition)
            for client in self.client_models.each():
                yield names[client], model

    def _describe(self) -> None:
        """Record the run's provenance before the first round."""
        problem = self.problem
        described = describe_run(self.config, problem, self.sources)
        restarted = {"restarted": self.damage} if self.damage else {}
        self.folder.write_json("provenance.json", provenance() | described | restarted)
        write_holdings(self.folder.path, *who_holds_what(problem))
        problem.split.partition.save(self.folder.path / "partition.npz")

    def _put_down(self, report: RoundReport, evaluated: bool) -> dict[str, float]:
        """Write a round's observations other than metrics: agreement, dropped, audits' rows.

        Returns:
            what audits add to the row of an evaluated round.
        """
        plugins, round_ = self.problem.federation.plugins, report.round
        row: dict[str, Any] = {"round": round_, **report.agreement, **report.outcome}
        row |= epsilon_after(self.problem.federation, round_, self.state.server.privacy)
        if plugins.attack:
            row["dropped_messages"] = len(report.dropped)
            row |= count_attackers(self.simulation, report)
        if plugins.clean:
            row |= self._put_down_cleaned(report)
        self.folder.append_row(row, "deltas.jsonl")
        for client, (count, loss) in report.reported.items() if self.own_tests else ():
            said = {"round": round_, "client": client, "examples": count, "train_loss": loss}
            self.folder.append_row(said, REPORT_ROWS)
        if not plugins.audit:
            return {}
        with self.clock.phase("evaluate"):
            found_rows = self.simulation.audit() if evaluated else self.simulation.heard()
        for found in found_rows:
            self.folder.append_row(found, "audits.jsonl")
        columns: dict[str, float] = {}
        for audit in plugins.audit:
            columns |= audit.columns([one for one in found_rows if one["audit"] == audit.name])
        return columns

    def _put_down_cleaned(self, report: RoundReport) -> dict[str, int]:
        """Write what each client dropped of its examples; return the round's sums."""
        sums = {"dropped_examples": 0}
        for client in report.clients:
            kept = self.state.clients.peek(client)
            assert kept is not None
            found = {"round": report.round, "client": client, "dropped": kept.dropped}
            sums["dropped_examples"] += kept.dropped
            if self.problem.federation.planted is not None:
                of_planted = {"planted": kept.planted, "dropped_planted": kept.dropped_planted}
                found |= of_planted
                sums |= {key: sums.get(key, 0) + count for key, count in of_planted.items()}
            self.folder.append_row(found, "cleaned.jsonl")
        return sums

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
        """Evaluate the model of all, and what clients have; return the row of `round_`."""
        with self.clock.phase("evaluate"):
            self.metrics = self.client_models.on_common_tests()
            found = self.client_models.on_own_tests(self.own_tests) if self.own_tests else []
            self.metrics |= self._attack_success()
            self.client_models.load_shared()
        if self.config.evaluate_clients == "sent" and round_:
            found = as_sent(self.simulation, found)
        self.metrics |= sum_up(found)
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

    def _durability(self) -> dict[str, float | None]:
        """Return the half-life of what attacks taught, where they end and it can be measured."""
        until = last_attacked_round(self.problem.federation.plugins.attack)
        if until is None or not self.problem.probes:
            return {}
        first = min(one.from_round for one in self.problem.federation.plugins.attack)
        rows = read_json_lines(self.folder.path / "rounds.jsonl")
        rows = [row for row in rows if row["round"] >= first]
        rounds, success = [row["round"] for row in rows], [row[SUCCESS] for row in rows]
        return {HALF_LIFE: half_life(rounds, success, until)}

    def _summary(self) -> dict[str, Any]:
        seconds, process = self.clock.seconds(), self.clock.process_seconds() or {}
        outside = sum(seconds[key] for key in ("encode", "decode", "aggregate", "other"))
        total = sum(seconds.values())
        gpu = peak_gpu_bytes()
        return {
            "rounds": self.state.round,
            **self.metrics,
            **self._durability(),
            **promise(self.problem.federation, self.state.round, self.state.server.privacy),
            "up_bytes": self.ledger.up_bytes,
            "down_bytes": self.ledger.down_bytes,
            "total_bytes": self.ledger.total,
            **self.problem.setup_bytes(),
            **self.problem.baselines(),
            "seconds": total,
            **{f"seconds_{phase}": spent for phase, spent in seconds.items()},
            **{f"process_seconds_{phase}": spent for phase, spent in process.items()},
            "overhead_share": outside / total,
            "peak_memory_bytes": peak_memory_bytes(),
            **({} if gpu is None else {"peak_gpu_bytes": gpu}),
        }
