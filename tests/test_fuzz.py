"""Every public function and constructor gets one spoiled argument at a time, and must give a right result or say so.

What is called: every name in `__all__` of the rooms below, and every public method of the classes among them. Each
argument in turn is replaced by None, a thing of another type, a tensor of another dtype or rank, an empty one, one
of size one, NaN, infinity, negative and huge numbers, and by valid forms that are rarely tried (a view that is not
contiguous, double precision, a tensor that asks for gradients).

What is accepted: a result that is finite, for the valid forms the same as without them; or a TypeError or
ValueError (for paths also FileNotFoundError) that the package itself raises and that names the argument.

A new public name fails here until its valid arguments are known: they are taken from the defaults in its signature,
from `COMMON` by the name of the argument, or from `TABLE`. `python tests/test_fuzz.py ROOM…` lists what fails.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import inspect
import io
import math
import os
import random
import re
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from sklearn.neural_network import MLPClassifier
from torch import Tensor, nn

import gencourse
from gencourse.data import ImageDataset, PointDataset, ring
from gencourse.networks import Augment, Plan

ROOMS = (
    "gencourse",
    "losses",
    "networks",
    "evaluation",
    "figures",
    "widgets",
    "data",
    "methods",
    "training",
    "exercises",
)
KINDS = (
    "none", "type", "word", "dtype", "rank", "empty", "one", "nan", "inf", "negative", "zero", "huge", "fraction",
    "strided", "grad", "float64", "returns", "missing",
)  # fmt: skip
SAME = ("strided", "grad", "float64")  # the result must be the one that the plain argument gives
REFUSED = ("none", "type", "nan", "inf", "fraction", "returns", "missing")  # no result of these can be right
HUGE = 10**30
SECONDS = 15  # of computing that one call may take

# ---- valid arguments -----------------------------------------------------------------------------------


def numbers(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def pixels(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def pictures(n: int = 5) -> Tensor:
    return pixels(n, 1, 28, 28)


def labels(n: int = 5, classes: int = 10) -> Tensor:
    return torch.arange(n) % classes


@functools.cache
def images(n: int = 8) -> ImageDataset:
    return ImageDataset(pixels(n, 1, 28, 28).mul(255).byte(), labels(n, 2), classes=("zero", "one"))


@functools.cache
def tiny() -> ImageDataset:
    return ImageDataset(pixels(8, 1, 6, 6).mul(255).byte(), labels(8, 2))


@functools.cache
def points() -> PointDataset:
    return ring(20, clusters=4)


@functools.cache
def made(name: str, **options: Any) -> Any:
    """One object of a class of the package, for its methods. Shared: the calls leave it as it is."""
    room, _, kind = name.partition(".")
    return getattr(importlib.import_module(f"gencourse.{room}"), kind)(**options)


def flat(x: Tensor) -> Tensor:
    return x.flatten(1)


def logits(x: Tensor) -> Tensor:
    return x.flatten(1).sum(1)


def same(x: Tensor) -> Tensor:
    return x


def weight_and_losses() -> dict[str, Any]:
    layer = nn.Parameter(numbers(3, 2))
    return {
        "reconstruction_loss": layer.square().sum(),
        "adversarial_loss": layer.abs().sum(),
        "last_layer": layer,
    }


def restored() -> Tensor:
    return torch.stack([torch.tensor([1, 0, 3, 2]), torch.tensor([3, 2, 1, 0])])


@functools.cache
def solved(number: str) -> Any:
    """The right answer to an exercise."""
    one = importlib.import_module("gencourse.exercises").exercise(number)
    names: dict[str, Any] = {"torch": torch}
    exec(one.solution, names)
    return names[one.answer]


def half_mask(n: int, patches: int) -> Tensor:
    return (torch.arange(patches) % 2).float().expand(n, patches).clone()


def one(method: Any, data: Any) -> float:
    """A metric."""
    return 1.0


def nothing(method: Any, history: Any) -> None:
    """Something to do after an epoch."""


def rate_test() -> Any:
    return made("training.RateTest", rates=(0.1, 1.0), losses=(3.0, 2.0), suggestion=0.1, watched="a")


def linear_decoder() -> Any:
    return made("methods.Autoencoder", network=Plan("dense", (8,)), code_size=2)


def vit_encoder() -> Any:
    return made("networks.ViTEncoder", shape=(1, 8, 8), patch=4, width=8, depth=1, heads=2, class_token=True)


def vit_decoder() -> Any:
    return made("networks.ViTDecoder", shape=(1, 8, 8), patch=4, code_width=8, width=8, depth=1, heads=2)


def recorded_run() -> dict[str, Any]:
    return {
        "title": "a",
        "samples": numbers(2, 6, 2),
        "field": pixels(2, 3, 3),
        "arrows": numbers(2, 4, 4),
    }


@functools.cache
def folder() -> Path:
    """A place for files: a picture folder, an IDX file, a checkpoint, a notebook."""
    import gzip
    import json

    from PIL import Image

    root = Path(_FOLDER.name)
    (root / "pictures").mkdir(exist_ok=True)
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(root / "pictures" / "a.png")
    (root / "a.gz").write_bytes(gzip.compress(b"\x00\x00\x08\x01\x00\x00\x00\x02\x05\x06"))
    training = importlib.import_module("gencourse.training")
    training.save_weights(root / "a.safetensors", linear_decoder())
    cell = {
        "cell_type": "code",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
        "source": ["x = 1\n"],
    }
    (root / "a.ipynb").write_text(
        json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )
    return root


_FOLDER = tempfile.TemporaryDirectory()
_COUNT = [0]


def new_path(ending: str) -> Path:
    _COUNT[0] += 1
    return folder() / f"new{_COUNT[0]}{ending}"


def updater() -> Any:
    training = importlib.import_module("gencourse.training")
    weight = nn.Parameter(numbers(3))
    return training.Update({"a": [weight]}, {"a": training.adam([weight], 1e-3, (0.9, 0.999))}), weight


# A valid value for every argument of that name, where `TABLE` has none of its own and the signature no default.
COMMON: dict[str, Callable[[Any], Any]] = {
    "generator": lambda self: torch.Generator().manual_seed(0),
    "shape": lambda self: (1, 28, 28),
    "network": lambda self: nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)),
    "code_size": lambda self: 3,
    "noise_size": lambda self: 3,
    "n": lambda self: 4,
    "data": lambda self: images(),
    "x": lambda self: pictures(),
    "z": lambda self: numbers(5, getattr(self, "code_size", None) or getattr(self, "noise_size", 3)),
    "mean": lambda self: numbers(5, getattr(self, "code_size", 3)),
    "log_var": lambda self: numbers(5, getattr(self, "code_size", 3)),
    "x_hat": lambda self: pictures() / 2,
    "fake": lambda self: pictures() / 2,
    "given": lambda self: pictures() / 2,
    "label": lambda self: torch.eye(10)[:5],
    "mask": lambda self: half_mask(5, getattr(self, "patches", 4)),
    "patch": lambda self: 7,
    "labelled": lambda self: None,
    "conditional": lambda self: None,
    "theta": lambda self: 1.0,
    "psi": lambda self: 0.5,
    "h": lambda self: 0.1,
    "gamma": lambda self: 0.1,
    "steps": lambda self: 3,
    "y": lambda self: None,
    "reconstruct": lambda self: same,
    "corrupt": lambda self: same,
    "labels": lambda self: labels(),
}

# Valid arguments of a function, or of a method as "Class.method" ("self" among them: it is not spoiled).
TABLE: dict[str, dict[str, Callable[[], dict[str, Any]]]] = {
    "gencourse": {
        "claim": lambda: dict(text="one is one", value=1.0, at_least=0.5, at_most=2.0),
        "show": lambda: dict(obj=gencourse.claim),
        "check": lambda: dict(number="1.1", answer=(3,)),
        "grade": lambda: dict(number="1.1", answer=(solved("1.1"),)),
        "hint": lambda: dict(number="1.1", step=2),
        "preset": dict,
    },
    "losses": {
        "squared_error": lambda: dict(x_hat=pixels(3, 4), x=pixels(3, 4) / 2),
        "gaussian_nll": lambda: dict(x_hat=pixels(3, 4), x=pixels(3, 4) / 2, log_sigma=0.1),
        "bernoulli_nll": lambda: dict(logits=numbers(3, 4), x=pixels(3, 4)),
        "bernoulli_entropy": lambda: dict(x=pixels(3, 4)),
        "l1_penalty": lambda: dict(z=numbers(3, 4)),
        "kl_to_standard_normal": lambda: dict(mean=numbers(3, 4), log_var=numbers(3, 4)),
        "mmd": lambda: dict(z=numbers(4, 2), prior_z=numbers(5, 2)),
        "hybrid_loss_as_found": lambda: dict(
            x_hat=pixels(3, 4), x=pixels(3, 4) / 2, real_logits=numbers(3), fake_logits=numbers(3)
        ),
        "masking_losses_as_found": lambda: dict(x=pixels(3, 4), kept=half_mask(3, 4)),
        "masked_patch_loss": lambda: dict(
            prediction=pixels(2, 4, 3), target=pixels(2, 4, 3) / 2, mask=half_mask(2, 4)
        ),
        "masked_patch_error": lambda: dict(
            prediction=pixels(2, 4, 3), target=pixels(2, 4, 3) / 2, mask=half_mask(2, 4)
        ),
        "normalise_patches": lambda: dict(patches=pixels(2, 4, 3)),
        "discriminator_loss": lambda: dict(real_logits=numbers(4), fake_logits=numbers(4)),
        "generator_loss": lambda: dict(fake_logits=numbers(4), kind="relativistic", real_logits=numbers(4)),
        "gradient_penalty": lambda: dict(critic=logits, real=pixels(3, 4), fake=pixels(3, 4) / 2),
        "r1_penalty": lambda: dict(discriminator=logits, real=pixels(3, 4)),
        "adaptive_weight": weight_and_losses,
    },
    "networks": {
        "ConvEncoder.forward": lambda: dict(
            self=made("networks.ConvEncoder", shape=(1, 28, 28), code_size=3, width=2)
        ),
        "ConvDecoder.forward": lambda: dict(
            self=made("networks.ConvDecoder", code_size=3, shape=(1, 28, 28), width=2), z=numbers(5, 3)
        ),
        "Generator": lambda: dict(body=nn.Linear(3, 4), noise_size=3),
        "Generator.forward": lambda: dict(self=generator(), z=numbers(5, 3), y=labels(5, 2)),
        "Discriminator": lambda: dict(body=nn.Flatten(), width=4),
        "Discriminator.forward": lambda: dict(self=discriminator(), x=numbers(5, 4), y=labels(5, 2)),
        "Discriminator.features": lambda: dict(self=discriminator(), x=numbers(5, 4)),
        "UpsampleConv2d": lambda: dict(n_in=2, n_out=3),
        "UpsampleConv2d.forward": lambda: dict(
            self=made("networks.UpsampleConv2d", n_in=1, n_out=2), x=pixels(2, 1, 4, 4)
        ),
        "dcgan_generator": lambda: dict(shape=(1, 32, 32)),
        "dcgan_discriminator": lambda: dict(shape=(1, 32, 32)),
        "dense_generator": lambda: dict(hidden=(4, 4)),
        "dense_discriminator": lambda: dict(hidden=(4, 4)),
        "mlp": lambda: dict(sizes=(4, 3, 2)),
        "GaussianEncoder": lambda: dict(body=Plan("linear").encoder((1, 4, 4), 7), plain=1),
        "GaussianEncoder.posterior": lambda: dict(x=pixels(5, 1, 4, 4)),
        "GaussianEncoder.draw": lambda: dict(mean=numbers(5, 3), log_var=numbers(5, 3)),
        "GaussianEncoder.forward": lambda: dict(x=pixels(5, 1, 4, 4)),
        "Augment": lambda: dict(flip=True, shift=0.2, crop=0.2, colour=0.5, cutout=0.3),
        "Plan.encoder": lambda: dict(shape=(1, 4, 4), outputs=3),
        "Plan.decoder": lambda: dict(inputs=3, shape=(1, 4, 4)),
        "block_multiplications": lambda: dict(tokens=4, width=8),
        "NoisyEncoder": lambda: dict(body=nn.Flatten(), width=4, noise_size=2, n_out=3),
        "NoisyEncoder.forward": lambda: dict(
            self=made("networks.NoisyEncoder", body=nn.Flatten(), width=4, noise_size=2, n_out=3),
            x=pixels(5, 1, 2, 2),
            noise=numbers(5, 2),
        ),
        "patchify": lambda: dict(images=pixels(2, 1, 8, 8), size=4),
        "unpatchify": lambda: dict(patches=pixels(2, 4, 16), size=4, channels=1, grid=(2, 2)),
        "random_masking": lambda: dict(tokens=numbers(2, 4, 3), ratio=0.5),
        "split_by_mask": lambda: dict(tokens=numbers(2, 4, 3), mask=half_mask(2, 4), kept=2),
        "fill_and_restore": lambda: dict(visible=numbers(2, 2, 3), mask_token=numbers(3), restore=restored()),
        "sincos_positions": lambda: dict(rows=2, columns=3, width=8),
        "attention": lambda: dict(
            query=numbers(2, 1, 4, 3), key=numbers(2, 1, 4, 3), value=numbers(2, 1, 4, 3), written_out=True
        ),
        "TransformerBlock": lambda: dict(width=8, heads=2),
        "TransformerBlock.forward": lambda: dict(
            self=made("networks.TransformerBlock", width=8, heads=2), x=numbers(2, 4, 8)
        ),
        "ViTEncoder": lambda: dict(shape=(1, 8, 8), patch=4, width=8, depth=1, heads=2),
        "ViTEncoder.forward": lambda: dict(self=vit_encoder(), patches=pixels(2, 2, 16), restore=restored()),
        "ViTEncoder.features": lambda: dict(self=vit_encoder(), x=pixels(2, 1, 8, 8)),
        "ViTEncoder.export": lambda: dict(self=vit_encoder()),
        "ViTDecoder": lambda: dict(shape=(1, 8, 8), patch=4, code_width=8, width=8, depth=1, heads=2),
        "ViTDecoder.forward": lambda: dict(self=vit_decoder(), tokens=numbers(2, 2, 8), restore=restored()),
    },
    "evaluation": {
        "PCA": lambda: dict(data=tiny()),
        "PCA.keep": lambda: dict(self=pca(), code_size=2),
        "PCA.encode": lambda: dict(self=pca(), x=pixels(5, 1, 6, 6)),
        "PCA.decode": lambda: dict(self=pca(), z=numbers(5, 3)),
        "PCA.reconstruct": lambda: dict(self=pca(), x=pixels(5, 1, 6, 6)),
        "conditional_mean": lambda: dict(
            hidden=numbers(6, 2), visible=numbers(6, 1).sign(), weight=pixels(6) + 1
        ),
        "kl_estimate": lambda: dict(a=numbers(20, 2), b=numbers(24, 2)),
        "MeanPicture.reconstruct": lambda: dict(self=made("evaluation.MeanPicture", data=images())),
        "CodeMixture": lambda: dict(codes=numbers(9, 2), decode=same, components=2),
        "CodeMixture.sample_codes": lambda: dict(self=mixture()),
        "CodeMixture.sample": lambda: dict(self=mixture()),
        "PictureClassifier": lambda: dict(shape=(1, 16, 16)),
        "PictureClassifier.features": lambda: dict(self=classifier()),
        "PictureClassifier.forward": lambda: dict(self=classifier()),
        "PictureClassifier.classify": lambda: dict(self=classifier()),
        "picture_classifier": lambda: dict(data="mnist"),
        "classifier_facts": lambda: dict(data="mnist"),
        "classifier_of": lambda: dict(data=tiny()),
        "anomaly_scores": lambda: dict(
            method=SimpleNamespace(anomaly_score=lambda x: x.flatten(1).sum(1)), data=tiny()
        ),
        "auroc": lambda: dict(scores=numbers(6), is_anomaly=torch.arange(6) > 3),
        "threshold_at": lambda: dict(normal_scores=numbers(6)),
        "classifier_distance": lambda: dict(samples=pictures(6), real=pictures(6) / 2),
        "score_digits": lambda: dict(samples=pictures(6), real=pictures(6) / 2),
        "share_right": lambda: dict(classify=lambda x: torch.zeros(len(x), dtype=torch.int64)),
        "cluster_result": lambda: dict(posteriors=numbers(6, 3).softmax(1), labels=labels(6)),
        "code_report": lambda: dict(z=numbers(24, 2), prior_z=numbers(24, 2) + 1),
        "label_probe": lambda: dict(
            codes=numbers(20, 2), labels=labels(20, 2), test_codes=numbers(6, 2), test_labels=labels(6, 2)
        ),
        "extrapolated_distance": lambda: dict(a=numbers(40, 2), b=numbers(48, 2)),
        "frechet_bias": lambda: dict(width=3, n=20, m=30, std=2.0),
        "seed_interval": lambda: dict(values=(1.0, 2.0, 4.0)),
        "panel": lambda: dict(
            method=linear_decoder(),
            test=images(24),
            train=images(24),
            seconds=None,
            strange=None,
            pictures=24,
            comparisons=False,
        ),
        "features_of": lambda: dict(features=flat),
        "linear_probe": lambda: dict(
            features=numbers(20, 2),
            labels=labels(20, 2),
            test_features=numbers(6, 2),
            test_labels=labels(6, 2),
        ),
        "kmeans_purity": lambda: dict(features=numbers(12, 2), labels=labels(12), clusters=3),
        "two_sample_accuracy": lambda: dict(a=numbers(20, 2), b=numbers(24, 2)),
        "psnr": lambda: dict(x_hat=pixels(3, 1, 12, 12), x=pixels(3, 1, 12, 12) / 2),
        "ssim": lambda: dict(x_hat=pixels(3, 1, 12, 12), x=pixels(3, 1, 12, 12) / 2),
        "frechet_distance": lambda: dict(
            mean_a=numbers(2), cov_a=torch.eye(2), mean_b=numbers(2) / 2, cov_b=2 * torch.eye(2)
        ),
        "frechet_from_features": lambda: dict(a=numbers(6, 2), b=numbers(7, 2)),
        "kernel_distance": lambda: dict(a=numbers(6, 2), b=numbers(7, 2)),
        "precision_recall": lambda: dict(real=numbers(6, 2), fake=numbers(7, 2)),
        "mode_coverage": lambda: dict(labels=labels(6)),
        "check_judge": lambda: dict(real_logits=numbers(6), fake_logits=numbers(7)),
        "check_modes": lambda: dict(labels=labels(6)),
        "check_seeds": lambda: dict(values=(1.0, 2.0, 4.0), gain=0.5),
        "class_entropy": lambda: dict(labels=labels(6)),
        "parzen_log_likelihood": lambda: dict(samples=numbers(6, 2), data=numbers(5, 2), sigma=0.5),
        "choose_sigma": lambda: dict(samples=numbers(6, 2), validation=numbers(5, 2), sigmas=(0.2, 0.5)),
        "nearest_neighbours": lambda: dict(samples=numbers(6, 2), train=numbers(7, 2)),
    },
    "figures": {
        "trade_off": lambda: dict(
            rows=[{"weight": w, "psnr": 20.0 - w, "distance": 2.0 + w} for w in (0.0, 1.0)],
            highlight={"a": (19.0, 2.0)},
        ),
        "dirac_paths": lambda: dict(paths={"a": numbers(5, 2)}),
        "code_planes": lambda: dict(planes={"a": numbers(5, 2), "b": numbers(5, 2)}),
        "conditional_mean": lambda: dict(sharp=pixels(3, 1, 8, 8), mean=pixels(1, 1, 8, 8)),
        "rate_distortion": lambda: dict(
            rows=[{"coder": c, "code_size": k, "error": 9.0 / k} for c in ("pca", "conv") for k in (2, 4)]
        ),
        "score_field": lambda: dict(points=numbers(5, 2), learned=numbers(5, 2), exact=numbers(5, 2)),
        "score_histograms": lambda: dict(normal=pixels(9), anomalies=pixels(9) + 1, threshold=0.9),
        "point_clouds": lambda: dict(clouds={"a": numbers(5, 2)}, data=points()),
        "mae_idea": lambda: dict(picture=pixels(1, 28, 28)),
        "distance_over_time": lambda: dict(rows=[{"seed": 0, "last_1": 9.0, "averaged_1": 8.0}]),
        "hidden_curves": lambda: dict(errors={"a": {0.25: 0.9, 0.5: 0.8}}),
        "mask_ratio_curves": lambda: dict(
            rows=[
                {"ratio": q, "error_at_three_quarters": q, "fine_tuned": 0.9, "probed": 0.8}
                for q in (0.5, 0.75)
            ]
        ),
        "rate_curve": lambda: dict(test=rate_test()),
        "checkup_chart": lambda: dict(answers={"Is it fine?": "Fine: it is.", "And this?": "Look: no."}),
        "search_curves": lambda: dict(
            rows=[{"problem": "p", "searcher": "s", "after_1": 2.0, "trial_1": 2.0}],
            labels={"p": "error"},
        ),
        "distance_line": lambda: dict(distances={"a": {100: 3.0, 200: 2.0}}, lines={"a": (1.0, 200.0)}),
        "panel_points": lambda: dict(
            rows=[{"method": "a", "error": 2.0, "distance": 9.0}], across="error", up="distance"
        ),
        "task_chart": lambda: dict(rows=[{"method": "a", "error": 2.0}], tasks={"t": ("error", False)}),
        "position_map": lambda: dict(positions=numbers(4, 8), side=2, places=((0, 1), (1, 1))),
        "step_times": lambda: dict(measured={"a": {4: 0.1, 16: 0.2}, "b": {4: 0.2}}),
        "panel": lambda: dict(method=linear_decoder(), history=history(), test=images(24)),
        "layers": lambda: dict(networks={"a": (nn.Linear(2, 3), numbers(4, 2))}),
        "picture_rows": lambda: dict(rows={"a": pictures(3), "b": pictures(3)}),
        "scatter_codes": lambda: dict(axis=plt.gca(), codes=numbers(5, 2)),
        "Table": lambda: dict(header=("a", "b"), rows=[("1", "2")]),
        "table": lambda: dict(rows=[{"a": 1.5, "b": "text"}]),
    },
    "widgets": {
        "explore_sample_size": lambda: dict(features={"drawn": numbers(40, 2)}, real=numbers(60, 2)),
        "DiracGame": lambda: dict(start=[1.0, 0.0], loss="logistic", mode="simultaneous", h=0.2, gamma=0.0),
        "AutoencoderLab": lambda: dict(
            data="ring", units=16, seed=1, drawn=[[0.0, 1.0]], a={"noise": 0.5}, b={"code": 2}
        ),
        "GanLab": lambda: dict(
            data="ring", units=16, seed=1, drawn=[[0.0, 1.0]], a={"r1": 0.1}, b={"momentum": 0.9}
        ),
        "LatentExplorer.from_autoencoder": lambda: dict(model=linear_decoder(), codes=numbers(5, 2)),
        "LatentPlanes.from_methods": lambda: dict(
            methods={"a": linear_decoder()}, codes={"a": numbers(5, 2)}, conditional=None, style_codes=None
        ),
        "MaskedDigit.from_mae": lambda: dict(model=small_mae(), pictures=pictures(2), labels=labels(2)),
        "PanelExplorer.from_rows": lambda: dict(
            rows=[
                {"method": m, "seed": s, "psnr": 10.0 + s, "purity": 0.5} for m in ("a", "b") for s in (0, 1)
            ],
            baselines=["b"],
        ),
        "ProcessGain.from_times": lambda: dict(times={"a": (0.01, 0.001), "b": (0.0, 0.002)}),
        "RunPlayer.from_frames": lambda: dict(
            real=numbers(6, 2),
            runs=[recorded_run()],
            extent=(-3.0, 3.0),
            steps=(0, 10),
            centres=numbers(3, 2),
            near=0.5,
        ),
        "TradeOff.from_frames": lambda: dict(
            pictures=pixels(2, 1, 4, 4),
            frames=pixels(3, 2, 1, 4, 4),
            weights=(0.0, 1.0, 2.0),
            psnr=(20.0, 19.0, 18.0),
            distance=(3.0, 2.0, 1.0),
            labels=labels(2),
            tested=10,
        ),
        "record_run": lambda: dict(
            title="a",
            gan=importlib.import_module("gencourse.methods").GAN(
                shape=(2,), noise_size=2, generator=nn.Linear(2, 2), discriminator=nn.Linear(2, 1)
            ),
            data=points(),
            steps=(0, 1),
            samples=5,
            arrows=2,
            side=3,
            batch_size=4,
        ),
    },
    "data": {
        "ImageDataset": lambda: dict(
            images=images().images, labels=images().labels, name="a", classes=("zero", "one")
        ),
        "ImageDataset.take": lambda: dict(self=images(), index=2),
        "ImageDataset.of_class": lambda: dict(self=images(), labels=(1,)),
        "ImageDataset.of_each_class": lambda: dict(self=images(), n=2),
        "ImageDataset.hide_labels": lambda: dict(self=images(), keep=2),
        "ImageDataset.batches": lambda: dict(self=images(), batch_size=3),
        "PointDataset": lambda: dict(
            points=points().points, labels=points().labels, centres=points().centres
        ),
        "PointDataset.batches": lambda: dict(self=points(), batch_size=3),
        "PointDataset.cluster_of": lambda: dict(self=points(), points=numbers(5, 2), near=0.5),
        "ImageDataset.to": lambda: dict(self=images(), device="cpu"),
        "PointDataset.to": lambda: dict(self=points(), device="cpu"),
        "load": lambda: dict(name="digits", root=folder()),
        "load_folder": lambda: dict(folder=folder() / "pictures", classes=("a", "b"), white=255.0),
        "stream": lambda: dict(
            source=folder() / "pictures", classes=("a", "b"), white=255.0, workers=0, read=None, length=None
        ),
        "read_picture": lambda: dict(path=folder() / "pictures" / "a.png", white=255.0),
        "save_picture": lambda: dict(x=pixels(1, 28, 28), path=new_path(".png")),
        "read_idx": lambda: dict(path=folder() / "a.gz", sha256=None),
        "ring": lambda: dict(n=10),
        "shapes": lambda: dict(count=3, size=16),
    },
    "methods": {
        **{
            name: lambda: dict(prior=importlib.import_module("gencourse.methods").GaussianPrior(8))
            for name in ("AAE", "WAE", "LabelledAAE", "ConditionalAAE", "ClusteringAAE")
        },
        "SemiSupervisedAAE": lambda: dict(
            prior=importlib.import_module("gencourse.methods").GaussianPrior(8), labelled=images()
        ),
        **{
            f"{name}.decode": lambda: dict(z=numbers(5, 8), y=labels(5))
            for name in ("ConditionalAAE", "ClusteringAAE", "SemiSupervisedAAE")
        },
        "ConditionalAAE.reconstruct": lambda: dict(x=pictures(5), y=labels(5)),
        "ConditionalAAE.reconstruction_loss": lambda: dict(x=pictures(5), y=labels(5)),
        "SemiSupervisedAAE.supervised_loss": lambda: dict(x=pictures(5), y=labels(5)),
        "Classifier": lambda: dict(encoder=small_mae().encoder),
        "ContextEncoder": lambda: dict(mask=(torch.arange(784) % 2).view(28, 28).float()),
        "HoleFiller": lambda: dict(mask=(torch.arange(784) % 2).view(28, 28).float()),
        "Restorer": lambda: dict(corrupt=same),
        "PairedAEGAN": lambda: dict(corrupt=same),
        "GAN": lambda: dict(generator=None, discriminator=None, augment=Augment(shift=0.1)),
        "load": lambda: dict(path=folder() / "a.safetensors"),
        "load_trained": lambda: dict(name="wae"),
        "trained_facts": lambda: dict(name="wae"),
    },
    "training": {
        "whole_batch": lambda: dict(rows=torch.rand(3, 2)),
        "fit": lambda: dict(
            method=importlib.import_module("gencourse.methods").Autoencoder(Plan("dense", (4,)), 2),
            learning_rate=1e-3,
            schedule=importlib.import_module("gencourse.training").warmup_cosine(),
            device="cpu",
            formulation=["products by oneDNN"],
            clip=1.0,
            average=0.9,
            augment=Augment(shift=0.1),
            validation=images(),
            metrics={"one": one},
            watch="one",
            stop_after=2,
            on_epoch=nothing,
            checkpoint=new_path(".safetensors"),
        ),
        **{
            name: lambda: dict(
                method=importlib.import_module("gencourse.methods").Autoencoder(Plan("dense", (4,)), 2)
            )
            for name in ("check_data", "check_gradients")
        },
        **{
            name: lambda: dict(
                method=importlib.import_module("gencourse.methods").Autoencoder(Plan("dense", (4,)), 2),
                learning_rate=1e-3,
                steps=10,
                watch="autoencoder",
            )
            for name in ("check_one_batch", "check_rate")
        },
        "find_learning_rate": lambda: dict(
            method=importlib.import_module("gencourse.methods").Autoencoder(Plan("dense", (4,)), 2),
            steps=10,
            watch="autoencoder",
        ),
        "profile": lambda: dict(
            method=importlib.import_module("gencourse.methods").Autoencoder(Plan("dense", (4,)), 2),
            device="cpu",
            steps=2,
        ),
        "validate": lambda: dict(
            method=importlib.import_module("gencourse.methods").Autoencoder(Plan("dense", (4,)), 2),
            metrics={"one": one},
        ),
        "SaveSamples": lambda: dict(folder=folder() / "samples", pictures=pictures()),
        "Update": lambda: dict(
            processes=None, players=updater()[0].players, optimizers=updater()[0].optimizers, clip=1.0
        ),
        "adam": lambda: dict(parameters=[nn.Parameter(numbers(3))], lr=1e-3, betas=(0.9, 0.999)),
        "History": lambda: dict(epochs=[{"loss": 1.0, "seconds": 1.0}], averaged=None),
        "load_weights": lambda: dict(path=folder() / "a.safetensors", method=linear_decoder()),
        "read_checkpoint": lambda: dict(path=folder() / "a.safetensors"),
        "save_weights": lambda: dict(
            path=new_path(".safetensors"), method=linear_decoder(), facts={"seconds": 1.0}
        ),
        "write_checkpoint": lambda: dict(
            path=new_path(".safetensors"), tensors={"a": numbers(3)}, facts={"b": 1}
        ),
        "WarmupCosine": lambda: dict(warmup=0.1),
        "built_with": lambda: dict(method=linear_decoder()),
        "check_destination": lambda: dict(path=folder() / "later.safetensors", size=100),
        "scaled_learning_rate": lambda: dict(base=1e-3, batch_size=64),
        "seeded": lambda: dict(seed=0),
        "amdahl": lambda: dict(serial=0.1, workers=4.0),
        "best_learning_rate": lambda: dict(largest=0.1, batch_size=64, noise_scale=100.0),
        "roofline": lambda: dict(intensity=10.0, peak=1e11, bandwidth=1e10),
        "activation_bytes": lambda: dict(network=nn.Linear(4, 3), x=numbers(5, 4)),
        "training_memory": lambda: dict(network=nn.Linear(4, 3), x=numbers(5, 4)),
        "Memory": lambda: dict(weights=1, gradients=1, moments=2, activations=1),
    },
    "exercises": {
        "Right": lambda: dict(edit=("a", "b"), code="x = 1"),
        "Right.source": lambda: dict(self=made("exercises.Right", edit=("a", "b")), solution="a = 1"),
        "grade": lambda: dict(number="1.1", answer=(solved("1.1"),)),
        "check": lambda: dict(number="1.1", answer=(3,)),
        "verdict": lambda: dict(number="1.1", answer=(3,)),
        "exercise": lambda: dict(number="1.1"),
        "expect": lambda: dict(condition=True, hint="a"),
        "export": lambda: dict(chapter=folder() / "a.ipynb", folder=new_path("")),
        "export_nbgrader": lambda: dict(chapter=folder() / "a.ipynb", folder=new_path("")),
        "export_otter": lambda: dict(chapter=folder() / "a.ipynb", folder=new_path("")),
        "find_chapter": lambda: dict(chapter=folder() / "a.ipynb"),
        "publish_links": lambda: dict(text="[a](../book/errata.md)"),
        "hint": lambda: dict(number="1.1", step=1),
        "solution_in": lambda: dict(source="x = 1\n"),
        "student_source": lambda: dict(source="x = 1\n"),
    },
}


def generator() -> Any:
    return made("networks.Generator", body=nn.Linear(5, 4), noise_size=3, classes=2)


def discriminator() -> Any:
    return made("networks.Discriminator", body=nn.Flatten(), width=4, classes=2)


def discriminator_for_pictures() -> Any:
    return importlib.import_module("gencourse.networks").dense_discriminator((1, 28, 28), hidden=(8,))


def classifier() -> Any:
    return importlib.import_module("gencourse.evaluation").digit_classifier()


def pca() -> Any:
    return made("evaluation.PCA", data=tiny(), code_size=3)


@functools.cache
def mixture() -> Any:
    return importlib.import_module("gencourse.evaluation").CodeMixture(numbers(9, 2), same, 2)


@functools.cache
def small_mae() -> Any:
    sizes = {
        "patch": 7,
        "width": 8,
        "depth": 1,
        "heads": 2,
        "decoder_width": 8,
        "decoder_depth": 1,
        "decoder_heads": 2,
    }
    return importlib.import_module("gencourse.methods").MAE(**sizes)


def history() -> Any:
    return importlib.import_module("gencourse.training").History([{"autoencoder": 2.0, "seconds": 1.0}])


# ---- what need not refuse, and why ---------------------------------------------------------------------

# (what, argument, kind) to the reason; "*" stands for any. What is listed may give any result, but no raw error.
EXCEPTIONS: dict[tuple[str, str, str], str] = {
    (
        "losses.*",
        "*",
        "nan",
    ): "a loss of NaN is NaN: looking would cost a pass over the batch, and `update` stops there",
    ("losses.*", "*", "inf"): "the same for infinity",
    ("losses.*", "*", "huge"): "and for what leaves the range of float32",
    ("networks.*", "*", "nan"): "the same: NaN comes out as NaN",
    ("networks.*", "*", "inf"): "the same",
    ("networks.*", "*", "huge"): "the same",
    (
        "methods.*",
        "*",
        "nan",
    ): "a network makes NaN of NaN, in sight; looking would cost a wait in every step",
    ("methods.*", "*", "inf"): "the same",
    ("methods.*", "*", "huge"): "and what leaves the range of float32 becomes infinite",
    ("methods.degraded", "x", "float64"): "its noise is drawn in the precision of the pictures",
    ("methods.Restorer", "corrupt", "returns"): "it is tried by `accepts`, before the first step",
    ("methods.PairedAEGAN", "corrupt", "returns"): "the same",
    ("methods.GAN.*", "y", "*"): "without classes the labels are handed on and not looked at",
    ("evaluation.CodeMixture", "decode", "returns"): "it is not called before `sample` is",
    ("widgets.RunPlayer.from_frames", "runs", "none"): "its arrows may be left out",
    ("widgets.RunPlayer.from_frames", "runs", "missing"): "the same",
    ("gencourse.claim", "*", "inf"): "a band without an end has an infinite end",
    ("gencourse.show", "obj", "returns"): "any function has a source",
    ("gencourse.check", "answer", "*"): "judging any answer is what it is for",
    ("exercises.check", "answer", "*"): "the same",
    ("exercises.verdict", "answer", "*"): "the same",
    ("training.write_checkpoint", "facts", "*"): "a fact may be anything that JSON can hold",
    ("training.save_weights", "facts", "*"): "the same",
    ("training.fit", "on_epoch", "returns"): "what such a function gives is not looked at",
    (
        "training.whole_batch",
        "rows",
        "nan",
    ): "part of a step, where nothing is looked at: the guard of `Update` is",
    ("training.whole_batch", "rows", "inf"): "the same",
    ("training.fit", "learning_rate", "huge"): "the last step may spoil the weights: the validation says NaN",
    ("training.History", "epochs", "missing"): "what is recorded is the method's own affair",
    ("exercises.expect", "*", "*"): "a condition and a hint may be anything",
    ("figures.table", "rows", "*"): "a cell may be anything: what is no number is shown as text",
}

# Public names that are not called with arguments of a reader's own.
HAND_MADE = ("AutoencoderLab", "DiracGame", "GanLab")  # live figures that are made by a call of their class
NOT_CALLED = {
    "evaluation.ClusterResult": "a record that `cluster_result` makes",
    "evaluation.CodeReport": "a record that `code_report` makes",
    "evaluation.Judge": "a record of the course's own",
    "evaluation.Panel": "a record that `panel` makes",
    "evaluation.digit_classifier": "takes nothing",
    "evaluation.fid": "needs a package that the course does not, and weights from the network",
    "evaluation.inception_features": "the same",
    "training.Batches": "a protocol",
    "training.Mover": "a protocol",
    "training.Schedule": "a type",
    "training.Method": "abstract",
    "training.RateTest": "a record that `find_learning_rate` makes",
    "training.Profile": "a record that `profile` makes",
    "training.TensorBoard": "needs a package that the course does not",
    "methods.Prior": "abstract",
    "exercises.Exercise": "a record of the course's own",
    "exercises.Wrong": "a record of the course's own",
    "*.step": "one move in the loop: `fit` looks at the data once, at its door",
    "*.players": "takes nothing",
    "*.accepts": "what `fit` asks at its door; its sentences name `data`",
    "*.part": "a part of `fit`",
    "*.shown": "a part of a step",
    "*.counted": "a part of a step",
    "*.adversarial_weight": "a part of a step",
}

# ---- how an argument is spoiled ------------------------------------------------------------------------


class Thing:
    """Something that no function knows."""

    def __repr__(self) -> str:
        return "a thing"


def spoiled(value: Any, record: bool = False) -> Iterator[tuple[str, Any]]:
    """Kind and bad value, one after another, for an argument whose valid value is given; a record is in a list."""
    if isinstance(value, bool):
        return
    if value is not None:
        yield "none", None
    for other in ("no such", [Thing()], {"a": Thing()}, Thing()):
        if isinstance(value, str | Path) and isinstance(other, str):
            yield "word", type(value)(other)
        elif type(value) is not type(other):
            yield "type", other
    if isinstance(value, Tensor):
        yield from _tensors(value)
    elif isinstance(value, int | float):
        yield from _numbers(value)
    elif isinstance(value, ImageDataset):
        yield "empty", dataclasses.replace(value, images=value.images[:0], labels=value.labels[:0])
        yield "one", value.take(1)
    elif isinstance(value, nn.Module | torch.Generator | type | PointDataset):
        return
    elif isinstance(value, Mapping):
        yield "empty", {}
        for key in value:
            for kind, bad in spoiled(value[key]):
                yield kind, {**value, key: bad}
            if record:
                yield "missing", {k: v for k, v in value.items() if k != key}
    elif isinstance(value, list | tuple):
        yield "empty", type(value)()
        if value:
            yield "one", type(value)(value[:1])
            for kind, bad in spoiled(value[0], record=True):
                yield kind, type(value)([bad, *value[1:]])
    elif callable(value):
        yield "returns", lambda *a, **k: None
        yield "returns", lambda *a, **k: "no such"


def _tensors(x: Tensor) -> Iterator[tuple[str, Any]]:
    floats = x.is_floating_point()
    for dtype in (torch.uint8, torch.int64, torch.bool, torch.float32, torch.complex64):
        if x.dtype != dtype:
            yield "dtype", x.to(dtype)
    yield "rank", x[None]
    yield "rank", x.flatten() if x.dim() > 1 else x.reshape(-1, 1, 1) if x.dim() else x[None, None]
    if x.dim():
        yield "rank", x[0]
        yield "empty", x[:0]
        yield "one", x[:1]
        wide = torch.stack([x, torch.zeros_like(x)], dim=-1)
        yield "strided", wide[..., 0]
    if floats:
        for kind, number in (("nan", math.nan), ("inf", math.inf), ("huge", 1e30)):
            bad = x.detach().clone()
            bad.view(-1)[0] = number
            yield kind, bad
        yield "nan", torch.full_like(x, math.nan)
        yield "huge", torch.full_like(x, 1e30)
        yield "negative", -x.detach() - 1
        yield "float64", x.detach().double()
        yield "grad", x.detach().clone().requires_grad_()
    else:
        yield "negative", -1 - x.to(torch.int64)
        yield "huge", x.to(torch.int64) + 10**12
    yield "zero", torch.zeros_like(x.detach())


def _numbers(value: float) -> Iterator[tuple[str, Any]]:
    yield "nan", math.nan
    yield "inf", math.inf
    yield "inf", -math.inf
    yield "negative", -1 if isinstance(value, int) else -1.0
    yield "zero", 0 if isinstance(value, int) else 0.0
    yield "huge", HUGE if isinstance(value, int) else 1e30
    yield "one", 1
    if isinstance(value, int):
        yield "fraction", 1.5


# ---- what is called ------------------------------------------------------------------------------------


@dataclasses.dataclass
class Door:
    """One public function, constructor or method, and how to make valid arguments for it."""

    name: str  # "room.function" or "room.Class.method"
    call: Callable[..., Any]
    make: Callable[[], dict[str, Any]]  # fresh valid arguments; "self" among them for a method


def doors(room: str) -> Iterator[Door]:
    """All that is public in a room."""
    module = importlib.import_module("gencourse" if room == "gencourse" else f"gencourse.{room}")
    for name in module.__all__:
        thing = getattr(module, name)
        if f"{room}.{name}" in NOT_CALLED or not callable(thing) or inspect.ismodule(thing):
            continue
        if isinstance(thing, type) and issubclass(thing, Exception):
            continue
        by_hand = room != "widgets" or not isinstance(thing, type) or name in HAND_MADE
        if by_hand and (isinstance(thing, type) or inspect.signature(thing).parameters):
            yield Door(f"{room}.{name}", thing, functools.partial(_arguments, room, name, thing))
        if isinstance(thing, type):
            yield from _methods(room, name, thing)


def _methods(room: str, name: str, kind: type) -> Iterator[Door]:
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("gencourse"):
            found |= vars(base)
    for method, thing in found.items():
        public = not method.startswith("_") and f"*.{method}" not in NOT_CALLED
        if not public or isinstance(thing, property | type):
            continue
        if isinstance(thing, classmethod | staticmethod):
            call = getattr(kind, method)
            if inspect.signature(call).parameters:
                yield Door(
                    f"{room}.{name}.{method}",
                    call,
                    functools.partial(_arguments, room, f"{name}.{method}", call),
                )
        elif inspect.isfunction(thing) and len(inspect.signature(thing).parameters) > 1:
            make = functools.partial(_arguments, room, f"{name}.{method}", thing)
            yield Door(f"{room}.{name}.{method}", thing, make)


def _arguments(room: str, name: str, call: Callable[..., Any]) -> dict[str, Any]:
    """Valid arguments from the table, the signature's defaults and the common names, in this order."""
    values = TABLE[room][name]() if name in TABLE[room] else {}
    owner = values.get("self")
    for parameter in inspect.signature(call).parameters.values():
        if parameter.name in values or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        if parameter.name == "self":
            values["self"] = owner = _one(room, name.split(".")[0])
        elif parameter.name in COMMON and (parameter.default in (parameter.empty, None)):
            values[parameter.name] = COMMON[parameter.name](owner)
        elif parameter.default is not parameter.empty and parameter.default is not None:
            values[parameter.name] = parameter.default
        else:
            raise LookupError(
                f"no valid value is known for {parameter.name!r} of {room}.{name}: put one in TABLE."
            )
    return values


@functools.cache
def _one(room: str, name: str) -> Any:
    """One object of a class, made as the table makes it, or of its defaults."""
    kind = getattr(importlib.import_module(f"gencourse.{room}"), name)
    return kind(**(TABLE[room][name]() if name in TABLE[room] else {}))


def _run(door: Door, values: dict[str, Any]) -> Any:
    torch.default_generator.manual_seed(0)  # torch.manual_seed also notes the call stack for each accelerator
    np.random.seed(0)
    random.seed(0)
    positional: list[Any] = []
    named = dict(values)
    for parameter in inspect.signature(door.call).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            given = named.pop(parameter.name, ())
            positional = [*(named.pop(n) for n in list(named) if n in _before(door, parameter.name)), *given]
        if parameter.kind is parameter.VAR_KEYWORD:
            named |= named.pop(parameter.name, {})
    result = door.call(*positional, **named)
    if isinstance(result, Iterator):
        result = list(result)
    if isinstance(result, contextlib.AbstractContextManager) and not isinstance(result, nn.Module):
        with result:
            return None
    return result


def _before(door: Door, name: str) -> list[str]:
    names = list(inspect.signature(door.call).parameters)
    return names[: names.index(name)]


# ---- what came out -------------------------------------------------------------------------------------


def leaves(result: Any) -> Iterator[Any]:
    """All tensors and numbers in a result."""
    if isinstance(result, nn.Module):
        yield from result.state_dict().values()
    elif isinstance(result, Mapping):
        for value in result.values():
            yield from leaves(value)
    elif isinstance(result, list | tuple):
        for value in result:
            yield from leaves(value)
    elif isinstance(result, np.ndarray):
        yield torch.as_tensor(result)
    elif isinstance(result, Tensor | int | float):
        yield result
    elif dataclasses.is_dataclass(result) and not isinstance(result, type):
        yield from leaves(vars(result))


def finite(result: Any) -> bool:
    return all(
        bool(torch.as_tensor(leaf, dtype=torch.float64).detach().isfinite().all())
        for leaf in leaves(result)
        if not _whole(leaf)
    )


def _whole(leaf: Any) -> bool:
    return isinstance(leaf, int) or (isinstance(leaf, Tensor) and not leaf.is_floating_point())


def alike(result: Any, plain: Any) -> bool:
    own, other = list(leaves(result)), list(leaves(plain))
    return len(own) == len(other) and all(
        torch.allclose(
            torch.as_tensor(a).detach().double(),
            torch.as_tensor(b).detach().double(),
            rtol=1e-3,
            atol=1e-4,
            equal_nan=True,
        )
        for a, b in zip(own, other, strict=True)
    )


class TooSlowError(BaseException):
    """A call does not come to an end."""


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """A call that takes too long ends, where the system has an alarm. Waiting for other programs does not count."""
    if not hasattr(signal, "SIGPROF"):
        yield
        return

    def stop(*_: Any) -> None:
        raise TooSlowError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def judged(door: Door, argument: str, kind: str, values: dict[str, Any], plain: Any) -> tuple[str, str]:
    """("result" | "sentence" | "fault", what was wrong with it)."""
    try:
        with _limited():
            result = _run(door, values)
    except TooSlowError:
        return "fault", f"did not end within {SECONDS} s"
    except Exception as error:
        # of two arguments that must be equally many, either one may be the one to change
        names = tuple(values) if kind in ("empty", "one") else (argument,)
        return _sentence(error, names)
    if excused(door.name, argument, kind):
        return "result", ""
    if kind in REFUSED:
        return "fault", f"a result made of it: {_short(result)}"
    if not finite(result):
        return "fault", f"not finite: {_short(result)}"
    if kind in SAME and not alike(result, plain):
        return "fault", f"{_short(result)} in place of {_short(plain)}"
    return "result", ""


def _sentence(error: Exception, names: Sequence[str]) -> tuple[str, str]:
    """Whether the package itself says what is wrong with one of these arguments."""
    where = traceback.extract_tb(error.__traceback__)[-1].filename
    wrong_answer = type(error) is AssertionError and str(error).startswith("Exercise ")
    if type(error).__name__ == "ClaimError" or wrong_answer:  # what `claim` and `grade` are for
        return "sentence", ""
    own = Path(gencourse.__file__).parent in Path(where).parents
    text = str(error)
    trait = type(error).__name__ == "TraitError"
    documented = own and isinstance(
        error, RuntimeError | AssertionError | FileNotFoundError | FileExistsError
    )
    if not isinstance(error, TypeError | ValueError) and not documented and not trait:
        return "fault", f"{type(error).__name__}: {text[:160]}"
    if not own and not trait:
        return "fault", f"raised by a library: {type(error).__name__}: {text[:160]}"
    if not any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) for name in names):
        return "fault", f"names no {' or '.join(names)}: {text[:160]}"
    return "sentence", ""


def _short(result: Any) -> str:
    try:
        return " ".join(repr(result).split())[:100]
    except Exception:
        return f"a {type(result).__name__}"


def excused(name: str, argument: str, kind: str) -> bool:
    def fits(pattern: str, text: str) -> bool:
        return pattern in ("*", text) or (pattern.endswith(".*") and text.startswith(pattern[:-1]))

    return any(fits(n, name) and fits(a, argument) and fits(k, kind) for n, a, k in EXCEPTIONS)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nothing printed, nothing drawn, no warning; no layout and no long fit, which take most of the time."""
    layout, pyplot, fit = Figure.tight_layout, plt.tight_layout, MLPClassifier.fit

    def short(network: MLPClassifier, *given: Any) -> Any:
        network.max_iter = 2
        return fit(network, *given)

    MLPClassifier.fit = short
    Figure.tight_layout = plt.tight_layout = lambda *a, **k: None  # type: ignore[method-assign,assignment]
    random_state, here = torch.get_rng_state(), Path.cwd()
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.chdir(here)
        MLPClassifier.fit = fit
        Figure.tight_layout, plt.tight_layout = layout, pyplot  # type: ignore[method-assign]
        torch.set_rng_state(random_state)
        plt.close("all")


def fuzz(room: str) -> tuple[Counter[tuple[str, str]], list[str]]:
    """(kind, outcome) to how many calls, and what is wrong, one line each."""
    counts: Counter[tuple[str, str]] = Counter()
    faults: list[str] = []

    def count(kind: str, outcome: str, what: str = "") -> None:
        counts[kind, outcome] += 1
        if outcome == "fault":
            faults.append(what)

    with _quiet():
        for door in doors(room):
            os.chdir(tempfile.mkdtemp(dir=_FOLDER.name))  # where a path that is no good may leave a file
            try:
                plain = _run(door, door.make())
            except NotImplementedError:  # "a GAN cannot encode": said by name
                continue
            except Exception as error:
                count("valid", "fault", f"{door.name} with valid arguments: {type(error).__name__}: {error}")
                continue
            count(
                "valid", "result" if finite(plain) else "fault", f"{door.name}: valid arguments, not finite"
            )
            for argument, value in door.make().items():
                if argument == "self":
                    continue
                parameter = inspect.signature(door.call).parameters.get(argument)
                optional = parameter is not None and parameter.default is None
                many = parameter is not None and parameter.kind is parameter.VAR_POSITIONAL
                named = parameter is not None and parameter.kind is parameter.VAR_KEYWORD
                for kind, bad in spoiled(value[0] if many else value):
                    values = door.make()
                    if (bad is None and optional) or (named and not isinstance(bad, Mapping)):
                        continue
                    outcome, why = judged(
                        door, argument, kind, {**values, argument: (bad,) if many else bad}, plain
                    )
                    fault = outcome == "fault"  # showing a tensor takes longer than most calls
                    shown = f"{door.name}({argument}: {kind}, {_short(bad)}): {why}" if fault else ""
                    count(kind, outcome, shown)
                plt.close("all")
    return counts, faults


def summary(counts: Mapping[tuple[str, str], int]) -> str:
    """A table by kind."""
    kinds = [kind for kind in ("valid", *KINDS) if any(k == kind for k, _ in counts)]
    lines = [f"{'kind':10}{'calls':>8}{'results':>9}{'sentences':>11}{'faults':>8}"]
    for kind in [*kinds, "all"]:
        own = [
            sum(n for (k, o), n in counts.items() if o == outcome and kind in (k, "all"))
            for outcome in _OUTCOMES
        ]
        lines.append(f"{kind:10}{sum(own):8}{own[0]:9}{own[1]:11}{own[2]:8}")
    return "\n".join(lines)


_OUTCOMES = ("result", "sentence", "fault")


@pytest.mark.parametrize("room", ROOMS)
def test_a_spoiled_argument_gives_a_right_result_or_a_sentence(
    room: str, capsys: pytest.CaptureFixture[str]
) -> None:
    counts, faults = fuzz(room)
    with capsys.disabled():
        print(f"\n{room}\n{summary(counts)}")
    assert not faults, f"{len(faults)} of {sum(counts.values())} calls:\n" + "\n".join(faults[:40])


def main(rooms: Sequence[str]) -> None:
    total: Counter[tuple[str, str]] = Counter()
    for room in rooms or ROOMS:
        counts, faults = fuzz(room)
        total += counts
        print("\n".join(faults))
        print(f"\n{room}\n{summary(counts)}\n")
    print(summary(total))


if __name__ == "__main__":
    main(sys.argv[1:])
