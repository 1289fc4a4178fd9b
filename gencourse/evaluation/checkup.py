"""More questions to a poor result: its judge, its samples, its seeds. Each answer is one sentence.

"Fine: …" says what was seen; "Look: …" says what is wrong and what to do. What to ask before and while a method
learns stands in `gencourse.training`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gencourse.errors import need_finite, need_number, need_same_device, need_tensor
from gencourse.evaluation.anomaly import auroc
from gencourse.evaluation.samples import class_entropy, mode_coverage
from gencourse.evaluation.uncertainty import seed_interval

__all__ = ["check_judge", "check_modes", "check_seeds"]

_WON = 0.99  # share of pairs in which a judge is right that has left its opponent behind
_GUESSES = 0.05  # how near to one half
_EVEN = 0.8  # share of the classes that the entropy must be worth


def check_judge(real_logits: Tensor, fake_logits: Tensor) -> str:
    """Does the judge still teach? It should be right more often than not, and not always.

    Asked by pairs, one real and one made: how often has the real one the higher logit? So it does not matter where
    the judge puts its zero, and a critic without one can be asked, too.

    Args:
        real_logits: of real pictures (or draws of the prior, for a judge of codes), shape (N,).
        fake_logits: of made ones (or codes), shape (M,).

    Returns:
        One sentence with the share of pairs.

    Raises:
        TypeError, ValueError: an argument is none of that.
    """
    for name, logits in (("real_logits", real_logits), ("fake_logits", fake_logits)):
        need_tensor(name, logits, "(N,)")
        need_finite(name, logits)
    need_same_device("real_logits", real_logits, "fake_logits", fake_logits)
    is_real = torch.cat([torch.ones(len(real_logits)), torch.zeros(len(fake_logits))])
    share = auroc(torch.cat([real_logits, fake_logits]).detach().cpu(), is_real == 1)
    told = f"of a real and a made one, the judge finds the real one in {share:.1%} of all pairs"
    if share > _WON:
        return (
            f"Look: {told}: it has won, and its opponent is left without a useful gradient; slow it down, penalise its "
            "slope, or show it noisy pictures."
        )
    if share < 0.5 - _GUESSES:
        return f"Look: {told}, worse than guessing: look for the sign of a loss, or for swapped arguments."
    if share < 0.5 + _GUESSES:
        return f"Look: {told}: either the made ones are perfect, or it learns nothing; look at them."
    return f"Fine: {told}."


def check_modes(labels: Tensor, classes: int = 10) -> str:
    """Do the samples cover all classes, about evenly?

    Args:
        labels: the class that a classifier gives to each sample, or −1 for none; shape (N,).
        classes: how many there are.

    Returns:
        One sentence with the number of classes that are covered, see `mode_coverage`, and the number of evenly drawn
        classes that have the same entropy.

    Raises:
        TypeError, ValueError: labels are none of that.
    """
    covered, even = mode_coverage(labels, classes), math.exp(class_entropy(labels, classes))
    told = f"{covered} of {classes} classes are drawn, as unevenly as {even:.1f} even ones"
    if covered < classes:
        return f"Look: {told}: the sampler has lost some; penalise the judge's slope, or train longer."
    if even < _EVEN * classes:
        return f"Look: {told}: some are rare; look at what the classifier takes them for."
    return f"Fine: {told}."


def check_seeds(values: Sequence[float], gain: float) -> str:
    """Can the difference that you tune for be seen through the luck of the seeds?

    Args:
        values: the result of each seed, two at least.
        gain: the smallest difference that matters.

    Returns:
        One sentence with the interval (7.1).

    Raises:
        TypeError, ValueError: an argument is none of that.
    """
    mean, low, high = seed_interval(values)
    need_number("gain", gain, above=0)
    half = (high - low) / 2
    told = f"{len(values)} seeds give {mean:.4g} ± {half:.2g}"
    if half > gain:
        return (
            f"Look: {told}, so a gain of {gain:.2g} cannot be seen: tune nothing before you have more seeds."
        )
    return f"Fine: {told}, so a gain of {gain:.2g} can be seen."
