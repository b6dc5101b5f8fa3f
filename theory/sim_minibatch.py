"""Structured identity mapping: how minibatches scatter the learning times of the tied linear network.

Setting: theory/sim.py, on N sampled points, B of them a step, reshuffled every epoch of K = floor(N/B) steps.
A concept alone has d log(w/(1 - w)) = 4 a(t) dt with a(t) the second moment of the batch: its logarithm adds up noise
whatever w is. Drawing without replacement cancels most of it: after every epoch only the points left over remain.
"""

from __future__ import annotations

import numpy as np
from sympy import Expr, Integral, S, exp, log, oo, pi, simplify, sqrt, symbols

from theory.claim import Assumption, Claim, Derived, Quantity, Source, Step, symbolic
from theory.sim_vocabulary import POSITIVE, V, a, lr

Array = np.ndarray


def square_variances(mu: Array, sigma: Array) -> Array:
    """Variance of z_p^2 over the data, z_p normal around mu_p in one cluster of s and around 0 in the others."""
    mu, sigma = np.broadcast_arrays(mu, sigma)
    share = 1.0 / mu.shape[-1]
    second, fourth = (share * moment + rest for moment, rest in _moments(mu, sigma))
    return fourth - second**2


def _moments(mu: Array, sigma: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """What the own cluster adds to the second and fourth moment, and what all have."""
    return (mu**2, sigma**2), (mu**4 + 6 * mu**2 * sigma**2, 3 * sigma**4)


batch = V.symbol("batch", "points in a minibatch", domain=S.Naturals, latex="B", typical=(16, 256))
points = V.symbol("points", "points of training data", domain=S.Naturals, latex="N", typical=(500, 10_000))
batches = V.symbol("batches", "minibatches in an epoch", domain=S.Naturals, latex="K", typical=(2, 80))
spread = V.symbol(
    "square_variance", "variance of the squared coordinate over the data", unit="1/time^2", domain=POSITIVE,
    dims=("concept",), typical=(0.2, 5.0), derived=Derived(square_variances, ("mu", "sigma")),
)  # fmt: skip
quiet = V.symbol("quiet_time", "learning time on the full batch", unit="time", domain=POSITIVE, dims=("concept",))

USED = batches * batch / points
STEPS = quiet / lr
SUM = spread / batch * (STEPS * (1 - USED) + USED * (batches - 1 / batches) / 6)
"""Variance of the sum over the steps of (batch moment - full moment)."""

k, m, n, x, z_mu, z_sigma = symbols("k m n x mu sigma", positive=True)


def _without_replacement() -> Expr:
    """Variance of the mean of k batches from that of one point and the covariance of two, minus S^2 (1 - kB/N)/(kB)."""
    drawn = k * batch
    variance = drawn * spread * (1 - 1 / points) - drawn * (drawn - 1) * spread / points
    return simplify(variance / drawn**2 - spread / drawn * (1 - drawn / points))


def _sum_over_steps() -> Expr:
    """Variance of the sum over m epochs and k more batches, averaged over k = 0 ... K - 1 at m K + k = n."""
    epoch = batches * spread / batch * (1 - USED)
    rest = k * spread / batch * (1 - k * batch / points)
    phase = ((n - k) / batches * epoch + rest).expand()
    first, second = (batches - 1) / 2, (batches - 1) * (2 * batches - 1) / 6
    return phase.coeff(k, 0) + phase.coeff(k, 1) * first + phase.coeff(k, 2) * second


def _logit_rate() -> Expr:
    """d log(w/(1 - w))/dt for w' = 4 a w (1 - w), minus 4 a."""
    return log(x / (1 - x)).diff(x) * 4 * a * x * (1 - x) - 4 * a


def _fourth_moment() -> Expr:
    """E z^4 of a normal number minus mu^4 + 6 mu^2 sigma^2 + 3 sigma^4."""
    u = symbols("u", real=True)
    density = exp(-(u**2) / 2) / sqrt(2 * pi)
    value = Integral(((z_mu + z_sigma * u) ** 4).expand() * density, (u, -oo, oo)).doit()
    return simplify(value - (z_mu**4 + 6 * z_mu**2 * z_sigma**2 + 3 * z_sigma**4))


minibatch_variance = Claim(
    id="sim.minibatch_variance",
    title="How far minibatches move a learning time",
    statement=lr**2 * SUM / a**2,
    vocabulary=V,
    predicts=Quantity("mean square of the shift of learning_time", unit="time^2"),
    kind="closed form",
    source=Source.own("log(w/(1 - w)) adds up the noise of a; batches are drawn without replacement"),
    assumptions=(
        Assumption("the noise of one step is small", lr * sqrt(spread / batch) < 0.05),
        Assumption("a run takes several epochs", STEPS / batches > 2, "the phase in the last epoch is averaged over"),
    ),
    validity={"noise": lr * sqrt(spread / batch), "left_over": 1 - USED},
    derivation=(
        Step("log(w/(1 - w)) of a concept alone grows at the rate 4 a, whatever w", symbolic(_logit_rate)),
        Step("the mean of k batches drawn without replacement", symbolic(_without_replacement)),
        Step(
            "the sum over the steps of a run: whole epochs, and the begun one on average",
            symbolic(_sum_over_steps, lambda: SUM.subs(quiet, n * lr)),
        ),
        Step("the fourth moment of a normal number, for the variance of z^2", symbolic(_fourth_moment)),
        Step(
            "the time shifts by learning_rate times that sum over a",
            symbolic(lambda law: law * (4 * a) ** 2, lambda: (4 * lr) ** 2 * SUM),
        ),
    ),
)

CLAIMS = (minibatch_variance,)
