import math

import pytest
import torch

from gencourse import claim
from gencourse.claims import ClaimError


@pytest.fixture(autouse=True)
def book(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENCOURSE_PRESET", "book")


def test_a_claim_that_holds_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    claim("small", 1, at_most=2)
    claim("large", 3.0, at_least=2)
    claim("at both ends", torch.tensor([2.0]), at_least=2, at_most=2)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("value", [0.999, 2.001, math.inf, -math.inf])
def test_a_value_outside_its_band_stops_the_book(value: float) -> None:
    with pytest.raises(ClaimError, match=r"The book states: the loss falls\. Measured .* outside \[1, 2\]"):
        claim("the loss falls", value, at_least=1, at_most=2)


def test_results_of_training_are_not_expected_of_a_smoke_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENCOURSE_PRESET", "smoke")
    claim("the loss falls", 5, at_most=2)
    with pytest.raises(ClaimError):
        claim("one is two", 1, at_least=2, always=True)
    with pytest.raises(ClaimError, match="Not a number: the loss falls"):
        claim("the loss falls", math.nan, at_most=2)


@pytest.mark.parametrize("preset", ["book", "full"])
def test_other_presets_prove(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENCOURSE_PRESET", preset)
    with pytest.raises(ClaimError):
        claim("the loss falls", 5, at_most=2)


def test_a_claim_needs_a_band_that_is_not_empty() -> None:
    with pytest.raises(ValueError, match=r"has no band: give at_least, at_most or both"):
        claim("anything", 1)
    with pytest.raises(ValueError, match=r"empty band: at_least=2 is above at_most=1"):
        claim("anything", 1, at_least=2, at_most=1)


def test_a_claim_about_a_short_run_is_not_checked_where_runs_are_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GENCOURSE_PRESET", "full")
    claim("one is two", 1, at_least=2, short=True)
    with pytest.raises(ClaimError, match="Not a number"):
        claim("not a number", float("nan"), at_least=2, short=True)
    with pytest.raises(ClaimError, match="one is two"):
        claim("one is two", 1, at_least=2)
    monkeypatch.setenv("GENCOURSE_PRESET", "book")
    with pytest.raises(ClaimError, match="one is two"):
        claim("one is two", 1, at_least=2, short=True)
