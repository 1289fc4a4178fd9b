"""Figures of training itself, whatever the method."""

from __future__ import annotations

from gencourse.errors import need_kind
from gencourse.figures.style import chart, drawn, show, style
from gencourse.training import RateTest

__all__ = ["rate_curve"]


@drawn
def rate_curve(test: RateTest) -> None:
    """The loss at rising learning rates, and the rate that is suggested.

    Args:
        test: what `gencourse.training.find_learning_rate` gave.
    """
    need_kind("test", test, RateTest, "what gencourse.training.find_learning_rate gave")
    with style():
        _, axis = chart(5.2, 3)
        axis.plot(test.rates, test.losses, color="#4477aa")
        axis.axvline(test.suggestion, color="#e0a526", ls="--", label=f"suggested: {test.suggestion:.1e}")
        axis.set(xscale="log", xlabel="learning rate", ylabel=f"{test.watched}, smoothed")
        axis.legend()
        show()
