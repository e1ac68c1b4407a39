"""Where trials run, or whatever else has a name: threads here, Dask, or Slurm through submitit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Protocol

from neuromod.errors import UsageError
from neuromod.sweeping.trial import Outcome, run_trial


class Job(Protocol):
    """What is run: a trial of a sweep, or a part of an exploration."""

    @property
    def name(self) -> str:
        """Its name, which no other has."""


class Where(Protocol):
    """What holds for all jobs, as `trial.Orders`."""

    @property
    def folder(self) -> Path:
        """Folder that every worker reaches under this path."""

    @property
    def stop(self) -> Path:
        """File whose presence asks all jobs to stop."""


# How a job is done; it tells what went wrong and does not raise. `run_trial` is one.
Work = Callable[[Any, Any], Outcome]


class Engine(Protocol):
    """Runs jobs and yields their outcomes as they end; closing it early asks the others to stop."""

    def __call__(
        self, jobs: Iterable[Job], orders: Where, *, workers: int, scheduler: str | None, work: Work = run_trial
    ) -> Iterator[Outcome]:
        """Run `jobs`, at most `workers` at a time where the engine decides that."""


def run_locally(
    jobs: Iterable[Job], orders: Where, *, workers: int, scheduler: str | None = None, work: Work = run_trial
) -> Iterator[Outcome]:
    """Run jobs on this machine, each in one of `workers` threads."""
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(work, job, orders) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            orders.stop.touch()
            pool.shutdown(cancel_futures=True)
            raise


def run_on_dask(
    jobs: Iterable[Job], orders: Where, *, workers: int, scheduler: str | None = None, work: Work = run_trial
) -> Iterator[Outcome]:
    """Run jobs on a Dask cluster, or on one inside this process; its workers must see the folder of the orders.

    Parameters
    ----------
    jobs, orders, workers, work
        As for `run_locally`.
    scheduler : str, optional
        Address, as ``tcp://host:8786``; a `LocalCluster` of `workers` threads if omitted.

    Raises
    ------
    UsageError
        If the package is not installed or the scheduler cannot be reached.
    """
    try:
        import distributed
    except ImportError as error:
        raise UsageError("the engine dask needs Dask: pip install 'bimt-neuromod[dask]'") from error
    if scheduler is None:
        cluster: Any = distributed.LocalCluster(
            n_workers=1, threads_per_worker=workers, processes=False, dashboard_address=None
        )
    else:
        cluster = None
    try:
        client = distributed.Client(cluster if cluster is not None else scheduler, timeout="10s")
    except (OSError, ValueError) as error:
        raise UsageError(f"scheduler {scheduler}: no Dask scheduler answers there ({error})") from error
    try:
        futures = {client.submit(work, job, orders, pure=False): job for job in jobs}
        for future in distributed.as_completed(futures):
            failure = future.exception()
            # A worker that died took its job with it, and nothing else.
            yield (
                Outcome(futures[future].name, "crashed", f"its worker failed: {failure}", 0.0)
                if failure
                else future.result()
            )
    except BaseException:
        orders.stop.touch()
        raise
    finally:
        client.close()
        if cluster is not None:
            cluster.close()


def run_on_slurm(
    jobs: Iterable[Job],
    orders: Where,
    *,
    workers: int,
    scheduler: str | None = None,
    work: Work = run_trial,
    cluster: str = "slurm",
    poll_s: float = 5.0,
) -> Iterator[Outcome]:
    """Submit jobs as one Slurm array through submitit; they go on when this process ends.

    Parameters
    ----------
    jobs, orders, workers, work
        As for `run_locally`.
    scheduler : str, optional
        Partition.
    cluster : str
        Executor of submitit; ``local`` runs the same jobs here.
    poll_s : float
        Seconds between looks at the jobs.

    Raises
    ------
    UsageError
        If the package is not installed or there is no such cluster.
    """
    try:
        import submitit
    except ImportError as error:
        raise UsageError("the engine slurm needs submitit: pip install 'bimt-neuromod[slurm]'") from error
    executor = submitit.AutoExecutor(folder=orders.folder / "slurm", cluster=cluster)
    options: dict[str, Any] = {"slurm_array_parallelism": workers, "cpus_per_task": 1, "timeout_min": 24 * 60}
    if scheduler:
        options["slurm_partition"] = scheduler
    executor.update_parameters(name="neuromod", **options)
    listed = list(jobs)
    try:
        submitted = executor.map_array(work, listed, [orders] * len(listed))
    except (OSError, RuntimeError) as error:
        raise UsageError(f"Slurm takes no jobs: {error}") from error
    waiting = dict(zip(submitted, listed, strict=True))
    while waiting:
        for slurm_job, job in [(slurm_job, job) for slurm_job, job in waiting.items() if slurm_job.done()]:
            del waiting[slurm_job]
            failure = slurm_job.exception()
            yield Outcome(job.name, "crashed", f"its job failed: {failure}", 0.0) if failure else slurm_job.result()
        if waiting:
            time.sleep(poll_s)


ENGINES: dict[str, Callable[..., Iterator[Outcome]]] = {
    "local": run_locally,
    "dask": run_on_dask,
    "slurm": run_on_slurm,
}
