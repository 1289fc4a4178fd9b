"""Images in: the embedded MNIST, torchvision's sets, scikit-learn's digits, your own folder, streams. Points, too."""

from gencourse.data.dataset import ImageDataset, as_dataset
from gencourse.data.folder import load_folder
from gencourse.data.idx import DamagedFileError, read_idx
from gencourse.data.pictures import read_picture, save_picture
from gencourse.data.points import PointDataset, ring
from gencourse.data.shapes import shapes
from gencourse.data.sources import load
from gencourse.data.stream import stream

__all__ = [
    "DamagedFileError",
    "ImageDataset",
    "PointDataset",
    "as_dataset",
    "load",
    "load_folder",
    "read_idx",
    "read_picture",
    "ring",
    "save_picture",
    "shapes",
    "stream",
]
