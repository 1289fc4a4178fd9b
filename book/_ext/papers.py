"""The papers' tables beside ours: paper | here | why they differ. Made from the records of runs that happened.

`gcbook` puts them in the place of `<!-- generated: papers -->` and `<!-- generated: curves -->`. A number of a paper
stands with what it was checked against; a row that no run has filled says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gencourse.studies import RESULTS, STUDIES, read

READ, QUOTED, UNCHECKED = "read in the paper", "as other papers quote it", "from memory, not looked up"
"""What a paper's numbers were checked against."""
EMPTY = "not run yet"
POINT = 100.0  # a share as percent


@dataclass(frozen=True)
class Line:
    """One row: what is measured, the paper's number, and how to read ours off the records in a folder."""

    what: str
    paper: str
    here: Callable[[Path], str]


@dataclass(frozen=True)
class Table:
    """A table of a paper.

    Attributes:
        title: a heading.
        source: which table of which paper, with its citation.
        checked: one of `READ`, `QUOTED`, `UNCHECKED`.
        studies: whose records fill it.
        lines: its rows.
        why: why the columns differ, one reason an entry.
    """

    title: str
    source: str
    checked: str
    studies: tuple[str, ...]
    lines: tuple[Line, ...]
    why: tuple[str, ...]


def values(folder: Path, study: str, name: str, **wanted: Any) -> list[float]:
    """One number from each recorded row with these settings; none where nothing is recorded."""
    if not (folder / f"{study}.json").is_file():
        return []
    return [float(row[name]) for row in read(study, folder) if wanted.items() <= row.items() and name in row]


def summary(found: list[float], digits: int, unit: str = "") -> str:
    """Mean, smallest and largest over the seeds, and how many there were."""
    if not found:
        return EMPTY
    mean = sum(found) / len(found)
    if len(found) == 1:
        return f"{mean:.{digits}f}{unit}, one seed"
    return f"{mean:.{digits}f} ({min(found):.{digits}f} to {max(found):.{digits}f}){unit}, {len(found)} seeds"


def ours(
    study: str, name: str, digits: int = 1, *, scale: float = 1.0, unit: str = "", **wanted: Any
) -> Callable[[Path], str]:
    """How to read a number off a record: its mean and spread over seeds."""

    def here(folder: Path) -> str:
        return summary([scale * value for value in values(folder, study, name, **wanted)], digits, unit)

    return here


def percent(study: str, name: str, **wanted: Any) -> Callable[[Path], str]:
    """A share, as percent with one digit."""
    return ours(study, name, 1, scale=POINT, unit=" %", **wanted)


def both(first: Callable[[Path], str], second: Callable[[Path], str]) -> Callable[[Path], str]:
    """Two numbers in one cell, as the paper has them: fine-tuned / probed."""
    return lambda folder: f"{first(folder)} / {second(folder)}"


def of_mae(study: str, **wanted: Any) -> Callable[[Path], str]:
    """Accuracy in percent, fine-tuned with a thousand labels / of the linear probe with ten thousand."""
    return both(percent(study, "fine_tuned", **wanted), percent(study, "probed", **wanted))


def of_passes(study: str, start: str) -> Callable[[Path], str]:
    """The same in the study over passes."""
    return both(percent(study, "tuned_1000", start=start), percent(study, "linear_10000", start=start))


def times_as_long(folder: Path) -> str:
    """Seconds of pre-training with mask tokens in the encoder over those without, the quickest run of each."""
    slow, plain = (
        values(folder, "mae_variants", "pretraining_seconds", variant=variant)
        for variant in ("mask tokens in the encoder", "as above")
    )
    return f"{min(slow) / min(plain):.1f} times the seconds" if slow and plain else EMPTY


def pair(data: str, loss: str, penalties: str) -> Callable[[Path], str]:
    """Modes, and on digits the classifier distance."""
    wanted = {"data": data, "loss": loss, "penalties": penalties}
    modes = ours("r3gan_pairs", "modes", 1, **wanted)
    if data == "ring":
        return both(modes, percent("r3gan_pairs", "near", **wanted))
    return both(modes, ours("r3gan_pairs", "distance", 0, **wanted))


JUDGED = 16
"""K, for which two more judges of labels were tried."""


def clustered(count: int) -> tuple[Line, ...]:
    """The ways to K clusters, the paper's own first."""
    paper = {10: "–", 16: "9.55 ± 2.05 %", 30: "4.10 ± 1.13 %"}[count]
    taught = {"label": "hard, taught", "count": count}
    return (
        Line(f"AAE, K = {count}", paper, percent("clusters", "error", method="AAE", count=count)),
        Line("  a hard label", "–", percent("cluster_labels", "error_4", label="hard", count=count)),
        *(
            Line(f"  the same, {what}", "–", percent("cluster_labels", "error_4", label=label, count=count))
            for label, what in (
                ("hard, slow judge", "the judge of labels with a tenth of its steps"),
                ("hard, penalised judge", "the judge of labels with R1"),
            )
            if count == JUDGED
        ),
        Line(
            "  a hard label, taught by clusters of codes", "–", percent("cluster_labels", "error_4", **taught)
        ),
        Line(
            "  mixture of Gaussians on an AAE's codes",
            "–",
            percent("cluster_codes", f"mixture_{count}_4", codes="matched"),
        ),
        Line(
            "  the same on codes that nothing matched",
            "–",
            percent("cluster_codes", f"mixture_{count}_4", codes="unmatched"),
        ),
        Line(
            "  the same on 16 principal components",
            "–",
            percent("clusters", "error", method="mixture", count=count),
        ),
        Line("  k-means on pixels", "–", percent("clusters", "error", method="k-means", count=count)),
    )


TABLES = (
    Table(
        "A likelihood from samples: GAN and AAE",
        "Nats per test digit, by a Gaussian kernel on each of 10 000 samples, eq. (2.25): table 1 of "
        "{cite}`goodfellow2014generative`; the AAE's of {cite}`makhzani2015adversarial`, as Yeung and others quote it "
        'in "Epitomic Variational Autoencoder"',
        QUOTED,
        ("parzen",),
        (
            Line("GAN", "225 ± 2", ours("parzen", "nats", 0, source="GAN")),
            Line("AAE", "340 ± 2", ours("parzen", "nats", 0, source="AAE")),
            Line("training pictures", "–", ours("parzen", "nats", 0, source="training pictures")),
            Line("centres of k-means", "–", ours("parzen", "nats", 0, source="centres of k-means")),
            Line("AAE, kernel a tenth wider", "–", ours("parzen", "nats_wider", 0, source="AAE")),
        ),
        (
            "Ours are the small networks that ship with the course, after four and three passes.",
            "The width is chosen on a thousand pictures: theirs on a validation set, ours on training pictures that "
            "no kernel stands on, but that GAN and AAE had seen. The last row says what a slightly other width does.",
            "A public repetition of the AAE's protocol, in PaddlePaddle, found 345, 298 and 232 nats for three ways to "
            "read what the paper leaves open (dropout, sizes). So nobody should promise 340.",
            "The measure ranks wrongly {cite}`theis2016note`. By this protocol ten thousand real training pictures get "
            "less than the paper's AAE, and a thousand centres of k-means, which are no samples, as much as they.",
        ),
    ),
    Table(
        "Few labels: the semi-supervised AAE",
        "Test error on MNIST: table 2 of {cite}`makhzani2015adversarial`",
        UNCHECKED,
        ("few_labels_aae", "few_labels_long"),
        (
            Line("100 labels, 6 passes", "–", percent("few_labels_aae", "error", method="AAE", labels=100)),
            Line("100 labels, 24 passes", "1.90 ± 0.10 %", percent("few_labels_long", "error_4", labels=100)),
            Line("1000 labels, 6 passes", "–", percent("few_labels_aae", "error", method="AAE", labels=1000)),
            Line(
                "1000 labels, 24 passes", "1.60 ± 0.08 %", percent("few_labels_long", "error_4", labels=1000)
            ),
        ),
        (
            "Ours has two hidden layers of 512 and a style of five numbers, and trains with Adam. The paper's networks "
            "are wider, and its training is longer by far.",
        ),
    ),
    Table(
        "No labels: clusters",
        "Error of eq. (4.19) on MNIST: table 3 of {cite}`makhzani2015adversarial`, as {cite}`dilokthanakul2016deep` "
        "quote it",
        QUOTED,
        ("clusters", "cluster_labels", "cluster_codes"),
        clustered(10) + clustered(16) + clustered(30),
        (
            "The first row of each K is the recipe of chapter 4 after six passes: the decoder is handed probabilities, "
            "reads them as a code, and the entries need not mean digits.",
            "Handing it one entry stops that, and leaves to chance which pictures share an entry. A teacher settles "
            "this at the start: clusters of an AAE's matched codes, from which the clustering AAE goes on by itself.",
            "At K = 16 a slower judge of labels takes some points off the error of a hard label, with every seed, and "
            "k-means stays ahead. A penalised judge does not help.",
            "On codes that nothing matched, of the same network without a judge, a mixture does as well as the taught "
            "AAE, and better than on matched codes: the match costs clusters.",
            "What the paper's own runs have in addition, beside far more passes, we do not know.",
        ),
    ),
    Table(
        "How much to hide: MAE",
        "Accuracy in percent on ImageNet, fine-tuned / linear probe: figure 5 of {cite}`he2022masked`. Here on MNIST, "
        "fine-tuned with 1000 labels / probe with 10 000",
        READ,
        ("mask_ratio",),
        (
            Line("25 % (paper: 20 %)", "83.4 / 58.9", of_mae("mask_ratio", ratio=0.25)),
            Line("50 %", "84.9 / 69.9", of_mae("mask_ratio", ratio=0.5)),
            Line("62.5 % (paper: 60 %)", "85.0 / 71.8", of_mae("mask_ratio", ratio=0.625)),
            Line("75 %", "84.9 / 73.5", of_mae("mask_ratio", ratio=0.75)),
            Line("87.5 % (paper: 90 %)", "83.0 / 66.1", of_mae("mask_ratio", ratio=0.875)),
        ),
        (
            "The trend of fine-tuning is the same: flat in the middle, lower at the end.",
            "The best ratio for the probe is lower here. A digit of 16 patches says less twice than a photograph of "
            "196, and two passes are not 800.",
        ),
    ),
    Table(
        "One change at a time: MAE",
        "The same two accuracies: table 1 of {cite}`he2022masked`",
        READ,
        ("mae_variants",),
        (
            Line(
                "as designed (decoder of one block; paper: of eight)",
                "84.9 / 73.5",
                of_mae("mae_variants", variant="as above"),
            ),
            Line(
                "mask tokens in the encoder",
                "84.2 / 59.6",
                of_mae("mae_variants", variant="mask tokens in the encoder"),
            ),
            Line("  what they cost", "3.3 times the operations", times_as_long),
            Line(
                "normalised targets",
                "85.4 / 73.9",
                of_mae("mae_variants", variant="normalised targets"),
            ),
            Line("decoder of one block", "84.8 / 65.5", of_mae("mae_variants", variant="as above")),
            Line(
                "decoder of four blocks",
                "84.9 / 71.9",
                of_mae("mae_variants", variant="decoder of four blocks"),
            ),
        ),
        (
            "That mask tokens in the encoder cost time is found here, too. That they ruin the probe is not. Why, we do "
            "not know; the runs are short and the pictures small.",
            "From one block to four the probe gains there and here, and fine-tuning next to nothing.",
            "Two passes and two seeds: differences of less than a point mean nothing.",
        ),
    ),
    Table(
        "How long to train: MAE",
        "The same two accuracies: figure 7 of {cite}`he2022masked`, for 100 and 1600 passes over ImageNet",
        READ,
        ("few_labels", "mae_passes", "mae_long"),
        (
            Line(
                "2 passes",
                "–",
                both(
                    percent("few_labels", "accuracy", start="pretrained", labels=1000),
                    percent("mae_passes", "linear_10000", start="2 passes"),
                ),
            ),
            Line("8 passes (paper: 100)", "82.3 / 57.3", of_passes("mae_passes", "8 passes")),
            Line("32 passes (paper: 1600)", "85.1 / 75.1", of_passes("mae_long", "32 passes")),
        ),
        (
            "The trend is the same: both numbers rise with longer training, the probe's more.",
            "A digit is learnt in fewer passes than a photograph; the numbers themselves cannot be compared.",
        ),
    ),
    Table(
        "Which pair, which penalty: R3GAN",
        "Modes covered of 1000 on StackedMNIST: table 1 of {cite}`huang2024gan`. Here eight clusters in the plane "
        "(modes covered / samples near one), then ten digits after three passes (modes covered / classifier distance)",
        READ,
        ("r3gan_pairs",),
        tuple(
            Line(
                f"{where}: {'relativistic' if loss == 'relativistic' else 'non-saturating'}, "
                f"{'no penalty' if penalties == 'none' else penalties}",
                paper if data == "ring" else "–",
                pair(data, loss, penalties),
            )
            for data, where in (("ring", "ring"), ("digits", "digits"))
            for loss, papers in (
                ("relativistic", ("–", "fails", "1000 of 1000")),
                ("non_saturating", ("–", "fails", "693 of 1000")),
            )
            for penalties, paper in zip(("none", "R1", "R1 and R2"), papers, strict=True)
        ),
        (
            "Eight modes show that the non-saturating pair loses one without a penalty. They cannot show that R1 alone "
            "fails, as a thousand do.",
            "On digits both pairs are nearest with both penalties, on average; R1 alone helps the relativistic one.",
            "The weight of both penalties is 0.1 here, and the networks are not the paper's.",
        ),
    ),
    Table(
        "A judge, a distance or a divergence for codes: WAE against VAE",
        "{cite}`tolstikhin2018wasserstein` report better samples than a VAE's, by FID on faces; their numbers were not "
        "looked up. Here the classifier distance of 10 000 digits, dense networks, codes of eight numbers",
        UNCHECKED,
        ("code_panel", "panel", "panel_clothes"),
        tuple(
            Line(name, paper, ours("code_panel", "distance", 0, method=method))
            for name, method, paper in (
                ("VAE", "VAE", "worst"),
                ("WAE with MMD", "WAE-MMD", "between"),
                ("AAE (the WAE with a judge)", "AAE", "best"),
            )
        )
        + tuple(
            Line(f"  {where}: {method}", "–", ours(study, "classifier_distance_2000", 0, method=method))
            for study, where in (("panel", "chapter 7, digits"), ("panel_clothes", "chapter 7, clothes"))
            for method in ("VAE", "WAE", "AAE")
        ),
        (
            "With these dense networks the order is the same, with every seed. The VAE here has σ = 0.2, at which it "
            "pays little for a bad match.",
            "It is no law. In chapter 7's panel (convolutional networks, sixteen numbers, a minute each, 2000 "
            "pictures) the AAE, whose steps take longest, comes last, and on clothes the VAE is ahead of the WAE.",
            "Digits, a digit classifier and two passes are not faces and FID: only the order can be compared.",
        ),
    ),
)


def page(root: Path) -> str:
    """All tables, as MyST text."""
    folder = root / RESULTS.relative_to(RESULTS.parents[2])
    return "\n".join(rendered(table, folder) for table in TABLES)


def rendered(table: Table, folder: Path) -> str:
    """One table with its source, the commands that make it, and the reasons."""
    commands = ", ".join(f"`gencourse reproduce {name}`" for name in table.studies)
    lines = [
        f"## {table.title}",
        "",
        f"{table.source}. *The paper's numbers: {table.checked}.* Ours: {commands}.",
        "",
    ]
    lines += ["| | paper | here |", "|---|---|---|"]
    for line in table.lines:
        what = re.sub("^  ", "– ", line.what)
        lines.append(f"| {what} | {line.paper} | {line.here(folder)} |")
    lines += ["", "Why they differ:", "", *(f"- {reason}" for reason in table.why), ""]
    return "\n".join(lines)


CURVES: tuple[tuple[str, str, float, int], ...] = (  # study, measurement, factor, digits
    ("cluster_labels", "error", POINT, 1),
    ("cluster_codes", "mixture_16", POINT, 1),
    ("cluster_codes", "mixture_30", POINT, 1),
    ("few_labels_long", "error", POINT, 1),
    ("aae_long", "error", 1, 1),
    ("aae_long", "two_sample", 1, 2),
    ("aae_long", "distance", 1, 0),
    ("gan_long", "distance", 1, 0),
    ("gan_long", "precision", 1, 2),
    ("gan_long", "recall", 1, 2),
)
"""What the studies over many passes measure after each quarter of them."""


def curves(root: Path) -> str:
    """A table for each measurement, so that a column has one unit: means over seeds after each quarter of the passes.

    A row is one setting of the study.
    """
    folder = root / RESULTS.relative_to(RESULTS.parents[2])
    lines: list[str] = []
    for study, name, factor, digits in CURVES:
        unit = " in %" if factor == POINT else ""
        lines += ["", f"`{study}`: {name.replace('_', ' ')}{unit}", ""]
        lines.append("| what | passes | after a quarter | half | three quarters | all | seeds |")
        lines.append("|---|---:|---:|---:|---:|---:|---:|")
        for settings in unlike(STUDIES[study].settings):
            what = ", ".join(str(value) for value in settings.values())
            found = [values(folder, study, f"{name}_{quarter}", **settings) for quarter in (1, 2, 3, 4)]
            if not found[0]:
                lines.append(f"| {what} | – | – | – | – | {EMPTY} | 0 |")
                continue
            passes = values(folder, study, "passes", **settings)[0]
            means = " | ".join(f"{factor * sum(one) / len(one):.{digits}f}" for one in found)
            lines.append(f"| {what} | {passes:.0f} | {means} | {len(found[0])} |")
    return "\n".join(lines) + "\n"


def unlike(settings: Iterable[Any]) -> list[dict[str, Any]]:
    """The settings without their seeds, each once."""
    found: list[dict[str, Any]] = []
    for row in settings:
        bare = {name: value for name, value in row.items() if name != "seed"}
        if bare not in found:
            found.append(bare)
    return found
