"""The FID is an extra: with a network it is a Fréchet distance of its features, without one a plain sentence."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from urllib.error import URLError

import pytest
import torch
import torchmetrics.image.fid as theirs
from torch import Tensor, nn

from gencourse.data import load
from gencourse.evaluation import fid, frechet_from_features, inception_features, panel

inception = importlib.import_module("gencourse.evaluation.inception")


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    inception._network.cache_clear()
    yield
    inception._network.cache_clear()


class Stub(nn.Module):
    """Stands for the network: mean colours, from the bytes that the real one asks for."""

    def __init__(self, name: str, features: list[str]) -> None:
        super().__init__()
        assert features == ["2048"]

    def forward(self, x: Tensor) -> Tensor:
        assert x.dtype == torch.uint8 and x.shape[1] == 3
        return x.float().mean((2, 3))


def test_pictures_go_in_as_bytes_in_three_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theirs, "NoTrainInceptionV3", Stub)
    grey = torch.rand(120, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found = inception_features(grey)
    assert found.shape == (120, 3)
    torch.testing.assert_close(found[:, 0], 255 * grey.mean((1, 2, 3)), atol=0.5, rtol=0)
    assert torch.equal(found[:, 0], found[:, 2])
    colour = torch.rand(9, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    expected = frechet_from_features(inception_features(colour), found)
    assert fid(colour, grey) == pytest.approx(expected)
    assert fid(grey, grey) == pytest.approx(0, abs=1e-3)


def test_the_panel_names_it_with_its_number_of_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theirs, "NoTrainInceptionV3", Stub)
    test = load("mnist", split="test").take(40)
    memory = type("Memory", (), {"sample": lambda self, n, generator: test.x[:n]})()
    row = panel(memory, test, test, inception=True).row()
    assert row["fid_40"] == pytest.approx(0, abs=1e-3) and "fid_40_real" in row
    assert not any(name.startswith("fid") for name in panel(memory, test, test).row())


@pytest.mark.parametrize("error", [URLError("no such host"), RuntimeError("invalid hash value")])
def test_it_says_plainly_that_its_weights_cannot_be_had(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(name: str, features: list[str]) -> None:
        raise error

    monkeypatch.setattr(theirs, "NoTrainInceptionV3", refused)
    test = load("mnist", split="test").take(40)
    with pytest.raises(ConnectionError, match=r"could not be downloaded .*connect to the network once"):
        fid(test.x, test.x)
    memory = type("Memory", (), {"sample": lambda self, n, generator: test.x[:n]})()
    found = panel(memory, test, test, inception=True)
    assert "could not be downloaded" in found.missing["fid"] and "fid" not in found.figures
    assert "classifier_distance" in found.figures


@pytest.mark.skipif(importlib.util.find_spec("torch_fidelity") is not None, reason="the extra is installed")
def test_it_says_plainly_that_its_package_is_not_installed() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'gencourse\[inception\]'"):
        inception_features(torch.zeros(2, 1, 8, 8))
