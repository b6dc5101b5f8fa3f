"""The names that the claims about scale-invariant weights use, and the conditions that several of them share.

A vocabulary of its own: beta1 = 0 belongs to these laws, while others divide by beta1.
"""

from __future__ import annotations

from sympy import Abs, Expr, Interval, S, exp, oo

from theory.claim import Assumption, Vocabulary

V = Vocabulary()
AVERAGE = Interval.Ropen(0, 1)
beta1 = V.symbol("beta1", "decay of the average of gradients", domain=AVERAGE, latex=r"\beta_1", typical=(0.1, 0.95))
beta2 = V.symbol("beta2", "decay of the average of squares", domain=AVERAGE, latex=r"\beta_2", typical=(0.95, 0.999))
lr = V.symbol("learning_rate", "step size", domain=Interval.open(0, oo), latex=r"\eta", typical=(0.01, 0.5))
wd = V.symbol(
    "weight_decay",
    "decoupled weight decay, multiplied by the learning rate",
    domain=Interval.open(0, oo),
    latex=r"\lambda",
    typical=(0.05, 1),
)
step = V.symbol("step", "number of updates made", unit="step", domain=S.Naturals, latex="n", typical=(2, 60))
lag = V.symbol(
    "lag", "number of updates between two looks", unit="step", domain=S.Naturals0, latex="k", typical=(2, 60)
)
dim = V.symbol("dim", "number of weights", domain=S.Naturals, latex="d", typical=(32, 300))
tail = V.symbol(
    "tail", "spread of the logarithm of the size of the noise from step to step", domain=Interval(0, oo), typical=(0, 1)
)
square_update = V.symbol(
    "mean_square_update",
    "mean of |u_n|^2 over time, all weights together",
    domain=Interval.open(0, oo),
    latex=r"\langle|u|^2\rangle",
    typical=(1, 50),
)
discounted_update = V.symbol(
    "discounted_square_update",
    "mean of |u_k|^2 over all updates so far with weights exp(-2 learning_rate weight_decay (n - k))",
    domain=Interval.open(0, oo),
    latex=r"\langle|u|^2\rangle_n",
    typical=(1, 50),
)
start_norm = V.symbol(
    "initial_square_norm", "|W|^2 at the start", domain=Interval.open(0, oo), latex="|W_0|^2", typical=(1, 9)
)
fresh_overlap = V.symbol(
    "mean_fresh_overlap",
    "mean over time of what the gradient of step n alone adds to <W_{n-1}, u_n>",
    latex="F",
    typical=(-0.01, 0.01),
)
now_update = V.symbol("square_update", "|u_n|^2", domain=Interval(0, oo), latex="|u_n|^2", typical=(1, 50))
last_update = V.symbol(
    "previous_square_update", "|u_{n-1}|^2", domain=Interval(0, oo), latex="|u_{n-1}|^2", typical=(1, 50)
)
last_overlap = V.symbol("previous_overlap", "<W_{n-2}, u_{n-1}>", latex="P_{n-1}", typical=(-5, -0.1))
scale_ratio = V.symbol(
    "scale_ratio",
    "sqrt(v) with its bias correction at n - 1 over that at n, times (1 - beta1^(n-1))/(1 - beta1^n)",
    domain=Interval(0, oo),
    latex="r_n",
    typical=(0.5, 2),
)

PAPER, EQUILIBRIUM = "Gould2024", "Kosson2023"
decay = lr * wd
rho = 1 - decay
MEMORY = (1 + beta1) / (1 - beta1)
"""What momentum multiplies the growth of |W|^2 by."""
EXACT_MEMORY = (1 + beta1 * rho) / (1 - beta1 * rho)
SLOWNESS = decay / (1 - beta1)
"""Time over which momentum averages, in units of the time over which weights decay."""
QUASI_STEADY_NORM = lr * square_update * MEMORY / (2 * wd)

SHRINKS = Assumption("an update shrinks the weights, and keeps their sign", decay < 1.0)
FORGOTTEN = Assumption(
    "the time mean leaves out the first half of the steps, and the start is forgotten by then",
    decay * step > 5.0,
    reason="what the start contributes to |W|^2 fades as exp(-2 learning_rate weight_decay n)",
)
START = Assumption(
    "the weights did not start too long to be forgotten by then",
    start_norm * exp(-decay * step) < 0.02 * QUASI_STEADY_NORM,
)
STEADY = Assumption(
    "v averages over at least 20 steps",
    1 - beta2 < 0.0501,
    reason="v of a weight that follows its own last gradients correlates with the update",
)
MANY = Assumption(
    "at least 32 weights", dim > 31.5, reason="few weights settle near coordinate axes, where sqrt(v) differs most"
)
EVEN_NOISE = Assumption(
    "the size of the noise is nearly constant", tail < 0.3, reason="v must not jump within the memory of momentum"
)
MISFIT = 2 * fresh_overlap / (lr * square_update * (1 + beta1))
"""Relative error of the norm where sqrt(v) is not uniform along W."""
UNIFORM = Assumption(
    "sqrt(v) is uniform along W: gradients divided by it stay orthogonal to W in the mean",
    Abs(MISFIT) < 0.03,
    reason="|W|^2 is off by this share",
)
QUICK = Assumption(
    "momentum averages over a small part of the time over which weights decay",
    SLOWNESS < 0.03,
    reason="|W|^2 is off by up to this share",
)
STEADY_STATE = (SHRINKS, FORGOTTEN, START, STEADY, MANY, EVEN_NOISE, UNIFORM)


def mean_overlap() -> Expr:
    """<W_{n-1}, u_n> in the time mean, where it obeys P = beta1 (rho P - learning_rate |u|^2)."""
    return -lr * beta1 * square_update / (1 - beta1 * rho)


def exact_norm() -> Expr:
    """|W|^2 in the time mean."""
    return lr**2 * square_update / (1 - rho**2) * EXACT_MEMORY
