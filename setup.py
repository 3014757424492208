"""Has a wheel bring the pages of the documentation, for `fedbytes docs`; see pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
TOP = ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY", "CODE_OF_CONDUCT")
PAGES = (
    *(f"{name}.md" for name in TOP),
    "docs/*.md",
    "docs/wire/*.md",
    "docs/results/*.md",
    "docs/results/*/README.md",
)


class BuildWithPages(build_py):
    """Copies the pages into the package, in the folders in which they link to each other."""

    def run(self) -> None:
        """Build the package, then copy."""
        super().run()
        if self.editable_mode:  # the pages of the checkout are found there
            return
        for page in (path for pattern in PAGES for path in ROOT.glob(pattern)):
            copy = Path(self.build_lib, "fedbytes", "pages", page.relative_to(ROOT))
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(page, copy)


setup(cmdclass={"build_py": BuildWithPages})
