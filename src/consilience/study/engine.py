"""Where jobs run: one core, several, or a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, TypeAlias

from joblib import Parallel, cpu_count, delayed, parallel_config
from joblib.parallel import get_active_backend

from consilience.cohort import Target
from consilience.errors import InputError, listing, suggestion
from consilience.extras import require
from consilience.study.jobs import Job
from consilience.study.store import Store

Engine: TypeAlias = Literal["local", "ray", "dask"]


MOST_WORKERS = 1024


def check_engine(engine: str, workers: int) -> None:
    """Refuse an engine that is unknown or not installed, and more workers than can be.

    Raises
    ------
    InputError
        Saying what there is.
    """
    if engine not in ENGINES:
        raise InputError(
            f"engine: {engine!r} is none of {listing(ENGINES)}.{suggestion(engine, ENGINES)}"
        )
    if module := _NEEDS.get(engine):
        require(module, extra=engine, purpose=f"the engine {engine!r}")
    most = MOST_WORKERS if module else min(MOST_WORKERS, max(16, 4 * cpu_count()))
    if not 1 <= workers <= most:
        raise InputError(
            f"jobs is {workers}; give 1 to {most} (this machine has {cpu_count()} cores)."
        )


def _local(jobs: int) -> AbstractContextManager[Any]:
    config: AbstractContextManager[Any] = parallel_config("loky", n_jobs=jobs)
    return config


def _ray(jobs: int) -> AbstractContextManager[Any]:
    ray = require("ray", extra="ray", purpose="the engine 'ray'")
    registration = require("ray.util.joblib", extra="ray", purpose="the engine 'ray'")
    if not ray.is_initialized():
        ray.init(num_cpus=jobs, include_dashboard=False, log_to_driver=False)
    registration.register_ray()
    config: AbstractContextManager[Any] = parallel_config("ray", n_jobs=jobs)
    return config


def _dask(jobs: int) -> AbstractContextManager[Any]:
    distributed = require("distributed", extra="dask", purpose="the engine 'dask'")
    try:
        distributed.get_client()
    except ValueError:  # no cluster was given: one on this machine
        distributed.Client(n_workers=jobs, threads_per_worker=1, dashboard_address=None)
    config: AbstractContextManager[Any] = parallel_config("dask", n_jobs=jobs)
    return config


ENGINES: dict[str, Callable[[int], AbstractContextManager[Any]]] = {
    "local": _local,
    "ray": _ray,
    "dask": _dask,
}
_NEEDS = {"ray": "ray", "dask": "distributed"}


def run_jobs(
    jobs: Sequence[Job],
    target: Target,
    store: Store,
    *,
    workers: int,
    engine: Engine,
) -> Iterator[str]:
    """Run the jobs that have no result yet, and yield each key when its result is stored.

    Each worker writes its own result, so that nothing is lost with the process that
    waits for them. The folder must be one that all workers reach.

    Raises
    ------
    InputError
        If the engine is unknown or not installed.
    """
    check_engine(engine, workers)
    due = [job for job in jobs if not store.has(job.key)]
    yield from (job.key for job in jobs if store.has(job.key))
    if workers == 1 and engine == "local":
        yield from (_run_and_store(job, target, store) for job in due)
        return
    workers = max(1, min(workers, len(due)))
    with ENGINES[engine](workers):
        yield from _dispatched(
            [delayed(_run_and_store)(job, target, store) for job in due], workers
        )


def _dispatched(tasks: Sequence[Any], workers: int) -> Iterator[str]:
    """Yield results as they come, or handful by handful where the backend gives lists."""
    if get_active_backend()[0].supports_return_generator:
        yield from Parallel(return_as="generator_unordered", batch_size=1)(tasks)
        return
    handful = 8 * workers
    for start in range(0, len(tasks), handful):
        yield from Parallel(batch_size=1)(tasks[start : start + handful])


def _run_and_store(job: Job, target: Target, store: Store) -> str:
    frame, notes = job.run(target)
    store.write(job.key, frame, notes)
    return job.key
