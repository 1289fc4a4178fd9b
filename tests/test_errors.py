"""The sentences that bad input gets, what is silent nonsense without them, and that no loss looks at an accelerator."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from gencourse import evaluation, figures, losses, networks
from gencourse.data import ImageDataset
from gencourse.errors import (
    as_tensor,
    need_data,
    need_device,
    need_finite,
    need_generator,
    need_input,
    need_labels,
    need_named,
    need_number,
    need_one_of,
    need_path,
    need_pictures,
    need_records,
    need_same_device,
    need_seed,
    need_sequence,
    need_shape,
    need_size,
    need_sizes,
    need_table,
    need_tensor,
    need_whole,
    shown,
)

X = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(0))
Y = torch.arange(6)
META = torch.device("meta")  # tensors without numbers: whoever looks at a value there raises


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda: need_number("r", "2"), TypeError, "r is '2': give a number."),
        (lambda: need_number("r", True), TypeError, "r is True: give a number."),
        (lambda: need_number("r", math.nan), ValueError, "r is nan: give a finite number."),
        (lambda: need_number("r", -1, above=0), ValueError, "r is -1: give a positive number."),
        (lambda: need_number("r", -1, least=0), ValueError, "r is -1: give a number that is not negative."),
        (
            lambda: need_number("r", 1, least=0, below=1),
            ValueError,
            "r is 1: give a number at least 0 and below 1.",
        ),
        (lambda: need_number("r", 2, above=0, below=1, fix="a share"), ValueError, "r is 2: give a share."),
        (lambda: need_whole("n", 1.5), TypeError, "n is 1.5: give a whole number, at least 1."),
        (lambda: need_whole("n", 0), ValueError, "n is 0: give at least 1."),
        (lambda: need_whole("n", 9, 0, 5), ValueError, "n is 9: give 0 to 5."),
        (lambda: need_size("n", 10**9), ValueError, "n is 1000000000: give at most 10000000."),
        (lambda: need_seed("seed", -1), ValueError, "seed is -1: give 0 to 4294967295."),
        (lambda: need_sizes("hidden", (8, 0)), ValueError, "hidden[1] is 0: give at least 1."),
        (
            lambda: need_shape("shape", (28, 28)),
            TypeError,
            "shape is (28, 28): give (C, H, W), for example (1, 28, 28).",
        ),
        (lambda: need_one_of("kind", "a", ("b", "c")), ValueError, "kind is 'a': choose one of b, c."),
        (lambda: need_tensor("x", [1], "(B, D)"), TypeError, "x is [1]: give a tensor of shape (B, D)."),
        (
            lambda: need_tensor("x", X.byte()),
            TypeError,
            "x is torch.uint8: give float32, for example x.float() / 255.",
        ),
        (lambda: need_tensor("x", X, "(B, D)"), ValueError, "x has shape (6, 1, 28, 28): give (B, D)."),
        (
            lambda: need_tensor("x", X[:0]),
            ValueError,
            "x is empty, of shape (0, 1, 28, 28): give at least one.",
        ),
        (
            lambda: need_finite("x", torch.tensor([1, math.nan])),
            ValueError,
            "x has 1 of 2 numbers that are NaN or infinite: find out where they come from, or leave them out.",
        ),
        (
            lambda: need_pictures("x", (X * 255).byte()),
            TypeError,
            "x is torch.uint8: give floats in [0, 1], for example x.float() / 255.",
        ),
        (
            lambda: need_pictures("x", torch.tensor([0.0, 255.0]).view(1, 1, 1, 2)),
            ValueError,
            "x goes from 0 to 255: give pictures in [0, 1], for example by x / 255.",
        ),
        (
            lambda: need_pictures("x", torch.tensor([-1.0, 1.0]).view(1, 1, 1, 2)),
            ValueError,
            "x goes from -1 to 1: give pictures in [0, 1], for example by (x + 1) / 2.",
        ),
        (lambda: need_labels("y", Y, 6, 5), ValueError, "y: the labels go from 0 to 5: give 0 to 4."),
        (
            lambda: need_labels("y", Y.int(), 6),
            TypeError,
            "y is torch.int32: give int64, for example y.long().",
        ),
        (
            lambda: need_labels("y", Y, 5, of="x"),
            ValueError,
            "y has shape (6,): give 5 labels, one for each of x, shape (5,).",
        ),
        (
            lambda: need_same_device("a", X, "b", X.to(META)),
            ValueError,
            "a lies on cpu and b on meta: give both on one device, for example a.to(b.device).",
        ),
        (
            lambda: need_input("x", X.double(), "(B, 1, 28, 28)", torch.nn.Linear(1, 1)),
            TypeError,
            "x is torch.float64 and the network torch.float32: give x.to(torch.float32).",
        ),
        (
            lambda: need_input("x", X, "(B, 1, 28, 28)", torch.nn.Linear(1, 1, device=META)),
            ValueError,
            "x lies on cpu and the network on meta: move one of them.",
        ),
        (
            lambda: need_table("a", X[:, 0, 0], least=9),
            ValueError,
            "a has shape (6, 28): give at least 9 rows.",
        ),
        (
            lambda: need_table("a", X[:, 0, 0] * 1e20),
            ValueError,
            f"a goes up to {X[:, 0, 0].max() * 1e20:.3g}: scale it first, its squares leave the range of floats.",
        ),
        (
            lambda: need_device("device", "gpu7"),
            ValueError,
            "device is 'gpu7': this machine has no such device; give 'cpu' or 'cuda', say.",
        ),
        (
            lambda: need_data("data", None),
            TypeError,
            "data is None: give a dataset, for example gencourse.data.load('mnist').",
        ),
        (
            lambda: need_generator("generator", 0),
            TypeError,
            "generator is 0: give a torch.Generator, or None for torch's own.",
        ),
        (lambda: need_path("path", 3), TypeError, "path is 3: give a path."),
        (lambda: need_sequence("steps", 3, "numbers"), TypeError, "steps is 3: give a list of numbers."),
        (
            lambda: need_named("rows", {}, "a to b"),
            ValueError,
            "rows is empty: give at least one entry, a to b.",
        ),
        (lambda: need_records("rows", [{"a": 1}], b=need_number), ValueError, "rows[0] has no 'b': give b."),
        (
            lambda: need_records("rows", [{"b": math.nan}], b=need_number),
            ValueError,
            "rows[0]['b'] is nan: give a finite number.",
        ),
        (lambda: as_tensor("scores", "abc"), TypeError, "scores is 'abc': give a tensor of numbers."),
    ],
)
def test_a_sentence_names_the_argument_the_value_and_the_fix(
    call: Callable[[], Any], kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind) as error:
        call()
    assert str(error.value) == sentence


def test_what_is_right_passes_in_silence() -> None:
    need_number("r", 0.5, least=0, most=1)
    need_whole("n", 3, 1, 3)
    assert need_sizes("hidden", [8, 4]) == (8, 4) and need_shape("shape", [1, 2, 3]) == (1, 2, 3)
    need_pictures("x", X + 5e-4)  # rounding may carry a pixel out
    need_labels("y", Y - 1, 6, 5, least=-1)
    need_tensor("x", X, "(B, ...)")
    need_input("x", X[:0], "(B, 1, 28, 28)", torch.nn.Linear(1, 1))  # an empty batch will do
    need_input("x", X.bfloat16(), "(B, 1, 28, 28)", torch.nn.Linear(1, 1))  # autocast mixes these


def test_any_value_can_be_shown_on_one_line() -> None:
    assert shown(Broken()) == "a Broken" and shown(X) == "a tensor of shape (6, 1, 28, 28)"
    assert (
        shown("a\nb") == r"'a\nb'"
        and len(shown("x" * 1000)) == 60
        and "\n" not in shown(torch.nn.Sequential())
    )


# ---- silent nonsense -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [X * 2 - 1, X * 255, X.masked_fill(X > 0.99, math.nan)])
def test_pictures_of_another_range_are_refused_where_a_number_is_made_of_them(bad: torch.Tensor) -> None:
    classifier = evaluation.digit_classifier()
    for call in (
        lambda: evaluation.classifier_distance(bad, X),
        lambda: evaluation.classifier_distance(X, bad),
        lambda: evaluation.score_digits(bad, X),
        lambda: classifier.classify(bad),
        lambda: classifier.features(bad),
        lambda: evaluation.psnr(bad, X),
        lambda: evaluation.ssim(X, bad),
        lambda: losses.bernoulli_nll(X, bad),
        lambda: losses.bernoulli_entropy(bad),
    ):
        with pytest.raises(ValueError, match=r"give pictures in \[0, 1\]|NaN or infinite"):
            call()


def test_nan_is_refused_where_a_number_is_made_of_it() -> None:
    good, bad = torch.randn(40, 3), torch.randn(40, 3)
    bad[7, 1] = math.nan
    y = torch.arange(40) % 2
    for call in (
        lambda: evaluation.precision_recall(good, bad),
        lambda: evaluation.frechet_from_features(bad, good),
        lambda: evaluation.kernel_distance(bad, good),
        lambda: evaluation.nearest_neighbours(bad, good),
        lambda: evaluation.parzen_log_likelihood(bad, good, 1.0),
        lambda: evaluation.linear_probe(bad, y, good, y),
        lambda: evaluation.label_probe(good, y, bad, y),
        lambda: evaluation.kmeans_purity(bad, y),
        lambda: evaluation.two_sample_accuracy(bad, good),
        lambda: evaluation.code_report(bad, good),
        lambda: evaluation.threshold_at(bad[:, 1]),
        lambda: evaluation.auroc(bad[:, 1], y),
        lambda: figures.score_histograms(good[:, 0], bad[:, 1], 0.5),
    ):
        with pytest.raises(ValueError, match=r"has 1 of 1?[24]0 numbers that are NaN or infinite"):
            call()


def test_shapes_that_torch_would_stretch_are_refused() -> None:
    data = ImageDataset((X * 255).byte(), Y)
    x = data.x
    for call in (
        lambda: evaluation.reconstruction_error(lambda x: x[:, 0], data),
        lambda: evaluation.errors_of(lambda x: x.mean(0, keepdim=True), data),
        lambda: evaluation.psnr(x[:, 0], x),
        lambda: evaluation.psnr(x[:1], x),
        lambda: evaluation.share_right(lambda x: torch.zeros(len(x), 1, dtype=torch.int64), data),
        lambda: evaluation.MeanPicture(data).reconstruct(x.expand(-1, 3, -1, -1)),
        lambda: losses.squared_error(x[:, 0], x),
        lambda: losses.kl_to_standard_normal(x, x[:1]),
        lambda: losses.gradient_penalty(lambda x: x.flatten(1).sum(1), x, x[:1]),
        lambda: networks.attention(x, x[:1], x),
        lambda: networks.ViTEncoder((1, 28, 28), 7, 8, 1, 2)(networks.patchify(x, 7)[:, :1]),
    ):
        with pytest.raises(ValueError, match="shape"):
            call()


def test_a_table_that_is_none_is_refused() -> None:
    for rows in (None, "ab", [], [1], [{}], [{"a": 1}, {"b": 1}]):
        with pytest.raises((TypeError, ValueError), match="rows"):
            figures.table(rows)  # type: ignore[arg-type]


# ---- nothing waits for a device ------------------------------------------------------------------------


def test_no_loss_and_no_network_looks_at_values_on_an_accelerator() -> None:
    """A meta tensor has no numbers, so `.item()`, `bool()` and their like raise on it."""
    with META:
        x, y = torch.rand(4, 1, 28, 28), torch.zeros(4, dtype=torch.int64)
        a, z = torch.randn(4), torch.randn(4, 3)
        patches, mask = torch.rand(4, 16, 49), torch.ones(4, 16)
        with pytest.raises(RuntimeError):
            x.sum().item()
        critic = networks.conv_discriminator((1, 28, 28), width=2, classes=5)
        generator = networks.conv_generator(3, (1, 28, 28), width=2, classes=5)
        encoder = networks.ViTEncoder((1, 28, 28), 7, 8, 1, 2, class_token=True)
        decoder = networks.ViTDecoder((1, 28, 28), 7, 8, 8, 1, 2, class_token=True)
        found = [losses.discriminator_loss(a, a, kind) for kind in losses.ADVERSARIAL_KINDS]
        found += [losses.generator_loss(a, kind, a) for kind in losses.ADVERSARIAL_KINDS]
        found += [losses.squared_error(x, x), losses.gaussian_nll(x, x, 0.0), losses.bernoulli_nll(x, x)]
        found += [losses.bernoulli_entropy(x), losses.l1_penalty(z), losses.kl_to_standard_normal(z, z)]
        found += [losses.mmd(z, z), losses.masked_patch_loss(patches, patches, mask, normalise=True)]
        found += [losses.masked_patch_error(patches, patches, mask)]
        found += [losses.gradient_penalty(lambda part: critic(part, y), x, x)]
        found += [losses.r1_penalty(lambda part: critic(part, y), x), generator(z, y), critic(x, y)]
        layer = torch.nn.Parameter(torch.randn(3))
        found += [losses.adaptive_weight(layer.sum(), layer.square().sum(), layer)]
        visible, _, restore = networks.random_masking(patches, 0.75)
        found += [decoder(encoder(visible, restore), restore), encoder.features(x)]
        visible, restore = networks.split_by_mask(patches, mask, kept=4)
        found += [encoder(visible, restore)]
    assert all(one.device == META for one in found)
