"""Any file of runs as a `Source`."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from runs.userdata.delimited import read_table
from runs.userdata.source import ROW, Source
from toymodels.engine.finalise import RESULT
from toymodels.errors import EnvironmentProblem, UsageError, unknown

HDF5, NETCDF3 = b"\x89HDF", b"CDF"
ALLOWED = "CSV (also .tsv, .txt, .gz), NetCDF, npz, Parquet, or a result directory of toymodels"


def read(path: Path, group: str | None = None, preferred: tuple[str, ...] = ()) -> Source:
    """The data in `path`. `group` chooses one of several groups; without it the first of `preferred` that is there.

    Raises `EnvironmentProblem` for what is missing or damaged, `UsageError` for what cannot be understood.
    """
    if not path.exists():
        near = (
            sorted(p.name for p in path.parent.glob("*") if p.suffix == path.suffix)[:5] if path.parent.is_dir() else []
        )
        there = f" The directory holds {', '.join(near)}." if near else " Check the path."
        raise EnvironmentProblem(f"There is no file {path}.{there}")
    if path.is_dir():
        return Source.labelled(_grouped(path, _open_zarr(path), group, preferred), path)
    if group is not None and path.suffix.lower() not in (".nc", ".nc4", ".h5", ".netcdf"):
        raise UsageError(f"--group {group} needs a NetCDF file or a result directory; {path} has no groups.")
    magic = _first_bytes(path)
    if not magic:
        raise EnvironmentProblem(f"{path} is empty; it must hold a header line and at least one row of numbers.")
    if magic.startswith((HDF5, NETCDF3)):
        engine = "h5netcdf" if magic.startswith(HDF5) else "scipy"
        return Source.labelled(_grouped(path, _open_netcdf(path, engine), group, preferred), path)
    suffix = path.suffix.lower()
    if suffix in (".nc", ".nc4", ".netcdf", ".h5", ".hdf5"):
        raise EnvironmentProblem(f"{path} is not a NetCDF file (its first bytes are {magic!r}); write it again.")
    if suffix == ".npz":
        return _npz(path)
    if suffix == ".parquet":
        return _parquet(path)
    if suffix in (".pkl", ".pickle", ".pt", ".pth", ".npy", ".mat", ".xlsx", ".xls", ".json", ".feather", ".zip"):
        raise UsageError(f"{path}: files {suffix} are not read; write {ALLOWED}.")
    frame, lines = read_table(path)
    return Source.table(frame, path, lines)


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise EnvironmentProblem(f"Cannot read {path}: {error.strerror or error}.") from error


def _open_netcdf(path: Path, engine: str) -> xr.DataTree:
    # Times of training are numbers: "units" such as "s" must not turn them into dates.
    plain: dict[str, Any] = {"engine": engine, "decode_times": False, "decode_timedelta": False}
    try:
        if engine == "scipy":
            return xr.DataTree(xr.load_dataset(path, **plain))
        with xr.open_datatree(path, **plain) as tree:
            return tree.load()
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise EnvironmentProblem(f"{path} cannot be read as NetCDF ({_first_line(error)}); write it again.") from error


def _open_zarr(path: Path) -> xr.DataTree:
    place = path / RESULT if (path / RESULT).is_dir() else path
    if not (place / "zarr.json").is_file() and not (place / ".zgroup").is_file():
        raise UsageError(f"{path} is a directory without results; give a file, or the directory of a run's results.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # text of variable length has no zarr v3 specification yet
            return xr.open_datatree(
                place, engine="zarr", consolidated=False, chunks=None, decode_times=False, decode_timedelta=False
            ).load()
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise EnvironmentProblem(f"{place} is damaged ({_first_line(error)}); run the sweep again.") from error


def _grouped(path: Path, tree: xr.DataTree, group: str | None, preferred: tuple[str, ...]) -> xr.Dataset:
    """The group to compare: all data of the file, or one of those under /simulation."""
    found = {node.path.strip("/"): node.to_dataset() for node in tree.subtree if node.data_vars}
    offered = {
        name.removeprefix("simulation/"): data
        for name, data in found.items()
        if not name.startswith(("theory", "verdict", "provenance"))
    }
    if group is not None:
        name = group.strip("/").removeprefix("simulation/")
        if name not in offered and set(offered) <= {""}:
            raise UsageError(f"--group {group}: {path} has no groups; leave the flag out.")
        if name not in offered:
            raise unknown(f"group of {path}", group, offered)
        return offered[name]
    for name in ("", *preferred):
        if name in offered:
            return offered[name]
    if len(offered) == 1:
        return next(iter(offered.values()))
    if not offered:
        raise EnvironmentProblem(f"{path} holds no variables; there is nothing to judge.")
    raise UsageError(f"{path} holds several groups; choose one with --group: {', '.join(sorted(offered))}.")


def _npz(path: Path) -> Source:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise EnvironmentProblem(
            f"{path} cannot be read as npz ({_first_line(error)}); write it with numpy.savez."
        ) from error
    lengths = {array.shape[0] for array in arrays.values() if array.ndim}
    if len(lengths) != 1:
        sizes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "nothing"
        raise UsageError(
            f"{path}: the first axis of all arrays counts the runs and must be equally long; it holds {sizes}. "
            "Arrays with more axes are read from NetCDF, where axes have names."
        )
    variables = {}
    for name, array in arrays.items():
        dims = (ROW, *(f"{name}_axis{k}" for k in range(1, array.ndim))) if array.ndim else ()
        variables[name] = (dims, array)
    return Source(xr.Dataset(variables), path, tabular=True, lines=np.arange(1, lengths.pop() + 1), unit="row")


def _parquet(path: Path) -> Source:
    try:
        frame = pd.read_parquet(path)
    except ImportError as error:
        raise UsageError(f"{path}: Parquet needs the package pyarrow; install it, or write CSV.") from error
    except (OSError, ValueError) as error:
        raise EnvironmentProblem(f"{path} cannot be read as Parquet ({_first_line(error)}).") from error
    return Source.table(frame.reset_index(drop=frame.index.name is None), path, np.arange(1, len(frame) + 1))


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
