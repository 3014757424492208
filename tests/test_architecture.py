"""The house keeps its order: rooms of readable size, no circles, faces that hold what they say."""

import ast
import importlib
import pkgutil
import types
from collections import defaultdict
from pathlib import Path

import grimp
import networkx
import pytest

import fedbytes

ROOT = Path(fedbytes.__file__).parent
PACKAGES = ["compression", "noniid", "federated", "models", "data", "experiments", "plots"]
FACES = ["fedbytes", "fedbytes.privacy", *(f"fedbytes.{name}" for name in PACKAGES)]
PLUGIN_FOLDERS = {
    "codecs",
    "transforms",
    "partitioners",
    "algorithms",
    "adapters",
    "families",
    "tasks",
    "figures",
    "attacks",
    "defenses",
    "audits",
    "text_attacks",
    "suites",
    "launchers",
}
MOST_MODULES = 15


def folders() -> list[Path]:
    return sorted({path.parent for path in ROOT.rglob("*.py")})


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: str(folder.relative_to(ROOT)))
def test_a_folder_shows_its_subjects(folder: Path) -> None:
    modules = [path for path in folder.glob("*.py") if not path.name.startswith("__")]
    assert folder.name in PLUGIN_FOLDERS or len(modules) <= MOST_MODULES
    doc = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert doc, f"{folder}/__init__.py says nothing"


def test_no_import_circle_type_checking_included() -> None:
    graph = grimp.build_graph("fedbytes", exclude_type_checking_imports=False, cache_dir=None)
    arrows = networkx.DiGraph(
        (module, imported)
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    )
    circles = [sorted(part) for part in networkx.strongly_connected_components(arrows)]
    assert [circle for circle in circles if len(circle) > 1] == []


def test_no_module_hides_a_public_name() -> None:
    for module in pkgutil.walk_packages([str(ROOT)], "fedbytes."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for package in FACES:
        face = importlib.import_module(package)
        modules = {module.name for module in pkgutil.iter_modules(face.__path__)}
        assert not modules & set(face.__all__)
        assert set(face.__all__) <= set(dir(face))
        for name in face.__all__:
            value = getattr(face, name)
            assert not isinstance(value, types.ModuleType), f"{package}.{name}"
            if name.islower() and not name.startswith("__"):
                assert callable(value), f"{package}.{name} is no function"


def test_a_face_refuses_what_it_does_not_have() -> None:
    with pytest.raises(AttributeError, match=r"'fedbytes\.plots' has no attribute 'nothing'"):
        importlib.import_module("fedbytes.plots").nothing  # noqa: B018


def public_names() -> dict[str, list[str]]:
    """Return where each public class, function and constant is defined."""
    found = defaultdict(list)
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names = [node.name]
            elif isinstance(node, ast.Assign):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names = [node.target.id]
            else:
                continue
            for name in names:
                if not name.startswith("_"):
                    found[name].append(str(path.relative_to(ROOT)))
    return found


def test_a_public_name_means_one_thing() -> None:
    doubled = {name for name, places in public_names().items() if len(places) > 1}
    assert doubled <= set(MEANINGS), "two things have one name: give one of them another"
    assert len(MEANINGS) <= 5


MEANINGS = {
    "run": "the verb of the CLI, of `fedbytes`, and of `fedbytes.experiments`, which makes a run",
    "sweep": "the verb of the CLI, of `fedbytes`, and of `fedbytes.experiments`, which makes runs",
    "plot": "the verb of the CLI, and of `fedbytes`",
    "partition": "the verb of the CLI, and of `fedbytes`",
    "check": "the CLI's verb over a file of plug-ins, and the preflight of configurations",
}
"""Public names that are defined twice, each with its reason; the list may only shrink."""
