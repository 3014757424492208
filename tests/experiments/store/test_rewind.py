"""What was written after a checkpoint is discarded when a run goes on from it."""

from fedbytes.experiments.store.run_folder import RunFolder, read_json_lines


def test_nothing_after_the_checkpoint_stays(tmp_path):
    folder = RunFolder(tmp_path, "run")
    folder.create({})
    folder.clear()
    for round_ in range(1, 6):
        folder.append_ledger(round_, {"round": [round_]})
        folder.append_row({"round": round_})
        folder.append_row({"round": round_, "delta_norm": 1.0}, "deltas.jsonl")
        folder.append_row({"round": round_, "audit": "x"}, "audits.jsonl")
    folder.fail("boom", "")
    folder.rewind(3)
    assert [path.stem for path in folder.ledger_parts()] == [f"ledger-{n:06d}" for n in (1, 2, 3)]
    for name in ("rounds.jsonl", "deltas.jsonl", "audits.jsonl"):
        assert [row["round"] for row in read_json_lines(folder.path / name)] == [1, 2, 3]
    assert not (folder.path / "error.json").exists()
