"""What the tasks of supervised learning have in common: examples, and their three disjoint parts."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np


class Examples(NamedTuple):
    """Inputs x (examples, ...) and the classes y (examples, ...) that belong to them, whole numbers from 0."""

    x: np.ndarray
    y: np.ndarray


class Dataset(NamedTuple):
    """Disjoint parts: weights are trained on one, learning rates chosen by another, results read off the third."""

    train: Examples
    validation: Examples
    test: Examples
    classes: int


def split(examples: Examples, sizes: tuple[int, int, int], classes: int, seed: int) -> Dataset:
    """Deal out `sizes` examples to the three parts, in an order drawn from `seed`."""
    order = np.random.default_rng(seed).permutation(len(examples.x))
    train, validation, test = (order[start:end] for start, end in itertools.pairwise(np.cumsum((0, *sizes))))

    def chosen(part: np.ndarray) -> Examples:
        return Examples(examples.x[part], examples.y[part])

    return Dataset(chosen(train), chosen(validation), chosen(test), classes)
