"""What `fit` shows while it runs: how far, how fast, how long still, and the latest losses."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

__all__ = ["ProgressLine"]

_PAUSE = 0.5  # seconds between two looks at the losses: nobody reads faster


class ProgressLine:
    """One line an epoch, which goes when the epoch is over.

    Args:
        epochs: of the whole run.
        pictures: in an epoch.
        shown: whether to show anything.
    """

    def __init__(self, epochs: int, pictures: int, shown: bool = True) -> None:
        # TQDM_DISABLE is tqdm's own switch, but its notebook bar does not look at it
        self.shown = shown and not os.environ.get("TQDM_DISABLE")
        self.epochs, self.pictures = epochs, pictures
        self._start, self._seen, self._looked = time.monotonic(), 0, 0.0
        self._bar: Any = None

    def over(
        self, batches: Iterator[tuple[Tensor, Tensor]], epoch: int, last: Mapping[str, float] | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The mini-batches of an epoch, counted as they pass.

        Args:
            batches: of this epoch.
            epoch: its number, from 0.
            last: what was recorded of the epoch before, to be shown until there is something newer.
        """
        if not self.shown:
            yield from batches
            return
        title = f"epoch {epoch + 1}/{self.epochs}"
        with tqdm(
            total=self.pictures, desc=title, unit=" pictures", unit_scale=True, leave=False
        ) as self._bar:
            self._looked = time.monotonic()
            self._say({name: value for name, value in (last or {}).items() if name != "seconds"}, epoch)
            for batch in batches:
                yield batch
                self._seen += len(batch[0])
                self._bar.update(len(batch[0]))

    def tell(self, record: Mapping[str, Tensor | float], epoch: int) -> None:
        """Show what was recorded of a mini-batch, now and then; on a CPU only: elsewhere a look would be a wait."""
        now = time.monotonic()
        if not self.shown or now - self._looked < _PAUSE:
            return
        self._looked = now
        if all(not isinstance(v, Tensor) or v.device.type == "cpu" for v in record.values()):
            self._say({name: float(torch.as_tensor(value)) for name, value in record.items()}, epoch)

    def _say(self, values: Mapping[str, float], epoch: int) -> None:
        told = [f"{name} {value:.4g}" for name, value in values.items()]
        if self._seen and self.epochs > 1:
            left = (self.epochs - epoch) * self.pictures - self._bar.n
            seconds = (time.monotonic() - self._start) / self._seen * left
            told.append(f"all epochs in {self._bar.format_interval(seconds)}")
        self._bar.set_postfix_str(", ".join(told), refresh=False)
