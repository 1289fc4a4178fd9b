"""One row of figures for whatever can reconstruct, sample, encode or give features, each beside what it must beat."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gencourse.data import ImageDataset
from gencourse.errors import need_data, need_kind, need_number, need_seed, need_size, shown
from gencourse.evaluation.anomaly import anomaly_scores, auroc
from gencourse.evaluation.baselines import MeanPicture
from gencourse.evaluation.classifier import classifier_of, share_right
from gencourse.evaluation.codes import cluster_result
from gencourse.evaluation.features import features_of, kmeans_purity, linear_probe, two_sample_accuracy
from gencourse.evaluation.inception import inception_features
from gencourse.evaluation.pictures import psnr, reconstruction_error, ssim
from gencourse.evaluation.samples import (
    class_entropy,
    frechet_from_features,
    kernel_distance,
    mode_coverage,
    nearest_neighbours,
    precision_recall,
)
from gencourse.losses import mmd

__all__ = ["MEANING", "Panel", "panel", "told"]

_LEAST = 20  # pictures from which anything can be said about two sets
_NEAREST = 500  # pictures of each set that are looked for among the training pictures
_PAIRED = 1000  # codes whose pairs are looked at
_FEW = (100, 1000)  # labels that a probe may see, before it sees all

MEANING = {
    "reconstruction_error": "squared error of a test picture, summed over pixels",
    "mean_picture_error": "the same, when every picture is answered with the mean picture",
    "psnr": "decibels",
    "ssim": "structural similarity, 1 for equal pictures",
    "classifier_distance": "Fréchet distance of drawn and test pictures in the features of their own classifier",
    "classifier_distance_real": "the same between training and test pictures: what a perfect method would reach",
    "kernel_distance": "kernel distance of drawn and test pictures in the same features; about 0 for equal laws",
    "kernel_distance_real": "the same between training and test pictures",
    "precision": "share of drawn pictures that lie among real ones",
    "recall": "share of real pictures that lie among drawn ones",
    "modes": "classes that are drawn at all, as the classifier sees them",
    "entropy": "how evenly, in nats; for ten classes log 10 = 2.303 at best",
    "pixel_distance": "Fréchet distance of drawn and test pictures, each shrunk to 4 by 4",
    "pixel_distance_real": "the same between training and test pictures",
    "pixel_precision": "share of drawn pictures that lie among real ones, shrunk to 4 by 4",
    "pixel_recall": "share of real pictures that lie among drawn ones, shrunk to 4 by 4",
    "fid": "Fréchet distance of drawn and test pictures in the features of an Inception network",
    "fid_real": "the same between training and test pictures",
    "nearest_train": "distance of a drawn picture's pixels to the nearest training picture, mean",
    "nearest_train_real": "the same of a test picture",
    "copied": "share of drawn pictures nearer to a training picture than 99 in 100 test pictures are",
    "probe_accuracy_100": "test accuracy of a linear classifier that learnt from 100 pictures' features",
    "probe_accuracy_1000": "the same from 1000",
    "probe_accuracy": "test accuracy of a linear classifier on the features",
    "probe_accuracy_pixels": "the same on the pixels",
    "purity": "of k-means clusters of the features, as many as there are classes; the rest is cluster error",
    "code_two_sample_accuracy": "of a classifier that tells codes from draws of the prior; 0.5 when it cannot",
    "code_two_sample_accuracy_prior": "the same for two draws of the prior: what a perfect match would give",
    "code_mmd": "squared maximum mean discrepancy between codes and prior, about 0 for equal laws",
    "code_mmd_prior": "the same for two draws of the prior",
    "cluster_error": "share of pictures in a cluster that was named after another class",
    "accuracy": "share of test pictures that get their own label",
    "anomaly_auroc": "chance that a strange picture scores higher than a test picture; 0.5 for guessing",
    "parameters": "numbers that were learnt",
    "training_seconds": "seconds of training, as the caller measured them",
    "pictures_per_second": "pictures that go through the method in a second of this process",
    "peak_mb": "megabytes that an accelerator held at most while the row was measured",
}
"""What each figure of `panel` is."""

_SIZED = ("classifier_distance", "kernel_distance", "pixel_distance", "fid")


@dataclass(frozen=True)
class Panel:
    """One method's row; `panel` makes it.

    Attributes:
        figures: name to value; `MEANING` has the same names.
        missing: what the method cannot do, to the sentence that says why.
        cost: "parameters", "training_seconds", "pictures_per_second", "peak_mb", as far as they are known. They
            depend on the machine, the figures do not.
        pictures: N, how many pictures each set had.
    """

    figures: dict[str, float]
    missing: dict[str, str]
    cost: dict[str, float]
    pictures: int

    def row(self) -> dict[str, float]:
        """Figures and cost in one dictionary; a distance between sets has N in its name.

        A distance of 1000 samples and one of 10 000 cannot be compared, so they must not share a name.
        """
        sized = {
            name.replace(start, f"{start}_{self.pictures}", 1): value
            for name, value in self.figures.items()
            for start in [next((s for s in _SIZED if name.startswith(s)), "")]
            if start
        }
        plain = {name: value for name, value in self.figures.items() if not name.startswith(_SIZED)}
        return {**plain, **sized, **self.cost}


@torch.no_grad()
def panel(
    method: Any,
    test: ImageDataset,
    train: ImageDataset,
    *,
    strange: ImageDataset | None = None,
    pictures: int = 2000,
    seconds: float | None = None,
    comparisons: bool = True,
    inception: bool = False,
    seed: int = 0,
) -> Panel:
    """Measure whatever a method can do: reconstruct, sample, give features, match a prior, classify.

    Two rows can be compared if both were measured on the same pictures, as many, with one seed.

    Args:
        method: anything with some of the abilities of a method: `reconstruct(x)`, `sample(n, generator)`,
            `encode(x)`, `features(x)`, `classify(x)`, `anomaly_score(x)`, and `prior` with `draw(n, generator)`.
            An ability that is not there, or raises NotImplementedError, is listed as missing. For functions,
            give `types.SimpleNamespace(reconstruct=f, sample=g)`.
        test: pictures that the method has not seen.
        train: pictures that it may have seen. Probes learn on all of them.
        strange: anomalies to be told from the test pictures; without them, no AUROC.
        pictures: N: how many test pictures, draws and training pictures to compare with each other, at most.
        seconds: what training cost, to be shown in the row.
        comparisons: whether to measure also what does not depend on the method: the mean picture, real against
            real pictures, a probe on pixels.
        inception: whether to measure the FID, too, which needs `pip install 'gencourse[inception]'` and weights
            that are downloaded once. Where they cannot be had, it is listed as missing.
        seed: of the draws, probes and clusters.

    Returns:
        The row. Nothing of the method's or of torch's random state is changed.

    Raises:
        TypeError, ValueError: an argument cannot be used, or the pictures do not fit the method.
    """
    abilities = ("reconstruct", "sample", "encode", "features")
    # a text has an `encode`, too
    if isinstance(method, str) or not any(hasattr(method, name) for name in abilities):
        raise TypeError(
            f"method is {shown(method)}: give something that can reconstruct, sample, encode or give features."
        )
    _need_pictures("test", test)
    _need_pictures("train", train)
    if strange is not None:
        _need_pictures("strange", strange)
    need_seed("seed", seed)
    need_size("pictures", pictures, _LEAST)
    need_kind("comparisons", comparisons, bool, "True or False")
    need_kind("inception", inception, bool, "True or False")
    if seconds is not None:
        need_number("seconds", seconds, least=0)
    if isinstance(method, nn.Module):
        method.eval()
    held, seen = (data.take(min(pictures, len(data))) for data in (test, train))
    bench = _Bench(method, held, seen, train, strange, seed)
    figures: dict[str, float] = {}
    missing: dict[str, str] = {}
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        for name, part in (*_PARTS, *([("fid", _inception)] if inception else [])):
            torch.manual_seed(seed)
            try:
                figures |= part(bench, comparisons)
            # the last two: features that are an extra
            except (NotImplementedError, ModuleNotFoundError, ConnectionError) as reason:
                missing[name] = str(reason)
        cost = _cost(bench, seconds, missing)
    return Panel(figures, missing, cost, len(bench.test))


def _need_pictures(name: str, data: Any) -> None:
    need_kind(name, data, ImageDataset, "an ImageDataset, for example gencourse.data.load('mnist')")
    need_data(name, data)
    if len(data) < _LEAST:
        raise ValueError(f"{name} has {len(data)} pictures: give at least {_LEAST} to measure on.")


@dataclass(frozen=True)
class _Bench:
    """A method and the pictures that it is measured on."""

    method: Any
    test: ImageDataset
    seen: ImageDataset  # as many training pictures as there are test pictures, at most
    train: ImageDataset
    strange: ImageDataset | None
    seed: int

    @property
    def device(self) -> torch.device:
        return getattr(self.method, "device", torch.device("cpu"))

    def draws(self, more: int = 0) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(self.seed + more)

    def can(self, verb: str) -> Callable[..., Any]:
        """An ability of the method, or the sentence that it is not there."""
        ability = getattr(self.method, verb, None)
        if ability is None:
            name = type(self.method).__name__
            raise NotImplementedError(f"{name} has no '{verb}'.")
        return ability


def _reconstructions(bench: _Bench, comparisons: bool) -> dict[str, float]:
    reconstruct, draws, parts = bench.can("reconstruct"), bench.draws(), []
    for x, y in bench.test.batches(1000, device=bench.device):
        parts.append(told(reconstruct, x, y=y, generator=draws).cpu())
    x_hat, x = torch.cat(parts), bench.test.to("cpu").x
    found = {"reconstruction_error": (x_hat - x).square().flatten(1).sum(1).mean().item()}
    if comparisons:
        mean = MeanPicture(bench.seen.to("cpu"))
        found["mean_picture_error"] = reconstruction_error(mean.reconstruct, bench.test.to("cpu"))
    found["psnr"] = psnr(x_hat.clamp(0, 1), x)
    if min(bench.test.shape[1:]) >= 11:
        found["ssim"] = ssim(x_hat.clamp(0, 1), x)
    return found


def _samples(bench: _Bench, comparisons: bool) -> dict[str, float]:
    drawn = bench.can("sample")(len(bench.test), bench.draws()).cpu().clamp(0, 1)
    return _as_sets(bench, drawn, comparisons) | _remembered(bench, drawn, comparisons)


def _as_sets(bench: _Bench, drawn: Tensor, comparisons: bool) -> dict[str, float]:
    """Drawn and test pictures as two sets, in the features of a classifier, or in few pixels if there is none."""
    real, seen = bench.test.to("cpu").x, bench.seen.to("cpu").x
    judge = classifier_of(bench.test)
    if judge is None:
        small = [torch.nn.functional.adaptive_avg_pool2d(x, 4).flatten(1) for x in (drawn, real, seen)]
        precision, recall = precision_recall(small[1], small[0])
        found = {"pixel_distance": frechet_from_features(small[0], small[1])}
        if comparisons:
            found["pixel_distance_real"] = frechet_from_features(small[2], small[1])
        return {**found, "pixel_precision": precision, "pixel_recall": recall}
    fake, true, known = (
        torch.cat([judge.features(part) for part in x.split(1000)]) for x in (drawn, real, seen)
    )
    labels = judge.head(fake).argmax(1)
    precision, recall = precision_recall(true, fake)
    found = {
        "precision": precision,
        "recall": recall,
        "modes": float(mode_coverage(labels, judge.classes)),
        "entropy": class_entropy(labels, judge.classes),
        "classifier_distance": frechet_from_features(fake, true),
        "kernel_distance": kernel_distance(fake, true),
    }
    if comparisons:
        found["classifier_distance_real"] = frechet_from_features(known, true)
        found["kernel_distance_real"] = kernel_distance(known, true)
    return found


def _inception(bench: _Bench, comparisons: bool) -> dict[str, float]:
    drawn = bench.can("sample")(len(bench.test), bench.draws()).cpu().clamp(0, 1)
    real = inception_features(bench.test.to("cpu").x)
    found = {"fid": frechet_from_features(inception_features(drawn), real)}
    if comparisons:
        found["fid_real"] = frechet_from_features(inception_features(bench.seen.to("cpu").x), real)
    return found


def _remembered(bench: _Bench, drawn: Tensor, comparisons: bool) -> dict[str, float]:
    """Are drawn pictures nearer to the training pictures than pictures that nobody has seen?"""
    train, test = bench.train.to("cpu").x, bench.test.to("cpu").x
    of_drawn, of_test = (nearest_neighbours(x[:_NEAREST], train)[0] for x in (drawn, test))
    found = {
        "nearest_train": of_drawn.mean().item(),
        "copied": (of_drawn < of_test.quantile(0.01)).double().mean().item(),
    }
    if comparisons:
        found["nearest_train_real"] = of_test.mean().item()
    return found


def _features(bench: _Bench, comparisons: bool) -> dict[str, float]:
    features = getattr(bench.method, "features", None) or bench.can("encode")
    known, asked = bench.train.labels.cpu(), bench.test.labels.cpu()
    if min(int(known.min()), int(asked.min())) < 0 or len(known.unique()) < 2:
        raise NotImplementedError(
            "the pictures have no labels of two classes, which features are tested with."
        )
    seen, held = (
        features_of(features, data, device=bench.device).flatten(1) for data in (bench.train, bench.test)
    )
    mixed = torch.randperm(len(seen), generator=torch.Generator().manual_seed(bench.seed))
    found = {}
    for few in _FEW:
        rows = mixed[:few]
        if few < len(seen) and len(known[rows].unique()) > 1:
            found[f"probe_accuracy_{few}"] = linear_probe(seen[rows], known[rows], held, asked)
    found["probe_accuracy"] = linear_probe(seen, known, held, asked)
    if comparisons:
        pixels = [data.to("cpu").x.flatten(1) for data in (bench.train, bench.test)]
        found["probe_accuracy_pixels"] = linear_probe(pixels[0], known, pixels[1], asked)
    found["purity"] = kmeans_purity(held, asked, min(len(asked.unique()), len(held)), bench.seed)
    return found


def _codes(bench: _Bench, comparisons: bool) -> dict[str, float]:
    method = bench.method
    if getattr(method, "prior", None) is None:
        raise NotImplementedError(f"{type(method).__name__} has no prior for its codes.")
    z = features_of(_drawn_code(method), bench.test, device=bench.device)
    prior_z, again = (method.draw(len(z), bench.draws(more)).cpu() for more in (0, 1))
    std = prior_z.double().std(0).mean().item()
    found = {}
    for name, rows in (("", z), ("_prior", again)):
        found[f"code_two_sample_accuracy{name}"] = two_sample_accuracy(rows, prior_z, bench.seed)
        found[f"code_mmd{name}"] = mmd(rows[:_PAIRED].double(), prior_z[:_PAIRED].double(), std).item()
    return found


def _drawn_code(method: Any) -> Callable[[Tensor], Tensor]:
    """One draw of q(z|x) for each picture: the means of a Gaussian encoder lie closer together than its codes."""

    def draw(x: Tensor) -> Tensor:
        try:
            mean, log_var = method.posterior(x)
        except (AttributeError, NotImplementedError):
            return method.encode(x)
        return mean + (log_var / 2).exp() * torch.randn_like(mean)

    return draw


def _classes(bench: _Bench, comparisons: bool) -> dict[str, float]:
    method, labels = bench.method, bench.test.labels.cpu()
    classify = bench.can("classify")
    if int(labels.min()) < 0:
        raise NotImplementedError("the pictures have no labels to compare classes with.")
    if hasattr(method, "label_logits") and not hasattr(method, "labelled"):
        # nobody told it which cluster is which digit
        posteriors = features_of(lambda x: method.label_logits(x).softmax(1), bench.test, device=bench.device)
        return {"cluster_error": cluster_result(posteriors, labels).error}
    return {"accuracy": share_right(classify, bench.test, device=bench.device)}


def _anomalies(bench: _Bench, comparisons: bool) -> dict[str, float]:
    if bench.strange is None:
        raise NotImplementedError("no strange pictures were given to be told from the test pictures.")
    if not hasattr(bench.method, "anomaly_score"):
        bench.can("reconstruct")
    ordinary, odd = (
        anomaly_scores(bench.method, data, device=bench.device) for data in (bench.test, bench.strange)
    )
    is_anomaly = torch.cat([torch.zeros(len(ordinary)), torch.ones(len(odd))])
    return {"anomaly_auroc": auroc(torch.cat([ordinary, odd]), is_anomaly)}


_PARTS: tuple[tuple[str, Callable[[_Bench, bool], dict[str, float]]], ...] = (
    ("reconstruct", _reconstructions),
    ("sample", _samples),
    ("features", _features),
    ("prior", _codes),
    ("classify", _classes),
    ("anomalies", _anomalies),
)


def _cost(bench: _Bench, seconds: float | None, missing: dict[str, str]) -> dict[str, float]:
    found: dict[str, float] = {}
    if isinstance(bench.method, nn.Module):
        found["parameters"] = float(sum(p.numel() for p in bench.method.parameters()))
    elif (count := getattr(bench.method, "parameters", None)) is not None and not callable(count):
        found["parameters"] = float(count)
    else:
        missing["parameters"] = f"{type(bench.method).__name__} has no parameters to count."
    if seconds is not None:
        found["training_seconds"] = seconds
    x = bench.test.to(bench.device).x[:1000]
    for verb, call in (
        ("reconstruct", lambda ability: ability(x)),
        ("features", lambda ability: ability(x)),
        ("sample", lambda ability: ability(len(x), bench.draws())),
    ):
        try:
            ability = bench.can(verb)
            start = time.process_time()
            told_call = call(ability)
            told_call.sum().item()  # waits for the device
            found["pictures_per_second"] = len(x) / max(time.process_time() - start, 1e-6)
            break
        except (NotImplementedError, ValueError):
            continue
    if bench.device.type == "cuda":
        found["peak_mb"] = torch.cuda.max_memory_allocated(bench.device) / 1e6
    else:
        missing["peak_mb"] = "only an accelerator counts what a method holds."
    return found


def told(function: Callable[..., Tensor], x: Tensor, **known: Any) -> Tensor:
    """Call a method's ability with those of the known arguments that it takes."""
    try:
        takes: Iterable[str] = inspect.signature(function).parameters
    except ValueError:  # some of torch's own functions have no signature to read
        takes = ()
    return function(x, **{name: value for name, value in known.items() if name in takes})
