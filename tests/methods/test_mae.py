"""Chapter 5's methods: what they look at, what they make small, and what they fill in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.data import ImageDataset
from gencourse.losses import masked_patch_loss, normalise_patches
from gencourse.methods import MAE, AllPatchesMAE, Autoencoder, Classifier, MaskedConvAutoencoder
from gencourse.networks import Plan, patchify, unpatchify
from gencourse.training import Update, adam, fit, warmup_cosine

SHAPE = (1, 28, 28)
QUIET = {"batch_size": 8, "device": "cpu", "progress": False}
BOTH = [lambda **k: small(**k), lambda **k: MaskedConvAutoencoder(width=4, **k)]


def small(kind: type[MAE] = MAE, **options) -> MAE:
    sizes = {"width": 16, "depth": 2, "heads": 2, "decoder_width": 8, "decoder_heads": 2}
    return kind(**{**sizes, **options})


def pictures(n: int = 6, shape: tuple[int, ...] = SHAPE, seed: int = 0) -> Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed))


def dataset(n: int = 20) -> ImageDataset:
    images = torch.randint(0, 256, (n, *SHAPE), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return ImageDataset(images, torch.arange(n) % 4)


def updates(method: nn.Module) -> Update:
    players = {name: list(own) for name, own in method.players().items()}
    return Update(players, {name: adam(own, 1e-2, method.betas) for name, own in players.items()})


class Spy:
    """Takes the place of update: keeps the loss, moves nobody."""

    def __call__(self, player: str, loss: Tensor) -> Tensor:
        self.player, self.loss = player, loss
        return loss.detach()


def some_mask(n: int = 6, hidden: int = 12) -> Tensor:
    order = torch.rand(n, 16, generator=torch.Generator().manual_seed(3)).argsort(1)
    return (order < hidden).long()


# ---- the step ----------------------------------------------------------------------------------------


@pytest.mark.equation("5.5", "5.11")
@pytest.mark.parametrize("options", [{}, {"normalise": True}, {"mask_tokens_in": "encoder"}])
def test_the_step_is_the_papers_list(options: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patchify, hide, encode, decode, compare: with the mask that was drawn, the loss by hand."""
    method, x, spy = small(**options), pictures(), Spy()
    from gencourse.methods import mae

    drawn = []

    def remember(*given):
        drawn.append(real(*given))
        return drawn[-1]

    real = mae.random_masking
    monkeypatch.setattr(mae, "random_masking", remember)
    record = method.step(x, spy)
    ((_, mask, _),) = drawn
    assert mask.sum(1).tolist() == [12] * 6
    target = patchify(x, 7)
    if method.normalise:
        target = normalise_patches(target)
    by_hand = (method.predict(x, mask) - target)[mask.bool()].square().mean()
    torch.testing.assert_close(spy.loss, by_hand, rtol=1e-4, atol=1e-6)
    assert record == {"mae": spy.loss.item()} and spy.player == "mae"


@pytest.mark.equation("5.3")
def test_a_step_of_the_convolutional_network_counts_hidden_pixels_alone() -> None:
    """x̂ = Dec(E((1 − M) ⊙ x, M)) and the mean over hidden pixels, with the mask that the step draws."""
    method, x, spy = MaskedConvAutoencoder(width=4), pictures(), Spy()
    torch.manual_seed(0)
    record = method.step(x, spy)
    torch.manual_seed(0)
    hidden = unpatchify(method.random_mask(6)[:, :, None].expand(-1, -1, 49), 7, 1)
    x_hat = method.decoder(method.encoder(torch.cat([(1 - hidden) * x, hidden], dim=1)))
    by_hand = (hidden * (x - x_hat)).square().sum() / hidden.sum()
    torch.testing.assert_close(spy.loss, by_hand, rtol=1e-4, atol=1e-6)
    assert record == {"mae": spy.loss.item()} and hidden.mean() == 0.5
    # black and hidden are two things: the second channel tells them apart
    black = torch.zeros_like(x)
    a, b = (method.predict(black, mask) for mask in (some_mask(), 1 - some_mask()))
    assert not torch.allclose(a, b)


@pytest.mark.equation("5.15")
def test_loss_on_all_patches_is_the_mix_of_both_parts() -> None:
    method, x, spy = small(AllPatchesMAE), pictures(), Spy()
    torch.manual_seed(0)
    method.step(x, spy)
    torch.manual_seed(0)
    mask = method.random_mask(len(x))
    prediction, target = method.predict(x, mask), patchify(x, 7)
    hidden, seen = (masked_patch_loss(prediction, target, m) for m in (mask, 1 - mask))
    torch.testing.assert_close(spy.loss, 0.75 * hidden + 0.25 * seen, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [*BOTH, lambda: small(mask_tokens_in="encoder", class_token=True)])
def test_one_player_owns_everything_and_everything_learns(make) -> None:
    method = make()
    ((name, own),) = method.players().items()
    assert name == "mae" and {id(p) for p in own} == {id(p) for p in method.parameters()}
    method.step(pictures(), updates(method))
    for weight, parameter in method.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, weight


@pytest.mark.equation("5.3")
@pytest.mark.parametrize("make", BOTH)
@pytest.mark.parametrize("filling", [float("nan"), 7.0])
def test_hidden_pixels_never_reach_the_network(make, filling: float) -> None:
    """Hiding removes: NaN under the mask changes neither the prediction nor a gradient."""
    method, x, mask = make(), pictures(), some_mask()
    pixels = unpatchify(mask[:, :, None].expand(-1, -1, 49), 7, 1).bool()
    spoilt = torch.where(pixels, filling, x)
    found = []
    for given in (x, spoilt):
        method.zero_grad()
        prediction = method.predict(given, mask)
        prediction.square().sum().backward()
        found.append([prediction.detach(), *(p.grad.clone() for p in method.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_the_encoder_handles_visible_patches_only() -> None:
    seen = []
    for place in ("decoder", "encoder"):
        method = small(mask_tokens_in=place)
        method.encoder.blocks.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[1]))
        method.step(pictures(), Spy())
    assert seen == [4, 16]


@pytest.mark.parametrize("make", BOTH)
def test_it_learns_to_continue_stripes(make) -> None:
    """Each picture is one column repeated, so a hidden patch follows from any visible one in its row."""
    torch.manual_seed(0)
    method, mask = make(), some_mask(64, 6)
    x = pictures(64, (1, 28, 1)).expand(-1, -1, -1, 28).round()
    x = x[:, :, ::7].repeat_interleave(7, 2)
    update = updates(method)

    def error() -> float:
        with torch.no_grad():
            return masked_patch_loss(method.predict(x, mask), patchify(x, 7), mask).item()

    before = error()
    for _ in range(60):
        method.step(x, update)
    assert error() < 0.8 * before and error() < 0.24  # 0.25 is the best constant


# ---- filling in --------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", BOTH)
def test_visible_pixels_stay_as_they_are(make) -> None:
    method, x, mask = make(), pictures(), some_mask()
    filled = method.reconstruct(x, mask)
    pixels = unpatchify(mask[:, :, None].expand(-1, -1, 49), 7, 1).bool()
    assert torch.equal(filled[~pixels], x[~pixels]) and not torch.equal(filled[pixels], x[pixels])
    assert filled.min() >= 0 and filled.max() <= 1 and not filled.requires_grad
    expected = unpatchify(method.predict(x, mask), 7, 1).clamp(0, 1)
    assert torch.equal(filled[pixels], expected[pixels])


def test_no_mask_at_all_changes_nothing() -> None:
    x = pictures()
    assert torch.equal(small().inpaint(x, torch.zeros(16)), x)


@pytest.mark.parametrize("make", BOTH)
def test_a_hole_of_any_form_hides_the_patches_that_it_touches(make) -> None:
    method, x = make(), pictures()
    hole = torch.zeros(28, 28)
    hole[5:9, 10:12] = 1  # rows of two patches, one column of patches
    x[:, :, 5:9, 10:12] = torch.nan
    filled = method.inpaint(x, hole)
    assert filled.isfinite().all()
    assert torch.equal(filled[:, :, hole == 0], x[:, :, hole == 0])
    patches = torch.zeros(16)
    patches[[1, 5]] = 1
    whole = method.inpaint(x, patches)
    assert torch.equal(filled[:, :, hole == 1], whole[:, :, hole == 1])
    for same in (hole.expand(6, -1, -1), hole.expand(6, 1, -1, -1)):
        assert torch.equal(method.inpaint(x, same), filled)


def test_pictures_may_miss_different_numbers_of_patches() -> None:
    method, x = small(), pictures()
    mask = torch.stack([(torch.arange(16) < n).long() for n in (0, 3, 15, 3, 8, 1)])
    together = method.inpaint(x, mask)
    for row in range(6):
        alone = method.inpaint(x[row, None], mask[row])
        torch.testing.assert_close(together[row], alone[0], rtol=1e-4, atol=1e-6)


def test_random_reconstruction_follows_its_generator() -> None:
    method, x = small(), pictures()
    one, two, other = (
        method.reconstruct(x, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(one, two) and not torch.equal(one, other)


# ---- features and scores -----------------------------------------------------------------------------


@pytest.mark.parametrize("class_token", [False, True])
def test_features_are_the_mean_token_of_the_whole_picture(class_token: bool) -> None:
    method, x = small(class_token=class_token), pictures()
    tokens = method.encode(x)
    assert tokens.shape == (6, 16 + class_token, 16)
    torch.testing.assert_close(method.features(x), tokens[:, int(class_token) :].mean(1))
    assert torch.equal(method.features(x), method.features(x)), "features must not mask"


@pytest.mark.equation("5.18")
@pytest.mark.parametrize("make", [*BOTH, lambda: small(normalise=True)])
def test_the_anomaly_score_is_the_mean_error_over_its_masks(make) -> None:
    method, x = make(), pictures()
    target = normalise_patches(patchify(x, 7)) if method.normalise else patchify(x, 7)
    score = method.anomaly_score(x, masks=5, seed=1)
    by_hand = torch.zeros(6)
    for mask in method.random_mask(5, torch.Generator().manual_seed(1)):
        mask = mask.expand(6, -1)
        error = (method.predict(x, mask) - target).square().mean(-1)
        by_hand += (error * mask).sum(1) / mask.sum(1) / 5
    torch.testing.assert_close(score, by_hand.detach(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(method.anomaly_score(x[2:3], masks=5, seed=1), score[2:3])
    assert not score.requires_grad


@pytest.mark.equation("5.18")
def test_more_masks_make_the_score_steadier() -> None:
    """Independent masks: the variance falls with their number."""
    method, x = small(), pictures(1)
    one, eight = (torch.cat([method.anomaly_score(x, masks=n, seed=s) for s in range(100)]) for n in (1, 8))
    assert eight.var().item() == pytest.approx(one.var().item() / 8, rel=0.6)
    assert eight.mean().item() == pytest.approx(one.mean().item(), rel=0.1)


# ---- sizes, options, errors --------------------------------------------------------------------------


def test_the_size_of_the_public_implementation() -> None:
    method = MAE((3, 32, 32), patch=4, width=96, decoder_depth=2, class_token=True)
    assert sum(p.numel() for p in method.parameters()) == 561_840


def test_the_convolutional_network_has_a_sane_size() -> None:
    """Source document 004 has 1 615 606 019 parameters at this picture size, and a code that is larger than it."""
    method = MaskedConvAutoencoder((3, 256, 256))
    for half in (method.encoder, method.decoder):
        assert 135_000 < sum(p.numel() for p in half.parameters()) < 137_000
    with torch.no_grad():
        code = method.encode(pictures(1, (3, 256, 256)))
        assert code.shape == (1, 8, 64, 64) and code.numel() == 32_768
        assert method.decoder(code).shape == (1, 3, 256, 256)


@pytest.mark.parametrize(
    ("side", "patch"), [(28, 7), (32, 4), (36, 6), (48, 6), (64, 8), (128, 16), (224, 28), (256, 32)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_it_takes_pictures_of_every_size(side: int, patch: int, channels: int) -> None:
    method = small(shape=(channels, side, side))
    assert method.patch == patch
    x = pictures(2, (channels, side, side))
    method.step(x, Spy())
    assert method.reconstruct(x).shape == x.shape and method.features(x).shape == (2, 16)


def test_the_seed_decides_the_initial_weights() -> None:
    torch.manual_seed(1)
    one = small(seed=3).state_dict()
    torch.manual_seed(2)
    two, other = small(seed=3).state_dict(), small(seed=4).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["encoder.embed.weight"], other["encoder.embed.weight"])


@pytest.mark.parametrize("make", BOTH)
def test_fit_trains_saves_and_resumes_it(make, tmp_path: Path) -> None:
    schedule = {"schedule": warmup_cosine(0.2)}
    whole, broken = make(), make()
    history = fit(whole, dataset(), epochs=3, **schedule, **QUIET)
    assert history["mae"][-1] < history["mae"][0]

    step, calls = broken.step, []

    def stop_in_the_last_epoch(*given):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return step(*given)

    broken.step = stop_in_the_last_epoch
    path = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        fit(broken, dataset(), epochs=3, checkpoint=path, **schedule, **QUIET)
    again = make()
    fit(again, dataset(), epochs=3, checkpoint=path, resume=True, **schedule, **QUIET)
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: small(shape=(1, 16, 16)), "28 to 256 pixels"),
        (lambda: small(patch=5), "patch is 5: give a divisor of both sides, 1, 2, 4, 7, 14, 28"),
        (lambda: small(mask_ratio=0.0), "mask_ratio is 0.0: of 16 patches"),
        (lambda: small(mask_ratio=0.98), "mask_ratio is 0.98.*from 0.0625 to 0.938"),
        (lambda: small(mask_tokens_in="both"), "mask_tokens_in is 'both': choose one of decoder, encoder"),
        (lambda: small(depth=0), "depth is 0"),
        (lambda: small(width=18), "width is 18"),
        (lambda: small(heads=3), "heads is 3"),
        (lambda: MaskedConvAutoencoder((1, 30, 30)), "multiples of 4"),
        (lambda: MaskedConvAutoencoder(patch=5), "patch is 5"),
        (lambda: small().accepts(pictures(2, (1, 32, 32)), None), r"data has shape .* give \(B, 1, 28, 28\)"),
        (lambda: small().features(pictures(2, (3, 28, 28))), "x has shape"),
        (lambda: small().inpaint(pictures(), torch.ones(16)), "mask hides every patch"),
        (lambda: small().inpaint(pictures(), torch.ones(15)), r"mask has shape \(15,\)"),
        (lambda: small().anomaly_score(pictures(), masks=0), "masks is 0"),
        (lambda: Classifier(nn.Linear(2, 2)), "encoder is a Linear without 'features'"),
        (lambda: Classifier(small().encoder, classes=1), "classes is 1"),
        (lambda: Classifier(small().encoder).step(pictures(), Spy()), "y is None"),
    ],
)
def test_errors_are_one_sentence(call, says: str) -> None:
    with pytest.raises(ValueError, match=says) as error:
        call()
    assert str(error.value).endswith(".") and "\n" not in str(error.value)


@pytest.mark.parametrize("verb", ["sample", "decode"])
def test_what_it_cannot_do_it_says(verb: str) -> None:
    with pytest.raises(NotImplementedError, match=f"MAE cannot {verb}: "):
        getattr(small(), verb)(3)
    with pytest.raises(NotImplementedError, match="without their mean and spread"):
        small(normalise=True).reconstruct(pictures())
    assert small(normalise=True).anomaly_score(pictures()).shape == (6,)


# ---- few labels --------------------------------------------------------------------------------------


def test_the_classifier_starts_from_a_copy_of_the_encoder() -> None:
    method = small()
    before = {name: t.clone() for name, t in method.state_dict().items()}
    classifier, x = Classifier(method.encoder, 4), pictures()
    torch.testing.assert_close(classifier.features(x), method.features(x))
    torch.testing.assert_close(classifier(x), classifier.head(method.features(x)))
    fit(classifier, dataset(), **QUIET)
    assert all(torch.equal(before[name], t) for name, t in method.state_dict().items())
    moved = classifier.encoder.state_dict()["embed.weight"]
    assert not torch.equal(moved, before["encoder.embed.weight"])


def test_a_frozen_encoder_stays_as_it_is() -> None:
    classifier = Classifier(small().encoder, 4, frozen=True)
    before = [p.clone() for p in classifier.encoder.parameters()]
    head = classifier.head.weight.clone()
    fit(classifier, dataset(), **QUIET)
    assert all(torch.equal(a, b) for a, b in zip(before, classifier.encoder.parameters(), strict=True))
    assert not torch.equal(head, classifier.head.weight)


def test_the_classifier_makes_the_cross_entropy_small_and_learns() -> None:
    x, y, spy = pictures(4), torch.arange(4), Spy()
    classifier = Classifier(small().encoder, 4)
    classifier.step(x, spy, y)
    torch.testing.assert_close(spy.loss, F.cross_entropy(classifier(x), y))
    update = updates(classifier)
    for _ in range(40):
        classifier.step(x, update, y)
    assert (classifier.classify(x) == y).all()


@pytest.mark.parametrize("make", BOTH)
def test_its_error_measures_like_chapter_ones(make) -> None:
    """Other methods' tools take `reconstruct` as they take an autoencoder's."""
    from gencourse.evaluation import errors_of

    assert (
        errors_of(make().reconstruct, dataset()).shape
        == errors_of(Autoencoder(Plan("dense", (8,))).reconstruct, dataset()).shape
    )


def test_sides_go_up_to_256_pixels() -> None:
    assert MAE((1, 28, 256), width=8, heads=2, depth=1, decoder_width=8, decoder_heads=2).shape == (
        1,
        28,
        256,
    )
    for shape in ((1, 28, 257), (1, 257, 28), (1, 27, 28), (1, 28, 27)):
        with pytest.raises(ValueError, match="give pictures of 28 to 256 pixels a side"):
            MAE(shape)


def test_a_picture_gets_the_class_with_the_largest_logit() -> None:
    method, x = Classifier(small().encoder, classes=4), torch.rand(7, *small().shape)
    found, logits = method.classify(x), method(x)
    assert found.shape == (7,) and logits.shape == (7, 4)
    assert torch.equal(logits.gather(1, found[:, None])[:, 0], logits.amax(1))


def test_the_repaired_recipe_halves_twice_and_doubles_twice() -> None:
    network = MaskedConvAutoencoder()
    sizes, x = [], torch.rand(1, 2, 28, 28)
    for layer in (*network.encoder, *network.decoder):
        x = layer(x)
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            sizes.append(tuple(x.shape[1:]))
    assert sizes == [(64, 14, 14), (128, 7, 7), (8, 7, 7), (128, 7, 7), (64, 14, 14), (1, 28, 28)]
