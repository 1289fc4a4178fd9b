"""The other study of chapter 7: the same budget for a grid, for random search, and for TPE with pruning.

A trial is a real training run, short and small. Optuna proposes the settings: `pip install "gencourse[tuning]"`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from gencourse.data import ImageDataset, load
from gencourse.errors import need_one_of
from gencourse.evaluation import digit_classifier, frechet_from_features
from gencourse.methods import AEGAN, MAE
from gencourse.presets import preset
from gencourse.studies.engine import Study
from gencourse.studies.masked_digit import masked_error
from gencourse.training import History, Method, NonFiniteLossError, fit, seeded, warmup_cosine

__all__ = ["PROBLEMS", "SEARCHERS", "TRIALS", "TUNING", "tuning"]

SIDE = 4  # values of each knob on the grid
TRIALS = SIDE**2
"""Full trials that the budget buys: TRIALS · PARTS · the training pictures of a trial."""

PARTS = 4
"""Passes of a full trial. After each the searcher is told the validated value, and may prune."""

SEARCHERS = ("grid", "random", "TPE with pruning")
RATES = (2e-4, 5e-2)
"""Learning rates that all search in, on a logarithmic scale."""

_FINAL = 3  # new training seeds of what was chosen
_SEEDS = 5  # of the searchers


@dataclass(frozen=True)
class Problem:
    """What to tune, and by which number.

    Attributes:
        build: the method, from its knob and a seed.
        knob: its lowest and highest value.
        logarithmic: whether the knob is searched on a logarithmic scale, like the learning rate.
        measure: the aim, less is better: of a trained method on pictures that it did not learn from.
    """

    build: Callable[[float, int], Method]
    knob: tuple[float, float]
    logarithmic: bool
    measure: Callable[[Any, ImageDataset], float]

    def place(self, u: float, v: float) -> dict[str, float]:
        """The setting at (u, v) of the unit square."""
        return {"knob": _between(u, *self.knob, self.logarithmic), "rate": _between(v, *RATES, True)}


def _between(u: float, low: float, high: float, logarithmic: bool) -> float:
    if logarithmic:
        return math.exp(_between(u, math.log(low), math.log(high), False))
    return low + u * (high - low)


@lru_cache(maxsize=4)
def _real_features(data: ImageDataset) -> Tensor:
    return digit_classifier().features(data.x)


@torch.no_grad()
def _redrawn_distance(method: Method, data: ImageDataset) -> float:
    """Classifier distance of the reconstructions from what they are reconstructions of."""
    x_hat = method.reconstruct(data.x).clamp(0, 1)
    return frechet_from_features(digit_classifier().features(x_hat), _real_features(data))


PROBLEMS = {
    "hybrid": Problem(
        lambda weight, seed: AEGAN("dense", 16, weight=weight, seed=seed),
        (0.1, 1000.0),
        True,
        _redrawn_distance,
    ),
    "MAE": Problem(
        lambda ratio, seed: MAE(width=64, depth=1, decoder_width=32, mask_ratio=ratio, seed=seed),
        (0.1, 0.9),
        False,
        masked_error,
    ),
}
"""λ of the hybrid, by the distance of redrawn digits; the mask ratio, by the error of three hidden quarters."""


@lru_cache(maxsize=1)
def _pictures(name: str) -> tuple[ImageDataset, ImageDataset, ImageDataset]:
    """Pictures to learn from, to choose by, and to test on, for the preset of that name."""
    n, held = {"smoke": (64, 64), "book": (1_000, 500), "full": (10_000, 1_000)}[name]
    train, test = load("mnist"), load("mnist", split="test")
    return train.take(n), train.take(torch.arange(n, n + held)), test.take(held)


def _train(
    problem: Problem, setting: dict[str, float], seed: int, look: Callable[[Method, History], None]
) -> Method:
    method = problem.build(setting["knob"], seed)
    fit(
        method,
        _pictures(preset().name)[0],
        epochs=PARTS,
        batch_size=25,
        learning_rate=setting["rate"],
        schedule=warmup_cosine(0.05),
        device="cpu",
        seed=seed,
        on_epoch=look,
        progress=False,
    )
    return method


class _PrunedError(Exception):
    """The searcher gives this trial up."""


def tuning(problem: str, searcher: str, seed: int) -> dict[str, float]:
    """One search with the whole budget, and one test of what it chose.

    A grid has four values of each knob and a random offset; its points are tried in random order. Random search
    and TPE (Bergstra et al., 2011) draw from the same square. TPE has Optuna's defaults; a trial is given up when
    it is behind the median of the earlier ones after as many passes (`MedianPruner`, after five trials). Pictures
    that a pruned trial did not see buy further trials. Each trial has a training seed of its own.

    Args:
        problem: a key of `PROBLEMS`.
        searcher: one of `SEARCHERS`.
        seed: of the searcher.

    Returns:
        "after_k": the best validated value when the k-th part of `TRIALS` of the budget was spent; "trial_k":
        the best after k trials; "trials", "pruned", "blown_up"; the chosen "knob" and "rate"; "validated", the value by
        which it was chosen; and "tested", the mean of three new training seeds on test pictures, with their
        "tested_low" and "tested_high".

    Raises:
        ImportError: optuna is not installed.
    """
    need_one_of("problem", problem, tuple(PROBLEMS))
    need_one_of("searcher", searcher, SEARCHERS)
    task = PROBLEMS[problem]
    _, validation, test = _pictures(preset().name)
    study = _searcher(task, searcher, seed)
    left, best, blown_up = TRIALS * PARTS, math.inf, 0
    after: list[tuple[int, float]] = []  # parts of the budget spent, best validated value
    while left >= PARTS:
        trial = study.ask()
        setting = {
            "knob": trial.suggest_float("knob", *task.knob, log=task.logarithmic),
            "rate": trial.suggest_float("rate", *RATES, log=True),
        }
        spent = 0

        def look(method: Method, history: History, trial: Any = trial) -> None:
            nonlocal spent
            spent = len(history)
            trial.report(task.measure(method, validation), spent)
            if spent < PARTS and trial.should_prune():
                raise _PrunedError

        try:
            _train(task, setting, 1000 * seed + trial.number, look)
        except _PrunedError:
            study.tell(trial, state=_state("PRUNED"))
        except NonFiniteLossError:
            study.tell(trial, state=_state("FAIL"))
            spent, blown_up = spent + 1, blown_up + 1
        else:
            value = study.trials[trial.number].intermediate_values[PARTS]
            study.tell(trial, value)
            best = min(best, value)
        left -= spent
        after.append((TRIALS * PARTS - left, best))
    tested = [
        task.measure(_train(task, study.best_params, 1_000_000 + seed * _FINAL + k, lambda *_: None), test)
        for k in range(_FINAL)
    ]
    return {
        **{f"after_{k}": _reached(after, PARTS * k) for k in range(1, TRIALS + 1)},
        **{f"trial_{k}": after[k - 1][1] for k in range(1, TRIALS + 1)},
        "trials": len(after),
        "pruned": sum(t.state == _state("PRUNED") for t in study.trials),
        "blown_up": blown_up,
        **study.best_params,
        "validated": best,
        "tested": sum(tested) / _FINAL,
        "tested_low": min(tested),
        "tested_high": max(tested),
    }


def _reached(after: list[tuple[int, float]], spent: int) -> float:
    """The best value of the trials that were over when so many parts were spent."""
    return min((value for parts, value in after if parts <= spent), default=math.inf)


def _searcher(problem: Problem, name: str, seed: int) -> Any:
    """An Optuna study that proposes settings in the way of that name."""
    try:
        import optuna
    except ImportError:
        raise ImportError('tuning needs another package: pip install "gencourse[tuning]".') from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner: Any = optuna.pruners.NopPruner()
    sampler: Any = optuna.samplers.RandomSampler(seed=seed)
    if name == "TPE with pruning":
        pruner, sampler = optuna.pruners.MedianPruner(), optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(sampler=sampler, pruner=pruner)
    if name == "grid":
        with seeded(seed):
            shift, order = torch.rand(2).tolist(), torch.randperm(TRIALS).tolist()
        for cell in order:
            across, down = divmod(cell, SIDE)
            study.enqueue_trial(problem.place((across + shift[0]) / SIDE, (down + shift[1]) / SIDE))
    return study


def _state(name: str) -> Any:
    from optuna.trial import TrialState

    return TrialState[name]


TUNING = Study(
    name="tuning",
    settings=tuple(
        {"problem": problem, "searcher": searcher, "seed": seed}
        for seed in range(_SEEDS)
        for problem in PROBLEMS
        for searcher in SEARCHERS
    ),
    run=tuning,
    chapters=(7,),
)
