import pytest
import torch
from torch import nn

from gencourse.networks import ConvDecoder, ConvEncoder, conv_stages

FITTING = (28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256)


@pytest.mark.parametrize("size", FITTING)
def test_halving_ends_at_four_to_seven_pixels(size: int) -> None:
    stages = conv_stages((1, size, size))
    assert size % 2**stages == 0
    assert 4 <= size // 2**stages <= 7


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [28, 32, 40, 96, 256])
def test_pictures_go_to_codes_and_back_to_their_shape(size: int, channels: int) -> None:
    shape = (channels, size, size)
    encoder, decoder = ConvEncoder(shape, code_size=6, width=2), ConvDecoder(6, shape, width=2)
    z = encoder(torch.rand(2, *shape))
    assert z.shape == (2, 6)
    assert decoder(z).shape == (2, *shape)


@pytest.mark.parametrize("sides", [(28, 32), (32, 28), (64, 96), (48, 256)])
def test_rectangles_go_through_too(sides: tuple[int, int]) -> None:
    shape = (3, *sides)
    assert 4 <= min(sides) >> conv_stages(shape) <= 7
    encoder, decoder = ConvEncoder(shape, code_size=6, width=2), ConvDecoder(6, shape, width=2)
    assert decoder(encoder(torch.rand(2, *shape))).shape == (2, *shape)


@pytest.mark.parametrize("size", [28, 64, 256])
def test_the_decoder_is_the_encoders_mirror_image(size: int) -> None:
    """The shapes between the layers, read backwards, are those of the encoder."""
    shape = (3, size, size)

    def shapes(net: nn.Module, kind: type[nn.Module], x: torch.Tensor) -> list[tuple[int, ...]]:
        seen: list[tuple[int, ...]] = []
        for layer in net.modules():
            if isinstance(layer, kind):
                layer.register_forward_hook(
                    lambda _, inputs, output: seen.extend([tuple(inputs[0].shape), tuple(output.shape)])
                )
        net(x)
        return seen

    down = shapes(ConvEncoder(shape, 6, width=2), nn.Conv2d, torch.rand(1, *shape))
    up = shapes(ConvDecoder(6, shape, width=2), nn.ConvTranspose2d, torch.rand(1, 6))
    assert up == down[::-1]
    encoder, decoder = ConvEncoder(shape, 6, width=2), ConvDecoder(6, shape, width=2)
    assert encoder.head.weight.shape == decoder.head.weight.T.shape


def test_widths_double_up_to_eight_times_the_first() -> None:
    widths = [
        m.out_channels for m in ConvEncoder((1, 256, 256), 4, width=2).modules() if isinstance(m, nn.Conv2d)
    ]
    assert widths == [2, 4, 8, 16, 16, 16]


def test_the_decoder_gives_any_real_number() -> None:
    torch.manual_seed(0)
    decoder = ConvDecoder(3, (1, 28, 28), width=2)
    x = decoder(100 * torch.randn(16, 3))
    assert x.min() < 0 and x.max() > 1


@pytest.mark.parametrize(
    "shape", [(1, 8, 8), (1, 27, 27), (3, 30, 30), (1, 512, 512), (1, 28, 30), (1, 96, 50)]
)
def test_a_wrong_size_names_those_that_fit(shape: tuple[int, int, int]) -> None:
    for build in (conv_stages, lambda s: ConvEncoder(s, 4), lambda s: ConvDecoder(4, s)):
        with pytest.raises(ValueError, match=r"28, 32, .* 256") as caught:
            build(shape)
        assert str(shape) in str(caught.value)


def test_the_sizes_that_the_message_names_are_all_that_fit() -> None:
    def fits(size: int) -> bool:
        try:
            conv_stages((1, size, size))
        except ValueError:
            return False
        return True

    assert tuple(size for size in range(1, 300) if fits(size)) == FITTING


@pytest.mark.parametrize("size", [28, 32, 64])
def test_the_start_keeps_the_size_of_the_signal(size: int) -> None:
    """With torch's own start the decoder's output is some ten times smaller, and short codes get stuck."""
    torch.manual_seed(0)
    picture = torch.randn(64, 1, size, size)
    code = torch.randn(64, 8)
    for network, given in (
        (ConvEncoder((1, size, size), 8), picture),
        (ConvDecoder(8, (1, size, size)), code),
    ):
        ratio = network(given).square().mean().sqrt() / given.square().mean().sqrt()
        assert 0.5 < ratio < 2.5
