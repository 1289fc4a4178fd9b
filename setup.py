"""The one thing that pyproject.toml cannot say: a wheel carries the chapters, so that a pip user has them."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithChapters(build_py):
    """Copies chapters/*.ipynb into the package; an editable installation reads them where they are."""

    def run(self) -> None:
        """Build as usual, then copy."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "gencourse" / "chapters"
        target.mkdir(parents=True, exist_ok=True)
        for notebook in sorted(Path(__file__).resolve().parent.glob("chapters/[0-9][0-9]_*.ipynb")):
            shutil.copy(notebook, target)


setup(cmdclass={"build_py": WithChapters})
