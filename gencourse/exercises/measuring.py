"""Exercises of chapter 7."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from gencourse.evaluation import psnr
from gencourse.exercises.engine import Exercise, Right, Wrong
from gencourse.exercises.numbers import NotYet, agree, close, expect, number, parts, plain, random, slopes

__all__ = ["EXERCISES"]

# --- 7.1 -------------------------------------------------------------------------------------------------

_NORMAL = (
    "1.96 is for a spread that is known. Here it is estimated from the same few seeds: take Student's t with "
    "n − 1 degrees of freedom."
)
_SPREAD = "That is how single runs scatter. The mean of n runs scatters less: divide by the root of n."
_BIASED = "Divide the squared deviations by n − 1: the mean was fitted to the same numbers."
_FREEDOM = "n − 1 degrees of freedom: one was spent on the mean."
_ENDS = "Return the lower and the upper end of the interval."


def _check_interval(interval: Callable[[Tensor], Any]) -> None:
    from scipy.stats import t as student

    for n, scale in ((3, 1.0), (5, 4.0), (2, 0.5)):
        values = scale * random(n, seed=n) + 7
        mean, s = values.mean(), values.std()

        def ends(factor: float, mean: Tensor = mean) -> Tensor:
            return torch.stack([mean - factor, mean + factor])

        t = float(student.ppf(0.975, n - 1))
        found = torch.stack([number(end, _ENDS) for end in parts(interval(values), 2, _ENDS)])
        root = math.sqrt(n)
        narrow = float(values.std(unbiased=False))
        agree(
            found,
            ends(t * float(s) / root),
            f"For {n} seeds the interval is {mean:.3f} ± {t * float(s) / root:.3f}.",
            (ends(1.96 * float(s) / root), _NORMAL),
            (ends(t * float(s)), _SPREAD),
            (ends(t * narrow / root), _BIASED),
            (ends(float(student.ppf(0.975, n)) * float(s) / root), _FREEDOM),
            tolerance=1e-3,
        )


_INTERVAL = Exercise(
    number="7.1",
    title="How sure are three seeds?",
    level=1,
    minutes=15,
    answer="interval",
    hints=(
        "Do you know how far single runs scatter, or did you estimate it from these same runs?",
        "Mean, plus and minus t · s / √n, with t of n − 1 degrees of freedom.",
        "half = stats.t.ppf(0.975, n - 1) * values.std() / math.sqrt(n)",
    ),
    check=_check_interval,
    stub='''
def interval(values):
    """(low, high) of the 95 % interval of the mean, eq. (7.1); values (n,), one number
    from each seed, n at least 2. scipy.stats.t.ppf(q, freedom) gives quantiles.
    """
    raise NotImplementedError
''',
    solution='''
def interval(values):
    """(low, high) of the 95 % interval of the mean, eq. (7.1); values (n,), one number
    from each seed, n at least 2. scipy.stats.t.ppf(q, freedom) gives quantiles.
    """
    from scipy import stats

    n = len(values)
    half = stats.t.ppf(0.975, n - 1) * values.std() / math.sqrt(n)
    return values.mean() - half, values.mean() + half
''',
    wrong=(
        Wrong(_NORMAL, edit=("stats.t.ppf(0.975, n - 1)", "1.96")),
        Wrong(_SPREAD, edit=(" / math.sqrt(n)", "")),
        Wrong(_BIASED, edit=("values.std()", "values.std(unbiased=False)")),
        Wrong(_FREEDOM, edit=("ppf(0.975, n - 1)", "ppf(0.975, n)")),
        Wrong("For 3 seeds the interval is", edit=("0.975", "0.95")),
        Wrong(_ENDS, edit=("return values.mean() - half, values.mean() + half", "return half")),
    ),
    also_right=(
        Right(
            code="""
            def interval(values):
                from scipy import stats

                x = values.double().numpy()
                return stats.t.interval(0.95, len(x) - 1, loc=x.mean(), scale=stats.sem(x))
            """
        ),
    ),
)

# --- 7.2 -------------------------------------------------------------------------------------------------

_ONE_TRIAL = "All of K trials miss the good share q with probability (1 − q) to the power of K: solve for K."
_ROUND_UP = "Round up: with one trial fewer the chance is too small."
_OTHER_WAY = "You let K trials all hit. One hit is enough: look at the chance that all miss."


def _check_trials(trials: Callable[[float, float], Any]) -> None:
    for q, sure in ((0.05, 0.95), (0.1, 0.9), (0.3, 0.99), (0.5, 0.75), (0.02, 0.5)):
        exact = math.log(1 - sure) / math.log(1 - q)
        right = math.ceil(exact - 1e-9)
        found = plain(trials(q, sure), "Return how many trials, one number.")
        if found == right:
            continue
        expect(abs(found - sure / q) > 1 and abs(found - 1 / q) > 1e-6, _ONE_TRIAL)
        expect(abs(found - math.log(sure) / math.log(q)) > 1, _OTHER_WAY)
        expect(found not in (right - 1, right + 1) and abs(found - exact) > 1e-3, _ROUND_UP)
        raise NotYet(f"For the best {q:.0%} with probability {sure} it takes {right} trials, not {found:g}.")


_TRIALS = Exercise(
    number="7.2",
    title="How many trials?",
    level=2,
    minutes=10,
    answer="trials",
    hints=(
        "What is the chance that one random trial is not among the best share q? And that none of K is?",
        "Solve 1 − (1 − q)ᴷ ≥ sure for K, and round up.",
        "return math.ceil(math.log(1 - sure) / math.log(1 - q) - 1e-9)",
    ),
    check=_check_trials,
    stub='''
def trials(q, sure):
    """Fewest random trials K whose best is among the best share q of all settings with
    probability at least sure, eq. (7.5); 0 < q < 1, 0 < sure < 1.
    """
    raise NotImplementedError
''',
    solution='''
def trials(q, sure):
    """Fewest random trials K whose best is among the best share q of all settings with
    probability at least sure, eq. (7.5); 0 < q < 1, 0 < sure < 1.
    """
    # the small number keeps rounding from adding a trial to an exact answer
    return math.ceil(math.log(1 - sure) / math.log(1 - q) - 1e-9)
''',
    wrong=(
        Wrong(_ONE_TRIAL, edit=("math.log(1 - sure) / math.log(1 - q) - 1e-9", "sure / q")),
        Wrong(_ROUND_UP, edit=("math.ceil(", "math.floor(")),
        Wrong(_ROUND_UP, edit=("math.ceil(", "(")),
        Wrong(_OTHER_WAY, edit=("math.log(1 - sure) / math.log(1 - q)", "math.log(sure) / math.log(q)")),
        Wrong("For the best 5% with", edit=("- 1e-9", "+ 5")),
    ),
    also_right=(
        Right(
            code="""
            def trials(q, sure):
                count, miss = 0, 1.0
                while 1 - miss < sure - 1e-12:
                    count, miss = count + 1, miss * (1 - q)
                return count
            """
        ),
    ),
)

# --- 7.3 -------------------------------------------------------------------------------------------------

_BY_TEST = (
    "You choose by the test scores. Then the test set has been tuned on, and its score is no longer what new "
    "pictures would give: choose by validation."
)
_LUCKY = "You choose by the best single seed: that rewards the setting with the widest spread. Take the mean."
_REPORTS_VALIDATION = (
    "The score that you report was chosen for being the largest, so it flatters, eq. (7.4): "
    "report the test mean."
)
_BEST_TEST_SEED = "Report the mean of the test scores over seeds, not the best of them."


def _check_choose(choose: Callable[[dict[str, list[float]], dict[str, list[float]]], Any]) -> None:
    hint = "Return the setting's name and its mean test score."
    for k in range(3):
        shift = float(random(1, seed=k)) / 10
        validation = {
            "steady": [0.80 + shift, 0.82 + shift, 0.81 + shift],
            "wild": [0.60 + shift, 0.95 + shift, 0.62 + shift],
            "lucky": [0.70 + shift, 0.71 + shift, 0.72 + shift],
            "often": [0.64 + shift, 0.65 + shift, 0.66 + shift, 0.65 + shift],  # not all have as many seeds
        }
        test = {
            "often": [0.64 + shift, 0.65 + shift, 0.66 + shift, 0.65 + shift],
            "lucky": [0.90 + shift, 0.89 + shift, 0.91 + shift],
            "wild": [0.61 + shift, 0.88 + shift, 0.64 + shift],
            "steady": [0.70 + shift, 0.79 + shift, 0.76 + shift],
        }
        name, score = parts(choose(validation, test), 2, hint)
        expect(isinstance(name, str), hint)
        expect(name != "lucky", _BY_TEST)
        expect(name != "wild", _LUCKY)
        expect(name == "steady", f"By mean validation score it is 'steady'; you chose {name!r}.")
        agree(
            number(score, hint),
            torch.tensor(0.75 + shift),
            f"The mean test score of 'steady' is {0.75 + shift:.3f}.",
            (torch.tensor(0.81 + shift), _REPORTS_VALIDATION),
            (torch.tensor(0.82 + shift), _REPORTS_VALIDATION),
            (torch.tensor(0.79 + shift), _BEST_TEST_SEED),
        )


_CHOOSE = Exercise(
    number="7.3",
    title="A table that was tuned on its test set",
    level=3,
    minutes=15,
    answer="choose",
    hints=(
        "Which numbers may a choice look at, if another number is to tell what new pictures would give?",
        "Choose by the mean of the validation scores; report the mean of the test scores of the chosen one.",
        "best = max(validation, key=lambda name: mean(validation[name]))",
    ),
    check=_check_choose,
    stub='''
def choose(validation, test):
    """(name, score): the setting to take, and what to report of it.

    Both are dictionaries of a setting's name to its scores, one from each seed; more is
    better. Repair: the best test score of all wins, and is reported.
    """
    raise NotImplementedError
''',
    solution='''
def choose(validation, test):
    """(name, score): the setting to take, and what to report of it.

    Both are dictionaries of a setting's name to its scores, one from each seed; more is
    better. Repair: the best test score of all wins, and is reported.
    """
    def mean(scores):
        return sum(scores) / len(scores)

    best = max(validation, key=lambda name: mean(validation[name]))
    return best, mean(test[best])
''',
    wrong=(
        Wrong(
            _BY_TEST,
            edit=(
                "max(validation, key=lambda name: mean(validation[name]))",
                "max(test, key=lambda n: max(test[n]))",
            ),
        ),
        Wrong(_BY_TEST, edit=("mean(validation[name])", "mean(test[name])")),
        Wrong(_LUCKY, edit=("mean(validation[name])", "max(validation[name])")),
        Wrong(_REPORTS_VALIDATION, edit=("mean(test[best])", "mean(validation[best])")),
        Wrong(_BEST_TEST_SEED, edit=("mean(test[best])", "max(test[best])")),
        Wrong("Return the setting's name", edit=("return best, mean(test[best])", "return best")),
    ),
    also_right=(
        Right(
            code="""
            def choose(validation, test):
                means = {name: torch.tensor(scores).mean().item() for name, scores in validation.items()}
                best = sorted(means, key=means.get)[-1]
                return [best, torch.tensor(test[best]).mean()]
            """
        ),
    ),
)

# --- 7.4 -------------------------------------------------------------------------------------------------

_IN_N = "The line is straight in 1/N, eq. (7.3), not in N."
_LARGEST = "That is the distance at the largest N. It still holds c / N: put the line through, and read it at 1/N = 0."
_SLOPE = "That is the slope c. The limit is where the line meets 1/N = 0."
_TWO_POINTS = "Two of the points decide your line alone: fit it to all of them by least squares."


def _check_limit(limit: Callable[[Tensor, Tensor], Any]) -> None:
    for sizes in ([100, 200, 400, 800], [50, 80, 300], [1000, 250, 500, 2000, 125]):
        n = torch.tensor(sizes, dtype=torch.float32)
        distances = 12 + 3000 / n + random(len(sizes), seed=len(sizes))
        x, y = (1 / n).double(), distances.double()

        def line(x: Tensor, y: Tensor) -> tuple[float, float]:
            slope = float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())
            return float(y.mean()) - slope * float(x.mean()), slope

        right, slope = line(x, y)
        ends = torch.stack([x.argmin(), x.argmax()])
        agree(
            number(limit(n, distances)),
            torch.tensor(right),
            f"For {len(sizes)} sizes the limit is {right:.3f}.",
            (torch.tensor(line(n.double(), y)[0]), _IN_N),
            (distances[n.argmax()], _LARGEST),
            (torch.tensor(slope), _SLOPE),
            (torch.tensor(line(x[ends], y[ends])[0]), _TWO_POINTS),
            tolerance=1e-3,
        )


_LIMIT = Exercise(
    number="7.4",
    title="A distance without its bias",
    level=3,
    minutes=20,
    answer="limit",
    hints=(
        "Against which function of N do the distances lie on a straight line?",
        "Least squares on x = 1/N; the limit is the mean of the distances minus the slope times the mean of x.",
        "slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()",
    ),
    check=_check_limit,
    stub='''
def limit(sizes, distances):
    """What the distances tend to for infinitely many samples, eq. (7.3): the least
    squares line in 1/N, read at 0. sizes and distances (k,), in any order, k at least
    2.
    """
    raise NotImplementedError
''',
    solution='''
def limit(sizes, distances):
    """What the distances tend to for infinitely many samples, eq. (7.3): the least
    squares line in 1/N, read at 0. sizes and distances (k,), in any order, k at least
    2.
    """
    x, y = 1 / sizes, distances
    slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    return y.mean() - slope * x.mean()
''',
    wrong=(
        Wrong(_IN_N, edit=("1 / sizes", "sizes")),
        Wrong(_LARGEST, edit=("return y.mean() - slope * x.mean()", "return y[sizes.argmax()]")),
        Wrong(_SLOPE, edit=("return y.mean() - slope * x.mean()", "return slope")),
        Wrong(
            _TWO_POINTS,
            edit=(
                "    slope = ",
                "    ends = torch.stack([x.argmin(), x.argmax()])\n    x, y = x[ends], y[ends]\n    slope = ",
            ),
        ),
        Wrong("For 4 sizes the limit is", edit=("y.mean() - slope", "y.mean() + slope")),
    ),
    also_right=(
        Right(
            code="""
            def limit(sizes, distances):
                import numpy as np

                return np.polyfit(1 / sizes.double().numpy(), distances.double().numpy(), 1)[1]
            """
        ),
        Right(
            code="""
            def limit(sizes, distances):
                design = torch.stack([torch.ones(len(sizes)), 1 / sizes], dim=1).double()
                return torch.linalg.lstsq(design, distances.double()[:, None]).solution[0].item()
            """
        ),
    ),
)

# --- 7.5 -------------------------------------------------------------------------------------------------

_ONE_SIDED = "Count gaps of both signs: before you looked, either could have been the better one."
_STRICT = (
    "A split with exactly the gap that was seen counts, too: the labels that you have are one of the splits."
)


def _p_value(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float]:
    """Exact p-value; that of one side; that of strictly larger gaps."""
    both = [*a, *b]
    n, total = len(a), sum(both)

    def gap(chosen: Sequence[int]) -> float:
        own = sum(both[i] for i in chosen)
        return own / n - (total - own) / len(b)

    seen = gap(range(n))
    gaps = [gap(chosen) for chosen in itertools.combinations(range(len(both)), n)]
    within = 1e-9
    return (
        sum(abs(g) >= abs(seen) - within for g in gaps) / len(gaps),
        sum(g >= seen - within for g in gaps) / len(gaps),
        sum(abs(g) > abs(seen) + within for g in gaps) / len(gaps),
    )


def _check_p_value(p_value: Callable[[list[float], list[float]], Any]) -> None:
    cases = (
        ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]),
        ([0.3, 0.9], [0.4, 0.1, 0.35]),
        ([5.0, 1.0, 2.0], [3.0, 2.5, 0.5]),
    )
    for a, b in cases:
        right, one, strict = _p_value(a, b)
        found = number(p_value(list(a), list(b)))
        agree(
            found,
            torch.tensor(right),
            f"For {a} and {b} it is {right:.4f}; yours is {float(found):.4f}.",
            (torch.tensor(one), _ONE_SIDED),
            (torch.tensor(strict), _STRICT),
            tolerance=1e-6,
        )


_PERMUTE = Exercise(
    number="7.5",
    title="Could it be luck?",
    level=4,
    minutes=25,
    answer="p_value",
    hints=(
        "If the name of the method did not matter, how else could the six numbers have been handed out?",
        "For every way to call n of the numbers the first method's, compute the gap of the means.",
        "for chosen in itertools.combinations(range(len(both)), len(a)):",
    ),
    check=_check_p_value,
    stub='''
def p_value(a, b):
    """Share of all ways to split the numbers of a and b into groups of these sizes
    whose means are at least as far apart as those of a and b: the exact permutation
    test.

    a and b are lists of numbers, one from each seed.
    """
    raise NotImplementedError
''',
    solution='''
def p_value(a, b):
    """Share of all ways to split the numbers of a and b into groups of these sizes
    whose means are at least as far apart as those of a and b: the exact permutation
    test.

    a and b are lists of numbers, one from each seed.
    """
    import itertools

    both = [*a, *b]
    seen = abs(sum(a) / len(a) - sum(b) / len(b))
    count = hits = 0
    for chosen in itertools.combinations(range(len(both)), len(a)):
        own = sum(both[i] for i in chosen)
        gap = own / len(a) - (sum(both) - own) / len(b)
        count += 1
        # rounding must not turn an equal gap into a smaller one
        hits += abs(gap) >= seen - 1e-9
    return hits / count
''',
    wrong=(
        Wrong(
            _ONE_SIDED,
            edit=(
                "hits += abs(gap) >= seen - 1e-9",
                "hits += gap >= sum(a) / len(a) - sum(b) / len(b) - 1e-9",
            ),
        ),
        Wrong(_STRICT, edit=("abs(gap) >= seen - 1e-9", "abs(gap) > seen + 1e-9")),
        Wrong(
            "For [1.0, 2.0, 3.0] and [4.0, 5.0, 6.0] it is 0.1000",
            edit=("return hits / count", "return hits"),
        ),
        Wrong(
            "For [1.0, 2.0, 3.0] and [4.0, 5.0, 6.0] it is 0.1000",
            code="""
            def p_value(a, b):
                from scipy import stats

                return stats.ttest_ind(a, b).pvalue
            """,
        ),
    ),
    also_right=(
        Right(
            code="""
            def p_value(a, b):
                import itertools

                both = torch.tensor([*a, *b], dtype=torch.float64)
                masks = torch.stack([
                    torch.zeros(len(both), dtype=torch.float64).index_fill(0, torch.tensor(c), 1.0)
                    for c in itertools.combinations(range(len(both)), len(a))
                ])
                gaps = masks @ both / len(a) - (1 - masks) @ both / len(b)
                return (gaps.abs() >= gaps[0].abs() - 1e-9).double().mean()
            """
        ),
    ),
)

# --- 7.6 -------------------------------------------------------------------------------------------------

_NOT_LEFT_OUT = "Leave out one row at a time, each once, and average the n estimates."
_ONE_N = "Weigh the full estimate by n and the mean of the others by n − 1: then c/n and c/(n − 1) cancel."
_OPPOSITE = "The signs are the wrong way round: the others have the larger bias, so they are subtracted."


def _check_jackknife(jackknife: Callable[[Callable[[Tensor], Tensor], Tensor], Any]) -> None:
    def variance(rows: Tensor) -> Tensor:
        return (rows - rows.mean(0)).square().mean()

    for n in (5, 9):
        rows = random(n, 1, seed=n)
        left = torch.stack([variance(torch.cat([rows[:i], rows[i + 1 :]])) for i in range(n)]).mean()
        full = variance(rows)
        agree(
            number(jackknife(variance, rows)),
            rows.var(),
            f"Of the variance with divisor n it makes the one with divisor n − 1, {float(rows.var()):.4f}.",
            (full, "That is the estimate from all rows: nothing was corrected."),
            (left, _NOT_LEFT_OUT),
            ((n - 1) * full - (n - 2) * left, _ONE_N),
            ((n + 1) * full - n * left, _ONE_N),
            (2 * full - left, _ONE_N),
            (n * left - (n - 1) * full, _OPPOSITE),
        )
    # a bias of exactly c / n goes, whatever the estimate is
    found = number(jackknife(lambda rows: 3 + 10 / torch.tensor(float(len(rows))), random(7, 2)))
    expect(close(found, 3.0, 1e-3), _ONE_N)


_JACKKNIFE = Exercise(
    number="7.6",
    title="Take a bias of c/n away, whatever c is",
    level=5,
    minutes=30,
    answer="jackknife",
    hints=(
        "An estimate from n rows is θ + c/n, one from n − 1 rows θ + c/(n − 1). Which combination has no c?",
        "n times the estimate from all rows, minus n − 1 times the mean of those with one row left out.",
        "return n * estimate(rows) - (n - 1) * left_out.mean()",
    ),
    check=_check_jackknife,
    stub='''
def jackknife(estimate, rows):
    """The estimate without its bias of order 1/n (Quenouille): from all n rows, and
    from all but one, each row left out once. estimate(rows) gives one number; rows
    (n, d).
    """
    raise NotImplementedError
''',
    solution='''
def jackknife(estimate, rows):
    """The estimate without its bias of order 1/n (Quenouille): from all n rows, and
    from all but one, each row left out once. estimate(rows) gives one number; rows
    (n, d).
    """
    n = len(rows)
    left_out = torch.stack(
        [estimate(torch.cat([rows[:i], rows[i + 1 :]])) for i in range(n)]
    )
    return n * estimate(rows) - (n - 1) * left_out.mean()
''',
    wrong=(
        Wrong(_NOT_LEFT_OUT, edit=("n * estimate(rows) - (n - 1) * left_out.mean()", "left_out.mean()")),
        Wrong(_ONE_N, edit=("n * estimate(rows) - (n - 1) * left", "2 * estimate(rows) - left")),
        Wrong(_ONE_N, edit=("n * estimate(rows) - (n - 1) *", "(n + 1) * estimate(rows) - n *")),
        Wrong(
            _OPPOSITE,
            edit=(
                "n * estimate(rows) - (n - 1) * left_out.mean()",
                "n * left_out.mean() - (n - 1) * estimate(rows)",
            ),
        ),
        Wrong("That is the estimate from all rows", edit=("rows[:i], rows[i + 1 :]", "rows[:i], rows[i:]")),
    ),
    also_right=(
        Right(
            code="""
            def jackknife(estimate, rows):
                n, total = len(rows), 0.0
                for i in range(n):
                    keep = torch.arange(n) != i
                    total += float(estimate(rows[keep]))
                return float(estimate(rows)) * n - total * (n - 1) / n
            """
        ),
    ),
)

# --- 7.7 -------------------------------------------------------------------------------------------------

_EATEN = (
    "Your function takes points out of the list that it reads: who asks next finds fewer. Leave it whole."
)
_LOST = "Your shares do not add up to 1: some points were never counted, or some twice."
_COUNTS = "Those are counts. A share is a count divided by the number of points."
_DENSITY = "That is a density: shares divided by the width of a cell. Return the shares."


class _Lent(list[float]):
    """A list that an answer gets itself, not a copy of it: whether it takes from the list is the question."""


def _check_shares(shares: Callable[[list[float], int], Any]) -> None:
    hint = "Return a list of shares, one for each cell."
    for n, bins in ((30, 5), (7, 3), (23, 8)):
        points = torch.sigmoid(random(n, seed=n)).tolist()
        given = _Lent(points)
        found = torch.stack([number(share, hint) for share in parts(shares(given, bins), bins, hint)])
        expect(given == points, _EATEN)
        counts = torch.tensor([int(bins * p) for p in points]).bincount(minlength=bins).float()
        for mistaken, told in ((counts, _COUNTS), (bins * counts / n, _DENSITY)):
            expect(not close(found, mistaken), told)
        expect(close(found.sum(), 1.0), _LOST)
        expect(close(found, counts / n), f"Cell k holds the points from k/{bins} up to (k + 1)/{bins}.")


_SHARES = Exercise(
    number="7.7",
    title="Find the slip: who reads must not take",
    level=1,
    minutes=10,
    answer="shares",
    hints=(
        "What does the list hold after your function was called? And what does the next call see?",
        "Count the point p in cell int(bins * p), and leave the list as it is.",
        "return [count / len(points) for count in counts]",
    ),
    check=_check_shares,
    stub='''
def shares(points, bins):
    """Share of the points in each of `bins` equal cells of [0, 1), a list that adds up
    to 1; points is a list of numbers in [0, 1), and others will read it after you.
    """
    raise NotImplementedError
''',
    solution='''
def shares(points, bins):
    """Share of the points in each of `bins` equal cells of [0, 1), a list that adds up
    to 1; points is a list of numbers in [0, 1), and others will read it after you.
    """
    counts = [0] * bins
    for point in points:
        counts[int(bins * point)] += 1
    return [count / len(points) for count in counts]
''',
    wrong=(
        Wrong(
            _EATEN,
            code="""
            def shares(points, bins):
                counts, n = [0] * bins, len(points)
                while points:
                    counts[int(bins * points.pop())] += 1
                return [count / n for count in counts]
            """,
        ),
        Wrong(
            _LOST,  # the slip as it was found, on a copy: what is taken away moves up what is still to be read
            code="""
            def shares(points, bins):
                counts, left = [0] * bins, list(points)
                for start in range(0, len(points), 2):
                    for point in left[start : start + 2]:
                        counts[int(bins * point)] += 1
                    del left[start : start + 2]
                return [count / len(points) for count in counts]
            """,
        ),
        Wrong(_COUNTS, edit=("count / len(points)", "count")),
        Wrong(_DENSITY, edit=("count / len(points)", "bins * count / len(points)")),
        Wrong("Cell k holds the points", edit=("int(bins * point)", "int(bins * point) - 1")),
        Wrong("Return a list of shares", edit=("for count in counts]", "for count in counts[1:]]")),
    ),
    also_right=(
        Right(
            code="""
            def shares(points, bins):
                cells = (bins * torch.tensor(points)).long()
                return cells.bincount(minlength=bins) / len(points)
            """
        ),
    ),
)

# --- 7.8 -------------------------------------------------------------------------------------------------

_HALF = (
    "A factor before −log D changes the weight of the term, not where it is least: that is still D = 1. The "
    "label t also needs the other term."
)
_SWAPPED = "t is the weight of −log D, and 1 − t that of −log(1 − D): yours are exchanged."
_SUMMED = "Take the mean over the batch, not the sum."
_OVERFLOW = "At a large logit your loss is not finite: take softplus or a loss that is written in the logit."


def _check_smoothed(smoothed: Callable[[Tensor, float], Any]) -> None:
    for n, target in ((6, 0.9), (5, 0.95), (8, 0.7)):
        a = (2 * random(n, seed=n)).requires_grad_()
        up, down = torch.nn.functional.softplus(-a), torch.nn.functional.softplus(a)
        right = (target * up + (1 - target) * down).mean()
        found = number(smoothed(a, target))
        agree(
            found,
            right,
            f"With the label {target} it is {float(right.detach()):.4f} for the check's logits; yours is "
            f"{float(found.detach()):.4f}.",
            ((target * up).mean(), _HALF),
            (((1 - target) * up + target * down).mean(), _SWAPPED),
            (n * right, _SUMMED),
        )
        expect(
            close(slopes(found, a)[0], slopes(right, a)[0]),
            "The value is right, but its gradient does not reach the logits.",
        )
    far = smoothed(torch.tensor([300.0, -300.0]), 0.9)
    expect(close(number(far), 150.0), _OVERFLOW)


_SMOOTHED = Exercise(
    number="7.8",
    title="Find the slip: half a smoothing",
    level=2,
    minutes=15,
    answer="smoothed",
    hints=(
        "For which D is −0.95 log D least? And for which should the loss be least?",
        "Cross-entropy with the label t is −t log D − (1 − t) log(1 − D). Write both logarithms by the logit.",
        "return (target * softplus(-logits) + (1 - target) * softplus(logits)).mean()",
    ),
    check=_check_smoothed,
    stub='''
def smoothed(logits, target):
    """The judge's loss on real samples with the label `target` in place of 1, mean over
    the batch: least where D = σ(logits) is target. Finite for all finite logits.
    """
    raise NotImplementedError
''',
    solution='''
def smoothed(logits, target):
    """The judge's loss on real samples with the label `target` in place of 1, mean over
    the batch: least where D = σ(logits) is target. Finite for all finite logits.
    """
    softplus = torch.nn.functional.softplus
    return (target * softplus(-logits) + (1 - target) * softplus(logits)).mean()
''',
    wrong=(
        Wrong(_HALF, edit=(" + (1 - target) * softplus(logits)", "")),
        Wrong(
            _SWAPPED,
            edit=(
                "softplus(-logits) + (1 - target) * softplus(logits)",
                "softplus(logits) + (1 - target) * softplus(-logits)",
            ),
        ),
        Wrong(_SUMMED, edit=(".mean()", ".sum()")),
        Wrong(
            _OVERFLOW,
            code="""
            def smoothed(logits, target):
                d = torch.sigmoid(logits)
                return -(target * d.log() + (1 - target) * (1 - d).log()).mean()
            """,
        ),
        Wrong("With the label 0.9 it is", edit=("(1 - target) *", "(1 + target) *")),
        Wrong("The value is right, but", edit=(".mean()", ".mean().detach()")),
    ),
    also_right=(
        Right(
            code="""
            def smoothed(logits, target):
                wanted = torch.full_like(logits, target)
                return nn.functional.binary_cross_entropy_with_logits(logits, wanted)
            """
        ),
    ),
)

# --- 7.9 -------------------------------------------------------------------------------------------------

_BARE = "Your test passes a function that always returns 0: does it use the outcome of its comparison?"
_STRICTER = "Your test rejects a right function. Compare up to rounding."
_OWN_ERROR = (
    "Your test ends in an error, so it tells nothing: keep pixels in [0, 1], and return True or False."
)
_NO_ANSWER = "Return True or False."


def _psnr_by(mean_square: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda x_hat, x: -10 * mean_square(x_hat, x).log10().mean()


def _each(x_hat: Tensor, x: Tensor) -> Tensor:
    return (x_hat - x).square().flatten(1).mean(1)


_RIGHT_PSNR: tuple[Callable[[Tensor, Tensor], Any], ...] = (
    psnr,
    _psnr_by(_each),
    lambda x_hat, x: sum(-10 * math.log10(float(mse)) for mse in _each(x_hat, x)) / len(x),
)
_WRONG_PSNR: tuple[tuple[str, Callable[[Tensor, Tensor], Any]], ...] = (
    ("takes the natural logarithm", lambda x_hat, x: -10 * _each(x_hat, x).log().mean()),
    ("has the wrong sign", lambda x_hat, x: 10 * _each(x_hat, x).log10().mean()),
    ("forgets to square the error", _psnr_by(lambda x_hat, x: (x_hat - x).abs().flatten(1).mean(1))),
    (
        "adds the squares up and takes no mean",
        _psnr_by(lambda x_hat, x: (x_hat - x).square().flatten(1).sum(1)),
    ),
    (
        "squares the mean error, in which errors of both signs cancel",
        _psnr_by(lambda x_hat, x: (x_hat - x).flatten(1).mean(1).square()),
    ),
    (
        "takes the largest error of a picture for all",
        _psnr_by(lambda x_hat, x: (x_hat - x).square().flatten(1).amax(1)),
    ),
    ("looks at the first picture only", _psnr_by(lambda x_hat, x: _each(x_hat[:1], x[:1]))),
    ("looks at the last picture only", _psnr_by(lambda x_hat, x: _each(x_hat[-1:], x[-1:]))),
    (
        "takes the mean over pictures before the logarithm",
        _psnr_by(lambda x_hat, x: _each(x_hat, x).mean()),
    ),
    (
        "divides by one pixel too few",
        _psnr_by(lambda x_hat, x: _each(x_hat, x) * x[0].numel() / max(x[0].numel() - 1, 1)),
    ),
)


def _passes(test: Callable[[Any], Any], metric: Callable[[Tensor, Tensor], Any]) -> bool:
    """What a learner's test says of a function."""
    try:
        found = test(metric)
    except (NotImplementedError, NotYet):  # the stub, or no answer
        raise
    except AssertionError:  # the other way to say no
        return False
    except Exception:
        raise NotYet(_OWN_ERROR) from None
    expect(isinstance(found, bool) or (isinstance(found, Tensor) and found.dtype == torch.bool), _NO_ANSWER)
    return bool(number(found, _NO_ANSWER))


def _check_is_right(is_right: Callable[[Callable[[Tensor, Tensor], Any]], Any]) -> None:
    expect(not _passes(is_right, lambda x_hat, x: torch.zeros(())), _BARE)
    expect(all(_passes(is_right, metric) for metric in _RIGHT_PSNR), _STRICTER)
    for slip, metric in _WRONG_PSNR:
        expect(not _passes(is_right, metric), f"Your test passes a function that {slip}.")


_IS_RIGHT = Exercise(
    number="7.9",
    title="Find the slip: a test that cannot fail",
    level=4,
    minutes=25,
    answer="is_right",
    hints=(
        "What would your test say if psnr always returned 0? And if it looked at the first picture only?",
        "Take a case whose answer you know on paper: pictures with different errors, of both signs, and pixels "
        "without any.",
        "return abs(float(psnr(x + error, x)) - 20) < 1e-3",
    ),
    check=_check_is_right,
    stub='''
def is_right(psnr):
    """True if psnr(x_hat, x) is the mean over pictures of 10 log10(1 / MSE), and False
    if it is anything else. Pictures are (B, C, H, W) in [0, 1]; MSE is the mean over a
    picture's pixels.
    """
    raise NotImplementedError
''',
    solution='''
def is_right(psnr):
    """True if psnr(x_hat, x) is the mean over pictures of 10 log10(1 / MSE), and False
    if it is anything else. Pictures are (B, C, H, W) in [0, 1]; MSE is the mean over a
    picture's pixels.
    """
    x = torch.full((2, 1, 3, 4), 0.5)
    # half of the pixels are right; errors of both signs, twice as large in one picture
    error = torch.zeros_like(x)
    error[0, :, :, 2], error[0, :, :, 3] = 0.1, -0.1
    error[1] = 2 * error[0]
    # MSE 0.005 and 0.02: 23.01 dB and 16.99 dB
    return abs(float(psnr(x + error, x)) - 20) < 1e-3
''',
    wrong=(
        Wrong(
            _BARE,
            edit=(
                "return abs(float(psnr(x + error, x)) - 20) < 1e-3",
                "abs(float(psnr(x + error, x)) - 20) < 1e-3\n    return True",
            ),
        ),
        Wrong(
            _STRICTER,
            edit=("abs(float(psnr(x + error, x)) - 20) < 1e-3", "float(psnr(x + error, x)) == 20"),
        ),
        Wrong(_OWN_ERROR, edit=("0.1, -0.1", "0.9, -0.9")),
        Wrong(_NO_ANSWER, edit=("- 20) < 1e-3", "- 20)")),
        Wrong("Your test passes a function that divides by one pixel", edit=("1e-3", "0.5")),
        Wrong(
            "Your test passes a function that adds the squares",
            code="""
            def is_right(psnr):
                x, x_hat = torch.full((1, 1, 1, 1), 0.5), torch.full((1, 1, 1, 1), 0.6)
                return abs(float(psnr(x_hat, x)) - 20) < 1e-3
            """,
        ),
        Wrong(
            "Your test passes a function that squares the mean error",
            code="""
            def is_right(psnr):
                x = torch.full((2, 1, 3, 4), 0.5)
                return abs(float(psnr(x + 0.1, x)) - 20) < 1e-3
            """,
        ),
    ),
    also_right=(
        Right(
            code="""
            def is_right(psnr):
                x, x_hat = torch.rand(2, 3, 2, 5, 4, generator=torch.Generator().manual_seed(0))
                x_hat[0] = 0.5 * x_hat[0] + 0.5 * x[0]
                mse = [(a - b).square().mean().item() for a, b in zip(x, x_hat)]
                assert abs(float(psnr(x_hat, x)) + 10 / 3 * sum(math.log10(m) for m in mse)) < 1e-3
                return True
            """
        ),
    ),
)

EXERCISES = (_INTERVAL, _TRIALS, _CHOOSE, _LIMIT, _PERMUTE, _JACKKNIFE, _SHARES, _SMOOTHED, _IS_RIGHT)
