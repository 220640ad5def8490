"""The 1,797 handwritten digits that come with scikit-learn (8x8 pixels, 16 grey values, 10 classes)."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from freedarts.tasks import Data

TEST_IMAGES = 360


def load(folder: None = None) -> Data:
    """A stratified split, 1,437 to train and 360 to test on; images enlarged to 32x32 with three equal channels,
    normalised with the training images' mean and standard deviation."""
    digits = load_digits()
    train, test = train_test_split(
        range(len(digits.target)), test_size=TEST_IMAGES, stratify=digits.target, random_state=0
    )
    images = torch.from_numpy(digits.images).float().unsqueeze(1)
    labels = torch.from_numpy(digits.target).long()
    images = F.interpolate(images, size=(32, 32), mode="bilinear", align_corners=False)
    images = ((images - images[train].mean()) / images[train].std()).expand(-1, 3, -1, -1)
    return Data(images[train], labels[train], images[test], labels[test], classes=10)
