"""A run keeps what it trained: peft and transformers predict with it as the run did."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from fedbytes.experiments import make_config, run
from fedbytes.experiments.execution.run_setup import make_problem
from fedbytes.experiments.kept.export_model import export_model, find_kept
from fedbytes.experiments.kept.predict_texts import predict_texts
from fedbytes.federated import Hooks, Simulation
from fedbytes.models.batching import make_batch


def final_guesses(config: Any) -> tuple[list[str], list[str]]:
    """Return the test texts and the labels that the run's final model gives them."""
    problem = make_problem(config, Hooks())
    simulation = Simulation(problem.federation)
    for _ in range(config.rounds):
        simulation.run_round()
    model = problem.model
    problem.federation.algorithm.load(model, simulation.state.model)
    batch = make_batch(model.task.test, np.arange(len(model.task.test)), model.device)
    with torch.no_grad():
        best = model.network(batch.tokens, batch.mask).argmax(1).tolist()
    texts = config.components.task.load().test.texts
    return texts, [model.task.label_names[index] for index in best]


def run_card(folder: Path, more: str, texts: list[str]) -> Any:
    """Run the card's Python in a fresh process, which does not have fedbytes, and then `more`."""
    (code,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.S)
    assert "fedbytes" not in code.replace("/fedbytes/", "").replace("tiny-bases", "")
    script = f"import json, sys\n{code}\ntexts = json.load(sys.stdin)\nprint(json.dumps({more}))\n"
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps(texts), cwd=folder, text=True,
        capture_output=True, env=env, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(("adapter", "keep"), [("lora", "adapter"), ("bitfit", "merged")])
def test_libraries_alone_predict_as_the_run_did(
    settings: dict[str, Any], adapter: str, keep: str, tmp_path: Path
) -> None:
    settings |= {"adapter": adapter, "keep": keep, "rounds": 2}
    settings["algorithm"] = {"name": "fedavg", "local_steps": 6, "learning_rate": 0.01}
    config = make_config(settings)
    folder = run(config, tmp_path / "runs")
    texts, wanted = final_guesses(config)
    assert len(set(wanted)) > 1  # or anything would do
    export_model(folder.path, str(tmp_path / "model"))
    assert run_card(tmp_path / "model", "classify(texts)[0]", texts) == wanted
    pd.DataFrame({"body": texts}).to_csv(tmp_path / "texts.csv", index=False)
    found = predict_texts(tmp_path / "model", tmp_path / "texts.csv", "body")
    assert found["predicted"].tolist() == wanted
    shares = found[[f"p({label})" for label in ("money", "sport", "weather")]]
    np.testing.assert_allclose(shares.sum(axis=1), 1)


@pytest.mark.parametrize("keep", ["adapter", "merged"])
def test_an_instructed_model_answers_as_in_the_run(keep: str, tmp_path: Path) -> None:
    rows = [{"instruction": f"{i}: {kind}?", "output": kind} for i in range(12) for kind in "ab"]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    fields = {"template": "alpaca", "generate_examples": 2, "max_new_tokens": 5}
    config = make_config(
        {
            "task": {"name": "instruct", "path": str(tmp_path / "rows.jsonl"), **fields},
            "model": "tiny-llama",
            "adapter": {"name": "lora", "rank": 4},
            "partition": {"name": "iid", "num_clients": 2},
            "algorithm": {"name": "fedavg", "local_steps": 4, "learning_rate": 0.01},
            "rounds": 1,
            "keep": keep,
        }
    )
    folder = run(config, tmp_path / "runs")
    answers = json.loads((folder.path / "answers.json").read_text())["answers"]
    questions = [re.findall(r"Instruction:\n(.*?)\n", one["prompt"])[0] for one in answers]
    written = [one["written"] for one in answers]
    (tmp_path / "asked.csv").write_text("\n".join(["text", *questions]))
    found = predict_texts(folder.model, tmp_path / "asked.csv")
    assert list(found.columns) == ["text", "answer"]
    assert found["answer"].tolist() == written
    assert (folder.model / "chat_template.jinja").is_file()
    assert run_card(folder.model, "[answer(text) for text in texts]", questions) == written
    card = (folder.model / "README.md").read_text()
    assert ("peft=." in card) == (keep == "adapter")
    assert "lm_eval --model hf" in card


def test_the_card_says_what_it_is_of_and_what_it_cost(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    folder = run(make_config(settings | {"keep": "adapter"}), tmp_path)
    card = (folder.model / "README.md").read_text()
    _, header, body = card.split("---\n", 2)
    assert yaml.safe_load(header)["library_name"] == "peft"
    summary = json.loads((folder.path / "summary.json").read_text())
    for said in (folder.run, f"{summary['up_bytes']:,}", f"{summary['down_bytes']:,}", "dirichlet"):
        assert said in body
    assert f"| accuracy | {summary['accuracy']:.4g} |" in body


def test_keep_is_no_part_of_the_id_and_a_run_without_it_is_to_be_remade(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    bare, kept = make_config(settings), make_config(settings | {"keep": "adapter"})
    assert bare.id == kept.id
    folder = run(bare, tmp_path)
    with pytest.raises(ValueError, match=r"kept no model: make it anew with .*--remake"):
        export_model(folder.path, str(tmp_path / "out"))
    with pytest.raises(ValueError, match=r"has finished and kept no model.*--remake"):
        run(kept, tmp_path)
    run(kept, tmp_path, if_stale="remake")
    assert find_kept(folder.path) == folder.model
    run(bare, tmp_path)  # what is kept stays
    assert find_kept(folder.path) == folder.model
    merged = make_config(settings | {"keep": "merged"})
    with pytest.raises(ValueError, match="kept an adapter and no merged model"):
        run(merged, tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"adapter": "full", "keep": "adapter"}, "set keep=merged"),
        ({"adapter": "prompt_tuning", "keep": "merged"}, "set keep=adapter"),
        (
            {"algorithm": {"name": "flora", "local_steps": 1}, "keep": "adapter"},
            "moves weights of the base",
        ),
        ({"keep": "everything"}, "keep: must be 'adapter', 'merged' or 'none'"),
        (
            {"model": {"name": "tiny-bert", "quantise": "int8"}, "keep": "merged"},
            "set keep=adapter",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_kept_is_refused_before_anything_is_trained(
    settings: dict[str, Any], changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        make_config(settings | {"adapter": "lora"} | changes)


def test_algorithms_that_move_the_base_say_so(settings: dict[str, Any]) -> None:
    from fedbytes.federated import ALGORITHMS, make_algorithm
    from fedbytes.federated.testing.bench_federation import Workbench, find_model

    for name in ALGORITHMS.names():
        algorithm = make_algorithm(name, **ALGORITHMS.get(name).examples[0])
        make = find_model(algorithm)
        fed = Workbench(algorithm, make).usual()
        lora = getattr(fed.model, "lora", None)
        bases = {pair.base for pair in lora.pairs} if lora is not None else set()
        held = set(algorithm.synced_layout(fed.model).names)
        assert algorithm.moves_base == bool(bases & held), name


def test_mistakes_are_one_line_with_the_remedy(settings: dict[str, Any], tmp_path: Path) -> None:
    folder = run(make_config(settings | {"keep": "adapter"}), tmp_path / "runs")
    texts = tmp_path / "texts.csv"
    texts.write_text("body\nrain\n")
    for call, said in (
        (lambda: export_model(tmp_path, "out"), "is neither a run's folder"),
        (lambda: export_model(folder.path, str(tmp_path / "runs")), "exists and is not empty"),
        (lambda: export_model(folder.path, "hub:name"), "give hub:OWNER/NAME"),
        (lambda: export_model(folder.path, "hub:me/it"), "with keep=merged and --remake"),
        (lambda: find_kept(folder.path, "7"), "all clients share one model"),
        (lambda: predict_texts(folder.model, texts), r"known: body\): name it by --column"),
        (lambda: predict_texts(folder.model, tmp_path / "no.csv"), "there is no file"),
    ):
        with pytest.raises(ValueError, match=said) as caught:
            call()
        assert "\n" not in str(caught.value)


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub as an upload of small files asks for."""

    files: dict[str, bytes]

    def do_POST(self) -> None:
        import base64

        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/repos/create"):
            self.answer({"url": f"http://{self.headers['Host']}/me/it"})
        elif "/preupload/" in self.path:
            asked = [one["path"] for one in json.loads(body)["files"]]
            modes = [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in asked]
            self.answer({"files": modes})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    type(self).files[line["value"]["path"]] = content
            url = f"http://{self.headers['Host']}/me/it/commit/{'0' * 40}"
            self.answer({"commitOid": "0" * 40, "commitUrl": url})
        else:
            self.answer({})

    def do_GET(self) -> None:
        self.answer({"sha": "0" * 40, "siblings": [], "id": "me/it"})

    def answer(self, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


def test_a_merged_model_goes_to_the_hub(settings: dict[str, Any], tmp_path: Path) -> None:
    folder = run(make_config(settings | {"keep": "merged"}), tmp_path / "runs")
    Hub.files = {}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = os.environ | {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_TOKEN": "hf_test",
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
    }
    words = [sys.executable, "-m", "fedbytes", "export", str(folder.path), "--to", "hub:me/it"]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    server.shutdown()
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("/me/it")
    names = {path.name for path in folder.model.iterdir()}
    assert {"model.safetensors", "head.safetensors", "README.md"} <= names
    assert Hub.files == {name: (folder.model / name).read_bytes() for name in names}
