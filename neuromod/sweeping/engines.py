"""Where trials run: threads over processes here, Dask, or Slurm through submitit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, Protocol

from neuromod.errors import UsageError
from neuromod.sweeping.plan import Trial
from neuromod.sweeping.trial import Orders, Outcome, run_trial


class Engine(Protocol):
    """Runs trials and yields their outcomes as they end; closing it early asks the others to stop."""

    def __call__(
        self, trials: Iterable[Trial], orders: Orders, *, workers: int, scheduler: str | None
    ) -> Iterator[Outcome]:
        """Run `trials`, at most `workers` at a time where the engine decides that."""


def run_locally(
    trials: Iterable[Trial], orders: Orders, *, workers: int, scheduler: str | None = None
) -> Iterator[Outcome]:
    """Run trials on this machine: a thread for each of `workers` processes."""
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(run_trial, trial, orders) for trial in trials]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            orders.stop.touch()
            pool.shutdown(cancel_futures=True)
            raise


def run_on_dask(
    trials: Iterable[Trial], orders: Orders, *, workers: int, scheduler: str | None = None
) -> Iterator[Outcome]:
    """Run trials on a Dask cluster, or on one inside this process; its workers must see the sweep's folder.

    Parameters
    ----------
    trials, orders, workers
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
        futures = {client.submit(run_trial, trial, orders, pure=False): trial for trial in trials}
        for future in distributed.as_completed(futures):
            failure = future.exception()
            # A worker that died took its trial with it, and nothing else.
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
    trials: Iterable[Trial],
    orders: Orders,
    *,
    workers: int,
    scheduler: str | None = None,
    cluster: str = "slurm",
    poll_s: float = 5.0,
) -> Iterator[Outcome]:
    """Submit trials as one Slurm job array through submitit; jobs go on when this process ends.

    Parameters
    ----------
    trials, orders, workers
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
    listed = list(trials)
    try:
        jobs = executor.map_array(run_trial, listed, [orders] * len(listed))
    except (OSError, RuntimeError) as error:
        raise UsageError(f"Slurm takes no jobs: {error}") from error
    waiting = dict(zip(jobs, listed, strict=True))
    while waiting:
        for job, trial in [(job, trial) for job, trial in waiting.items() if job.done()]:
            del waiting[job]
            failure = job.exception()
            yield Outcome(trial.name, "crashed", f"its job failed: {failure}", 0.0) if failure else job.result()
        if waiting:
            time.sleep(poll_s)


ENGINES: dict[str, Callable[..., Iterator[Outcome]]] = {
    "local": run_locally,
    "dask": run_on_dask,
    "slurm": run_on_slurm,
}
