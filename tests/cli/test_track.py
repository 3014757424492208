"""`fedbytes track`, and runs that are tracked while they are made."""

import pytest
import yaml

from fedbytes.experiments.trackers import live_tracking


def test_a_run_is_tracked_as_it_is_made_and_again(fedbytes, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(live_tracking, "PATIENCE_SECONDS", 300.0)
    settings = settings | {"rounds": 1}
    words = [
        f"{key}={yaml.safe_dump(value, default_flow_style=True).strip()}".removesuffix("\n...")
        for key, value in settings.items()
    ]
    store = tmp_path / "store"
    made = fedbytes("run", *words, "--out", store, "--track", "tensorboard")
    assert made.returncode == 0, made.stderr
    assert "tracker" not in made.stderr
    (run,) = (path.parent.name for path in store.glob("*/config.yaml"))
    place = tmp_path / "store-tensorboard" / run
    (live,) = place.glob("events.*")
    size = live.stat().st_size
    again = fedbytes("track", store, "--to", "tensorboard")
    assert again.returncode == 0, again.stderr
    assert again.stdout.split() == ["1", "run", "in", *str(place.parent).split()]
    (whole,) = place.glob("events.*")
    assert whole != live
    assert whole.stat().st_size == pytest.approx(size, abs=200)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["track", "nowhere", "--to", "tensorboard"], "there is no folder 'nowhere'"),
        (["track", ".", "--to", "tensorbord"], "did you mean 'tensorboard'?"),
        (["run", "rounds=1", "--track", "comet"], "unknown tracker 'comet'"),
    ],
)
def test_what_cannot_be_tracked_is_one_line(fedbytes, words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused = fedbytes(*words)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert said in refused.stderr
    assert list(tmp_path.iterdir()) == []
