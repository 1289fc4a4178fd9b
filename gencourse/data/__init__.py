"""Images in: the embedded MNIST, torchvision's sets, scikit-learn's digits, your own folder. Points, too."""

from gencourse.data.dataset import ImageDataset
from gencourse.data.idx import DamagedFileError, read_idx
from gencourse.data.points import PointDataset, ring
from gencourse.data.sources import load, load_folder

__all__ = [
    "DamagedFileError",
    "ImageDataset",
    "PointDataset",
    "load",
    "load_folder",
    "read_idx",
    "ring",
]
