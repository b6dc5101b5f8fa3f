"""What counts as a run: dims and rows that an estimator reduces."""

from __future__ import annotations

from runs.experiment import Comparison
from runs.userdata import kinds
from runs.userdata.arrange import SEED_COLUMNS
from runs.userdata.assemble import Assembled, run_dims, tabular_repeats
from runs.userdata.inputs import Inputs
from runs.userdata.observables import Measured, own_dims
from runs.userdata.request import Request
from runs.userdata.source import Source
from theory.claim import Claim
from toymodels.comparator import Statistical
from toymodels.errors import UsageError

RUN_KINDS = ("statistical", "exponent", "asymptotic")


def kind_and_runs(
    request: Request,
    claim: Claim,
    known: tuple[Comparison, ...],
    source: Source,
    inputs: Inputs,
    seen: Measured | None,
    bracketed: bool,
) -> tuple[str, tuple[str, ...], bool]:
    """The kind as a word, run dims of labelled data, and whether points have several runs."""
    over: tuple[str, ...] = ()
    if seen is not None and not source.tabular:
        over = run_dims(request, seen.values, _declared_over(known))
        repeated = any(seen.values.sizes[d] > 1 for d in over)
    else:
        repeated = not bracketed and tabular_repeats(request, inputs, claim, source)
    word = kinds.kind_name(request, claim, known, bracketed=bracketed, repeated=repeated)
    if word == "boundary" and not bracketed:
        raise UsageError(
            "--kind boundary needs a bracket: columns lower (no hit yet) and upper (a hit), or --lower and --upper. "
            f"{source.path} has: {source.listing}."
        )
    if word not in RUN_KINDS:
        return word, (), False
    return word, over, repeated or word == "statistical"


def _declared_over(known: tuple[Comparison, ...]) -> tuple[str, ...]:
    found = [c.kind for c in known if isinstance(c.kind, Statistical)]
    return found[0].run_dims if found else ()


def runs_of(
    request: Request,
    claim: Claim,
    known: tuple[Comparison, ...],
    ready: Assembled,
    labelled: tuple[str, ...],
    word: str,
    name: str,
) -> tuple[str, ...]:
    """Dims that the estimator runs over. Comparisons that the experiments pool over settings are pooled here too."""
    if word not in RUN_KINDS or name not in ready.data:
        return ()
    dims = tuple(str(d) for d in ready.data[name].dims)
    if not ready.run_dims:
        return labelled
    if request.runs or not _pools(known, request, own_dims(claim)):
        return ready.run_dims
    own = set(_declared_over(known))
    return tuple(d for d in dims if d in ready.run_dims or d in own or d not in own_dims(claim))


def _pools(known: tuple[Comparison, ...], request: Request, own: tuple[str, ...]) -> bool:
    model = kinds.model_for(request, known, "statistical")
    over = model.kind.run_dims if model and isinstance(model.kind, Statistical) else ()
    return bool(set(over) - set(own) - set(SEED_COLUMNS))


def check_runs(ready: Assembled, name: str, over: tuple[str, ...], word: str, source: Source) -> None:
    if word != "statistical":
        return
    dims = {str(d): n for d, n in ready.data[name].sizes.items()}
    if not over:
        raise UsageError(
            f"An estimate over runs needs a dim that counts them, and {name} has {', '.join(dims) or 'none'}: name it "
            "with --runs-dim NAME, or give --kind exact (with --error for the numerical error)."
        )
    if all(dims[d] == 1 for d in over):
        raise UsageError(
            f"{source.path} holds a single run ({', '.join(over)} = 1), and an estimate over runs needs several. "
            "Give more seeds, or --kind exact (with --error for the numerical error)."
        )
