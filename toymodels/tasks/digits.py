"""Handwritten digits: 1797 real images of 8 x 8 pixels in ten classes, which ship inside scikit-learn.

Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits (UCI), test part.
"""

from __future__ import annotations

import functools

import numpy as np

from toymodels.tasks.supervised import Dataset, Examples, split

SIDE = 8
SIZES = (897, 300, 600)
"""Images of the training, validation and test part."""
SEED = 0


@functools.cache
def digits() -> Dataset:
    """The images as rows of 64 brightnesses in [-1, 1] (float64), always split in the same way.

    Blank is -1, not 0: three pixels are blank in all images, and their weights would never see a gradient, so that
    Adam without eps would divide 0 by 0.

    >>> [part.x.shape for part in digits()[:3]]
    [(897, 64), (300, 64), (600, 64)]
    """
    from sklearn.datasets import load_digits  # slow to import

    images, labels = load_digits(return_X_y=True)
    return split(Examples(np.asarray(images) / 8 - 1, np.asarray(labels, np.int32)), SIZES, 10, SEED)
