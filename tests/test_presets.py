import dataclasses

import pytest

from gencourse import preset
from gencourse.presets import PRESETS


def test_book_is_what_one_gets_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENCOURSE_PRESET", raising=False)
    assert preset() is PRESETS["book"]


@pytest.mark.parametrize("name", ["smoke", "book", "full"])
def test_the_variable_chooses(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENCOURSE_PRESET", name)
    assert preset().name == name


@pytest.mark.parametrize("name", ["fast", "", "Book"])
def test_an_unknown_preset_is_answered_with_the_known_ones(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENCOURSE_PRESET", name)
    with pytest.raises(ValueError, match=f"GENCOURSE_PRESET is '{name}': set it to one of smoke, book, full"):
        preset()


def test_each_preset_does_at_least_as_much_as_the_one_before() -> None:
    for small, large in (("smoke", "book"), ("book", "full")):
        for size in ("train_images", "test_images", "short_epochs", "epochs"):
            assert 0 < getattr(PRESETS[small], size) <= getattr(PRESETS[large], size)
    for one in PRESETS.values():
        assert one.train_images <= 60_000 and one.test_images <= 10_000  # MNIST has no more
        assert one.short_epochs <= one.epochs


def test_only_smoke_proves_nothing() -> None:
    assert [name for name, one in PRESETS.items() if not one.proves] == ["smoke"]


def test_a_preset_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset().epochs = 1  # type: ignore[misc]
