"""One look a method: by its name, whatever else is drawn, and told apart in grey."""

import itertools

import numpy as np
import pytest

from fedbytes.compression import CODECS
from fedbytes.plots import assign_line_styles
from fedbytes.plots.method_looks import COLOURS, FAINT, INK, registered_name, spread_hues

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
SEEN = {
    "all colours": np.eye(3),
    "no red": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "no green": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "no blue": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def linear(color: str) -> np.ndarray:
    share = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ rgb / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("seen", SEEN)
def test_hues_are_told_apart(seen):
    found = [lab(np.clip(np.array(SEEN[seen]) @ linear(color), 0, 1)) for color in COLOURS]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(found, 2)) > 20


def test_hues_are_told_apart_in_grey():
    greys = sorted(lab(linear(color))[0] for color in (INK, *COLOURS, FAINT))
    # The faint lines are no method's, and thin: they may be as light as the lightest hue.
    assert min(b - a for a, b in itertools.pairwise(greys[:-1])) > 7


def test_a_method_looks_the_same_in_whatever_company():
    few = assign_line_styles(["fp32", "nf4", "ecsq bits=1.5 +EF"], "fp32")
    many = assign_line_styles(["topk density=0.05", "tcq", "nf4", "ecsq bits=1.5 +EF", "x"], None)
    assert few["nf4"] == many["nf4"]
    assert few["ecsq bits=1.5 +EF"] == many["ecsq bits=1.5 +EF"]
    assert (
        assign_line_styles(["DiLoCo"], None)["DiLoCo"]
        == (assign_line_styles(["FedAvg", "DiLoCo", "nf4"], "nf4")["DiLoCo"])
    )


def test_a_family_shares_its_hue_and_its_members_differ():
    styles = assign_line_styles(["ecsq", "tcq", "nf4", "topk", "LoRA, ecsq 1.5 bit"], None)
    assert styles["ecsq"].color == styles["tcq"].color == styles["LoRA, ecsq 1.5 bit"].color
    assert len({styles["ecsq"].color, styles["nf4"].color, styles["topk"].color}) == 3
    assert len({look.marker for look in styles.values()}) >= 4


def test_every_codec_has_a_family():
    own = [n for n in CODECS.names() if CODECS.get(n).__module__.startswith("fedbytes.")]
    assert [name for name in own if registered_name(name) != name] == []


def test_no_two_of_sixty_look_alike():
    names = [f"method {i}" for i in range(60)]
    styles = assign_line_styles(names, None)
    assert len({(look.color, look.marker) for look in styles.values()}) == 60
    assert list(styles) == names


def test_hues_are_spread_where_they_alone_part_marks():
    green = ["qsgd", "signsgd", "terngrad"]
    styles = assign_line_styles([*green, "nf4", "fp32"], "fp32")
    spread = spread_hues(styles)
    assert len({look.color for look in styles.values()}) == 3
    assert len({look.color for look in spread.values()}) == 5
    assert spread["qsgd"] == styles["qsgd"]
    assert {name: (look.marker, look.linestyle) for name, look in spread.items()} == {
        name: (look.marker, look.linestyle) for name, look in styles.items()
    }


def test_more_methods_than_hues_share_them():
    names = [f"method {i}" for i in range(9)]
    colours = [look.color for look in spread_hues(assign_line_styles(names, None)).values()]
    assert set(colours) == set(COLOURS)
