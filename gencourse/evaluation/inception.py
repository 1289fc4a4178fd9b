"""The features of an Inception network, which are the ones that the name FID stands for. An optional extra."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from gencourse.errors import need_pictures
from gencourse.evaluation.samples import frechet_from_features

__all__ = ["fid", "inception_features"]


@cache
def _network() -> nn.Module:
    """The network of Heusel et al. (2017), as torchmetrics has it; about 90 MB, downloaded once by torch-fidelity."""
    from torchmetrics.image.fid import NoTrainInceptionV3

    try:
        return NoTrainInceptionV3("inception-v3-compat", ["2048"]).requires_grad_(False)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the Inception network needs the package torch-fidelity: install it with "
            "pip install 'gencourse[inception]', or use classifier_distance, which needs nothing."
        ) from error
    # no network, a server that refuses, half a file
    except (OSError, RuntimeError) as error:
        raise ConnectionError(
            f"the weights of the Inception network could not be downloaded ({error}): connect to the network once, "
            f"put the file into {torch.hub.get_dir()}/checkpoints, or use classifier_distance, whose weights ship."
        ) from error


@torch.no_grad()
def inception_features(pictures: Tensor) -> Tensor:
    """The last pooled layer of the Inception network (Heusel et al., 2017), on the CPU.

    Args:
        pictures: (N, C, H, W) in [0, 1], grey or in colour, of any size; the network enlarges them to 299 by 299.

    Returns:
        Shape (N, 2048).

    Raises:
        TypeError, ValueError: they are no such pictures.
        ModuleNotFoundError: torch-fidelity is not installed.
        ConnectionError: the weights are not on this machine and cannot be downloaded.
    """
    need_pictures("pictures", pictures)
    channels = pictures.shape[1]
    if channels not in (1, 3):
        raise ValueError(f"pictures has {channels} channels: give 1, or 3 for red, green and blue.")
    network = _network()
    parts = []
    for part in pictures.detach().cpu().float().split(50):
        colour = part.clamp(0, 1).mul(255).round().to(torch.uint8).expand(-1, 3, -1, -1)
        parts.append(network(colour).reshape(len(part), -1).float())
    return torch.cat(parts)


def fid(samples: Tensor, real: Tensor) -> float:
    """Fréchet distance, eq. (2.21), in the features of an Inception network: the FID of Heusel et al. (2017).

    Its bias is large, eq. (7.2): name the number of samples beside it, and compare at the same number only.

    Args:
        samples: pictures (N, C, H, W) in [0, 1], at least two.
        real: pictures (M, C, H, W) in [0, 1], at least two.

    Raises:
        TypeError, ValueError: they are no such pictures.
        ModuleNotFoundError: torch-fidelity is not installed.
        ConnectionError: the weights are not on this machine and cannot be downloaded.
    """
    for name, pictures in (("samples", samples), ("real", real)):
        need_pictures(name, pictures)
        if len(pictures) < 2:
            raise ValueError(f"{name} has {len(pictures)} picture: give at least 2.")
    return frechet_from_features(inception_features(samples), inception_features(real))
