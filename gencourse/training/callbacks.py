"""Things to do after each epoch: hand them to `fit` as `on_epoch`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import torch
from torch import Tensor

from gencourse.data import save_picture
from gencourse.errors import need_path, need_pictures, need_seed, need_size
from gencourse.training.history import History
from gencourse.training.method import Method, seeded

__all__ = ["SaveSamples", "TensorBoard"]


class SaveSamples:
    """Save a grid of pictures after each epoch, `epoch_0001.png` and so on: the same noise each time.

    Args:
        folder: where to; it is made if need be.
        count: how many pictures to draw.
        pictures: shape (B, C, H, W): show what the method makes of these, below them, in place of new pictures. For
            methods that cannot sample.
        seed: of the noise.

    Raises:
        TypeError, ValueError: an argument cannot be used, or the folder takes no file; the sentence says what to
            give.
    """

    def __init__(
        self, folder: str | Path, count: int = 64, *, pictures: Tensor | None = None, seed: int = 0
    ) -> None:
        need_path("folder", folder)
        need_size("count", count)
        need_seed("seed", seed)
        if pictures is not None:
            need_pictures("pictures", pictures, "(B, C, H, W)")
        self.folder, self.count, self.pictures, self.seed = Path(folder), count, pictures, seed
        try:  # now, and not when the first epoch is over
            self.folder.mkdir(parents=True, exist_ok=True)
            TemporaryFile(dir=self.folder).close()
        except (OSError, ValueError) as error:
            raise ValueError(
                f"folder is {str(folder)!r}: no picture can be saved there ({error}); give a folder that you may "
                "write to."
            ) from None

    @torch.no_grad()
    def __call__(self, method: Method, history: History) -> None:
        """Write this epoch's file.

        Raises:
            NotImplementedError: the method cannot sample, and no pictures were given.
        """
        training = method.training
        method.eval()
        try:
            with seeded(self.seed):
                if self.pictures is None:
                    made = method.sample(self.count)
                else:
                    given = self.pictures.to(method.device)
                    made = torch.cat([given, method.reconstruct(given)])
        finally:
            method.train(training)
        save_picture(made.float().clamp(0, 1).cpu(), self.folder / f"epoch_{len(history):04}.png")


class TensorBoard:
    """Write what is recorded of each epoch for TensorBoard, if that is installed.

    Args:
        folder: where to; `tensorboard --logdir FOLDER` shows it.

    Raises:
        ImportError: tensorboard is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        need_path("folder", folder)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ImportError("TensorBoard needs another package: pip install tensorboard.") from None
        self.writer: Any = SummaryWriter(str(folder))

    def __call__(self, method: Method, history: History) -> None:
        """Write the last epoch's numbers."""
        for name, value in history.epochs[-1].items():
            self.writer.add_scalar(name, value, len(history))
        self.writer.flush()
