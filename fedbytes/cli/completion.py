"""What a shell offers to complete: suites, kinds, names of plug-ins, settings."""

from collections.abc import Iterable

import typer


def complete_suites(incomplete: str) -> list[str]:
    """Return shipped suites and the YAML files of a folder."""
    from pathlib import Path

    from fedbytes.experiments.config.suite_file import shipped_suites

    typed = Path(incomplete)
    folder = typed if incomplete.endswith("/") else typed.parent
    found = [path for ending in ("*.yaml", "*.yml") for path in sorted(folder.glob(ending))]
    return _starting([*shipped_suites(), *map(str, found)], incomplete)


def complete_kinds(incomplete: str) -> list[str]:
    """Return the kinds of plug-ins."""
    from fedbytes.cli.registries import all_registries

    return _starting([*all_registries(), "suites"], incomplete)


def complete_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of plug-ins of the kind before them."""
    from fedbytes.cli.registries import all_registries

    registry = all_registries().get(str(context.params.get("kind")))
    return _starting(registry.names() if registry else (), incomplete)


def complete_pages(incomplete: str) -> list[str]:
    """Return the names of pages of the documentation."""
    from fedbytes.cli.manual.pages import pages

    return _starting(pages(), incomplete)


def complete_codecs(incomplete: str) -> list[str]:
    """Return the names of codecs."""
    from fedbytes.compression import codec_names

    return _starting(codec_names(), incomplete)


def complete_settings(incomplete: str) -> list[str]:
    """Return settings that start so, and after `section.name=` the names of its plug-ins."""
    from fedbytes.experiments.config.field_hints import known_settings, names_for
    from fedbytes.experiments.config.run_config import RunConfig

    key, equals, value = incomplete.partition("=")
    if not equals:
        return [
            f"{name}=" for name in _starting(known_settings(RunConfig.model_fields), incomplete)
        ]
    return [f"{key}={name}" for name in _starting(names_for(key), value)]


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
