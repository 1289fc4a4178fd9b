"""How far more processes, larger mini-batches and faster chips carry: chapter 6's formulas as functions."""

from __future__ import annotations

from gencourse.errors import need_number, need_size

__all__ = ["amdahl", "best_learning_rate", "roofline"]


def amdahl(serial: float, workers: float) -> float:
    """How many times faster a job is with several workers, eq. (6.5) (Amdahl, 1967).

    Args:
        serial: share of one worker's time, from 0 to 1, in which the others cannot help.
        workers: how many there are, at least 1; or how many times faster the rest has become.

    Returns:
        The gain, from 1 to `workers`; never above 1/serial.

    Raises:
        TypeError: an argument is no number.
        ValueError: serial is not from 0 to 1, or workers below 1.
    """
    need_number("serial", serial, least=0, most=1)
    need_number("workers", workers, least=1)
    return 1 / (serial + (1 - serial) / workers)


def best_learning_rate(largest: float, batch_size: int, noise_scale: float) -> float:
    """The step that gains most on a quadratic loss with a noisy gradient, eq. (6.4) (McCandlish et al., 2018).

    For mini-batches far below the noise scale it grows in proportion to their size, as `scaled_learning_rate` does;
    far above it stays where it is, however large they are.

    Args:
        largest: the best step without noise, η₀ > 0.
        batch_size: B, rows in a mini-batch.
        noise_scale: 𝓑 ≥ 0, the mini-batch at which noise and gradient count alike, in rows.

    Returns:
        η₀ / (1 + 𝓑/B).

    Raises:
        TypeError, ValueError: an argument is none of that.
    """
    need_number("largest", largest, above=0)
    need_size("batch_size", batch_size)
    need_number("noise_scale", noise_scale, least=0)
    return largest / (1 + noise_scale / batch_size)


def roofline(intensity: float, peak: float, bandwidth: float) -> float:
    """The most operations a second that memory and arithmetic together allow, eq. (6.6) (Williams et al., 2009).

    Args:
        intensity: operations for each byte that is moved, above 0.
        peak: operations a second that the chip can do, above 0.
        bandwidth: bytes a second that its memory can move, above 0.

    Returns:
        The smaller of `peak` and `intensity · bandwidth`.

    Raises:
        TypeError, ValueError: an argument is none of that.
    """
    for name, value in (("intensity", intensity), ("peak", peak), ("bandwidth", bandwidth)):
        need_number(name, value, above=0)
    return min(float(peak), float(intensity) * float(bandwidth))
