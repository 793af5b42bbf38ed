"""Results of a study that are kept in a file, so that an interrupted study continues."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from tqdm import tqdm

ROOT = Path(__file__).parents[1]
LIBRARY = ("python/kanml", "cpp")

Job = TypeVar("Job", bound=tuple)  # its fields are numbers and strings


class Store(Generic[Job]):
    """The results of finished runs, a line each, in a file of the revision of the code.

    Parameters
    ----------
    folder : Path
        It is created if it does not exist.
    job : type
        The class of the jobs, a named tuple.
    study : str
        Folder or file of the study's own code, relative to the repository. It is a part of the
        revision, as the library is.
    """

    def __init__(self, folder: Path, job: type[Job], study: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{revision(study)}.jsonl"
        self.results: dict[Job, Any] = {}
        if self.path.exists():
            for line in self.path.read_text().splitlines():
                *fields, result = json.loads(line)
                self.results[job(*fields)] = result

    @property
    def revision(self) -> str:
        return self.path.stem

    def add(self, job: Job, result: Any) -> None:
        self.results[job] = result
        with self.path.open("a") as file:
            file.write(json.dumps([*job, result]) + "\n")

    def complete(
        self, wanted: Sequence[Job], work: Callable[[Job], tuple[Job, Any]], processes: int
    ) -> None:
        """Do what is missing, in several processes, and show the progress.

        Parameters
        ----------
        wanted : sequence of Job
        work : callable
            A function of a module: job -> (job, result).
        processes : int
        """
        missing = list(self.missing(wanted))
        context = multiprocessing.get_context("spawn")
        bar = tqdm(total=len(wanted), initial=len(wanted) - len(missing), unit="run")
        with bar, context.Pool(processes) as pool:
            for job, found in pool.imap_unordered(work, missing):
                self.add(job, found)
                bar.update()

    def missing(self, wanted: Iterable[Job]) -> Iterator[Job]:
        return (job for job in wanted if job not in self.results)


def revision(study: str) -> str:
    """Return a digest of all that decides about the results."""
    digest = hashlib.sha256()
    for place in (*LIBRARY, study):
        files = [ROOT / place] if (ROOT / place).is_file() else sorted((ROOT / place).rglob("*"))
        for path in files:
            if path.suffix in (".py", ".cpp", ".hpp"):
                digest.update(path.relative_to(ROOT).as_posix().encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
