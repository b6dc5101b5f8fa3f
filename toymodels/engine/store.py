"""Where finished runs are kept: in memory, or on disk as checked chunk files that any later sweep finds
again."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import secrets
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from toymodels.errors import EnvironmentProblem, StoreMismatch

Arrays = Mapping[str, np.ndarray]
IDS = "_ids"
LOCK = "lock"
STALE_SECONDS = 3600.0
SHARED_DISK_SECONDS = 60
"""How long a network disk may take to show a file that another machine wrote."""


class RunIndex:
    """Which chunk and row holds the run of a given identity."""

    def __init__(self) -> None:
        self._parts: list[tuple[np.ndarray, np.ndarray]] = []
        self._sorted: tuple[np.ndarray, np.ndarray] | None = None

    def add(self, ids: np.ndarray, chunk: int) -> None:
        """Note that the rows of `chunk` are the runs `ids`, uint64 of shape (rows, 2)."""
        place = np.stack([np.full(len(ids), chunk), np.arange(len(ids))], axis=-1)
        self._parts.append((ids, place))
        self._sorted = None

    def find(self, ids: np.ndarray) -> np.ndarray:
        """(chunk, row) of each run, or (-1, -1)."""
        if self._sorted is None:
            known = np.concatenate([ids[:0], *(part for part, _ in self._parts)])
            places = np.concatenate([np.empty((0, 2), np.int64), *(place for _, place in self._parts)])
            order = np.argsort(known[:, 0], kind="stable")
            self._sorted = known[order], places[order]
            self._parts = [self._sorted]
        known, places = self._sorted
        if len(known) == 0:
            return np.full((len(ids), 2), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(known[:, 0], ids[:, 0]), len(known) - 1)
        # A foreign run that shares one half of its identity counts as unknown: it is computed.
        same = np.all(known[at] == ids, axis=1)
        return np.where(same[:, None], places[at], -1)


class MemoryStore:
    """Chunks of a sweep that is not stored; `keep` names the observables to hold (default: all)."""

    def __init__(self, keep: frozenset[str] | None = None) -> None:
        self._keep = keep
        self._chunks: list[dict[str, np.ndarray]] = []
        self._index = RunIndex()
        self.batches: dict[str, int] = {}

    def find(self, ids: np.ndarray) -> np.ndarray:
        """(chunk, row) of each run, or (-1, -1)."""
        return self._index.find(ids)

    def add(self, ids: np.ndarray, arrays: Arrays) -> None:
        """Keep finished runs."""
        self._index.add(ids, len(self._chunks))
        self._chunks.append({k: v for k, v in arrays.items() if self._keep is None or k in self._keep})

    def read(self, chunk: int, name: str) -> np.ndarray:
        """One observable of one chunk."""
        return self._chunks[chunk][name]

    def drop(self, name: str) -> None:
        """Let go of an observable that has been read for the last time."""
        for chunk in self._chunks:
            chunk.pop(name, None)

    def note_batch(self, key: str, batch: int) -> None:
        """Remember the compute batch of sweeps of size class `key`."""
        self.batches[key] = batch


class DiskStore:
    """A directory with `store.json` (who wrote it) and `chunks/`, one file a chunk.

    A chunk file is written under a temporary name, synced, and renamed to a name that holds its SHA-256. A
    file that does not hash to its name is set aside with a warning, and its runs are computed again.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any], *, fresh: bool = False) -> None:
        self.path = Path(path)
        self.chunks = self.path / "chunks"
        self.identity = json.loads(json.dumps(identity))
        self.batches: dict[str, int] = {}
        self._files: list[Path] = []
        self._open: tuple[int, Any] | None = None
        self._index = RunIndex()
        with writing(self.path):
            if fresh and self._is_store():
                self.clear()
            self.chunks.mkdir(parents=True, exist_ok=True)
        self._meet_identity()
        self._load()

    def _is_store(self) -> bool:
        return (self.path / "store.json").is_file() or any(self.chunks.glob("*.npz"))

    def clear(self) -> None:
        """Delete what a store consists of, and nothing else."""
        for name in ("chunks", "damaged", "result.zarr"):
            if (self.path / name).is_dir():
                shutil.rmtree(self.path / name)
        (self.path / "store.json").unlink(missing_ok=True)

    def _meet_identity(self) -> None:
        file = self.path / "store.json"
        if not file.exists() and not self._is_store():
            self._save()
            return
        try:
            known = json.loads(file.read_text())
            old, self.batches = known["identity"], dict(known["batches"])
        except (ValueError, KeyError, TypeError, FileNotFoundError) as error:
            raise StoreMismatch(
                f"{file} cannot be read as the description of a store; start anew with --fresh (fresh=True) "
                "or give "
                "another directory."
            ) from error
        if old != self.identity:
            lines = "\n".join(f"  {line}" for line in differences(old, self.identity))
            raise StoreMismatch(
                f"The store {self.path} was written by another simulator or for another "
                f"specification:\n{lines}\n"
                "Its runs cannot be mixed with new ones: give another directory, or overwrite it with "
                "--fresh "
                "(fresh=True)."
            )

    def _save(self) -> None:
        text = json.dumps({"identity": self.identity, "batches": self.batches}, indent=1, sort_keys=True)
        write_atomically(self.path / "store.json", text.encode())

    def note_batch(self, key: str, batch: int) -> None:
        """Remember the compute batch of sweeps of size class `key`: results depend on it in their last
        bits."""
        if self.batches.get(key) != batch:
            self.batches[key] = batch
            self._save()

    def look_again(self) -> None:
        """Take in chunks that other processes have written since."""
        self._load(frozenset(file.name for file in self._files))

    def _load(self, known: frozenset[str] = frozenset()) -> None:
        for file in sorted(self.chunks.iterdir()):
            if file.name in known:
                continue
            if file.name.startswith("."):
                if time.time() - file.stat().st_mtime > STALE_SECONDS:
                    file.unlink(missing_ok=True)
            elif file.suffix == ".npz":
                if file.stem == _digest_file(file):
                    self._register(file)
                else:
                    self._set_aside(file)

    def _register(self, file: Path) -> None:
        with np.load(file) as members:
            self._index.add(members[IDS], len(self._files))
        self._files.append(file)

    def _set_aside(self, file: Path) -> None:
        damaged = self.path / "damaged"
        with writing(self.path):
            damaged.mkdir(exist_ok=True)
            os.replace(file, damaged / file.name)
        warnings.warn(
            f"The chunk {file} is damaged (its content does not match its checksum). It is set aside in "
            f"{damaged}, and "
            "its runs are computed again.",
            RuntimeWarning,
            stacklevel=2,
        )

    def find(self, ids: np.ndarray) -> np.ndarray:
        """(chunk, row) of each run, or (-1, -1)."""
        return self._index.find(ids)

    def add(self, ids: np.ndarray, arrays: Arrays) -> None:
        """Write finished runs as one chunk."""
        self.adopt(write_chunk(self.chunks, ids, arrays).name, ids)

    def adopt(self, name: str, ids: np.ndarray) -> None:
        """Take in the chunk file `name` with the runs `ids`, which may have been written on another machine."""
        file = self.chunks / name
        for _ in range(SHARED_DISK_SECONDS):
            if file.exists():
                break
            time.sleep(1.0)
        else:
            raise EnvironmentProblem(
                f"A worker wrote the chunk {name}, but it is not in {self.chunks}: put the results on a disk that all "
                "workers share."
            )
        self._index.add(ids, len(self._files))
        self._files.append(file)

    def read(self, chunk: int, name: str) -> np.ndarray:
        """One observable of one chunk."""
        if self._open is None or self._open[0] != chunk:
            self.close()
            self._open = chunk, np.load(self._files[chunk])
        return self._open[1][name]

    def drop(self, name: str) -> None:
        """Nothing is held in memory."""

    def close(self) -> None:
        """Close the chunk that was read last."""
        if self._open is not None:
            self._open[1].close()
            self._open = None


Store = MemoryStore | DiskStore


def write_chunk(folder: Path, ids: np.ndarray, arrays: Arrays) -> Path:
    """Write runs to a file in `folder` that is named after its content."""
    buffer = io.BytesIO()
    np.savez(buffer, **{IDS: ids}, **arrays)  # type: ignore[arg-type]
    content = buffer.getbuffer()
    file = folder / f"{hashlib.sha256(content).hexdigest()}.npz"
    write_atomically(file, content)
    return file


def _digest_file(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def differences(old: Any, new: Any, name: str = "") -> Iterator[str]:
    """Lines `name: old -> new` for the entries in which two nested descriptions differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from differences(old.get(key, "absent"), new.get(key, "absent"), f"{name} {key}".strip())
    elif old != new:
        yield f"{name}: {old} -> {new}"


def write_atomically(file: Path, content: bytes | memoryview) -> None:
    """Write a file that is either there in full or not at all, also after a crash."""
    # Process ids repeat on other machines.
    temporary = file.with_name(f".{file.name[:32]}-{os.getpid()}-{secrets.token_hex(4)}.tmp")
    with writing(file.parent):
        try:
            with temporary.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the machine's refusals to write into a sentence."""
    try:
        yield
    except EnvironmentProblem:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason = "the disk is full. Finished runs are safe: free some space and run the same command again"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            reason = "there is no permission to write there. Give a directory that you may write to"
        elif error.errno in (errno.ENOTDIR, errno.EEXIST):
            reason = "a file of that name is in the way. Give another directory"
        else:
            reason = f"{error.strerror or error}"
        raise EnvironmentProblem(f"Cannot write to {path}: {reason}.") from error
