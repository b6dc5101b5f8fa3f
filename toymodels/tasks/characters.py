"""Text from a Markov chain over a small alphabet: the next character depends on the last two.

Nothing is downloaded, and the least possible loss is known: it is the entropy of a character given the two before it.
"""

from __future__ import annotations

import functools

import numpy as np

from toymodels.tasks.supervised import Dataset, Examples, split

ALPHABET = "abcdefgh"
CONTEXT = 16
"""Characters of a window; each of them is to be followed by the right one."""
SIZES = (512, 128, 256)
"""Windows of the training, validation and test part. They do not overlap."""
CONCENTRATION = 0.2
"""Of the Dirichlet law of a row of the chain: small means that few characters can follow a pair."""
SEED = 0


@functools.cache
def chain() -> np.ndarray:
    """P(next | last but one, last), shape (letters, letters, letters)."""
    letters = len(ALPHABET)
    rows = np.random.default_rng(SEED).dirichlet(np.full(letters, CONCENTRATION), size=(letters, letters))
    # Every character can follow every pair: the chain has one stationary law.
    return 0.95 * rows + 0.05 / letters


@functools.cache
def text() -> str:
    """All windows in a row, as one text."""
    random = np.random.default_rng(SEED + 1)
    steps = np.cumsum(chain(), axis=-1)
    draws = random.random(sum(SIZES) * (CONTEXT + 1) + 100)
    found = [0, 1]
    for draw in draws:
        found.append(min(int(np.searchsorted(steps[found[-2], found[-1]], draw)), len(ALPHABET) - 1))
    return "".join(ALPHABET[letter] for letter in found[102:])


@functools.cache
def characters() -> Dataset:
    """Windows of `CONTEXT` characters as numbers from 0 (int32), and for each of them the character that follows.

    >>> characters().train.x.shape, characters().train.y.shape
    ((512, 16), (512, 16))
    """
    numbers = np.array([ALPHABET.index(letter) for letter in text()], np.int32)
    windows = numbers.reshape(sum(SIZES), CONTEXT + 1)
    return split(Examples(windows[:, :-1], windows[:, 1:]), SIZES, len(ALPHABET), SEED)


@functools.cache
def least_loss() -> float:
    """Mean cross-entropy of the chain itself in nats, over infinitely long text.

    >>> 0 < least_loss() < np.log(len(ALPHABET))
    True
    """
    step = chain()
    pairs = np.full(step.shape[:2], 1 / step[..., 0].size)
    for _ in range(500):
        pairs = np.einsum("ab,abc->bc", pairs, step)
    return float(-np.einsum("ab,abc->", pairs, step * np.log(step)))
