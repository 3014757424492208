"""Gather the pages of the documentation site and build it with mkdocs; a warning is a failure.

The pages stand in the source as they do in the repository, so that their links hold. The reference
of every package's public names, the gallery and the notebooks' pages are written here.
"""

import argparse
import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / "scripts" / "site_assets"
SOURCE, SITE = ROOT / "build" / "site-src", ROOT / "build" / "site"
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "CODE_OF_CONDUCT.md")
LINKED = ("CITATION.cff", "LICENSE", "tests/planted_faults.yaml", "examples/one_round.py")
FACES = (
    "fedbytes", "compression", "noniid", "federated", "models", "data", "privacy", "attacks",
    "defenses", "audits", "experiments", "plots",
)  # fmt: skip
FIGURES = ("verdict", "bytes", "target", "heterogeneity", "pareto")


def gather() -> None:
    """Copy pages, figures and what they link to, and write the pages that are generated."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    for name in ("docs", "results"):
        left_out = shutil.ignore_patterns("*.pdf", "*.ipynb")
        shutil.copytree(ROOT / name, SOURCE / name, ignore=left_out)
    for name in (*PAGES, *LINKED):
        (SOURCE / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, SOURCE / name)
    shutil.copytree(ASSETS, SOURCE / "assets")
    api = SOURCE / "api"
    api.mkdir()
    for face in FACES:
        (api / f"{face}.md").write_text(reference(face), encoding="utf-8")
    (SOURCE / "gallery.md").write_text(gallery(), encoding="utf-8")
    run_notebooks(SOURCE / "docs" / "notebooks")


def run_notebooks(folder: Path) -> None:
    """Run every notebook, and write it with what it printed and drew as a page."""
    folder.mkdir(exist_ok=True)
    notebooks = [str(path) for path in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))]
    command = [sys.executable, "-m", "nbconvert", "--to", "markdown", "--execute"]
    command += ["--log-level", "WARN", "--output-dir", str(folder), *notebooks]
    settings = {"FEDBYTES_RESULTS": str(ROOT / "docs" / "results"), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=os.environ | settings)


def reference(face: str) -> str:
    """Return the page of a package's public names."""
    package = face if face == "fedbytes" else f"fedbytes.{face}"
    file = ROOT.joinpath(*package.split(".")) / "__init__.py"
    module = ast.parse(file.read_text(encoding="utf-8"))
    about = ast.get_docstring(module) or ""
    parts = [f"# {package}", about]
    parts += [f"::: {home}.{name}" for name, home in sorted(public_names(module))]
    found = sorted(registered(file.parent)) if face != "fedbytes" else []
    if found:
        parts += ["# Plug-ins", "Registered classes, one file each; their fields are settings."]
        parts += [f"::: {home}.{name}" for name, home in found]
    return "\n\n".join(parts) + "\n"


def public_names(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the names that a package's face imports from its own modules, and from which."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fedbytes."):
            for alias in node.names:
                if alias.name == (alias.asname or alias.name) and not alias.name.startswith("_"):
                    yield alias.name, str(node.module)


def registered(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the classes below a package that are registered plug-ins, and their modules."""
    for path in folder.rglob("*.py"):
        home = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and any(map(_registers, node.decorator_list)):
                yield node.name, home


def _registers(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else None
    return isinstance(called, ast.Attribute) and called.attr == "register"


def gallery() -> str:
    """Return a page with the figures of all suites, drawn from committed rows."""
    parts = ["# Gallery", "Figures drawn from committed rows; each links to its page and command."]
    for page in sorted((ROOT / "docs" / "results").glob("*/README.md")):
        folder = page.parent.name
        drawn = [n for n in FIGURES if (page.parent / f"{n}.png").is_file()][:2]
        if not drawn:
            continue
        title = page.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        images = " ".join(
            f"[![{title}: {name}](docs/results/{folder}/{name}.png){{ loading=lazy }}]"
            f"(docs/results/{folder}/README.md)"
            for name in drawn
        )
        images = f'<div class="gallery" markdown>\n\n{images}\n\n</div>'
        parts += [f"## [{title}](docs/results/{folder}/README.md)", images]
    return "\n\n".join(parts) + "\n"


def navigation() -> list[dict[str, Any]]:
    """Return what follows the first entries of mkdocs.yml: every page is in it."""
    written = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    placed = set(re.findall(r"docs/[\w.-]+\.md", written))
    rest = sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))
    rest = [page for page in rest if page not in placed]
    own = [page for page in rest if page.startswith("docs/add-")]
    results = sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/results/*/*.md"))
    pages = [p for p in results if p.endswith("README.md")]
    wire = sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/wire/*.md"))
    notebooks = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
    submitted = sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("results/*/README.md"))
    return [
        {"Notebooks": [f"docs/notebooks/{path.stem}.md" for path in notebooks]},
        {"Methods and measures": [page for page in rest if page not in (*own, "docs/wire.md")]},
        {"Add your own": own},
        {"Wire format": ["docs/wire.md", *wire]},
        {"Results": ["docs/results/README.md", *pages, "results/README.md", *submitted]},
        {"Gallery": "gallery.md"},
        {"Reference": [f"api/{face}.md" for face in FACES]},
        {"Project": [name for name in PAGES if name != "README.md"]},
    ]


def build() -> int:
    """Build the site from what was gathered; return the exit code of mkdocs."""
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    settings["nav"] += navigation()
    settings |= {"docs_dir": "site-src", "site_dir": "site"}
    settings["plugins"][-1]["mkdocstrings"]["handlers"]["python"]["paths"] = [str(ROOT)]
    file = SOURCE.parent / "mkdocs.json"
    file.write_text(json.dumps(settings), encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", str(file)]
    return subprocess.run(command, check=False).returncode


def main() -> int:
    """Gather and build."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    gather()
    code = build()
    print(f"{SITE}/index.html" if code == 0 else "the site was not built", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
