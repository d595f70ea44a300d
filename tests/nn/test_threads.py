"""Training keeps to the cores it may use, inside joblib's workers and beside its own readers."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from threadpoolctl import threadpool_limits

from consilience.nn.threads import allowed, limited

MEASURED = """
import json, sys, threading
sys.path[:0] = {path!r}
import numpy as np
from joblib import Parallel, delayed

def train(seed, workers):
    import torch
    from tests.nn.small_network import network_for, reader_of, with_bag
    from consilience.nn.training import Training
    reader = reader_of(*with_bag(40, seed))
    network = network_for(reader)
    seen = []
    def look(module, given):
        reading = [t for t in threading.enumerate() if t.name.startswith("consilience-reading")]
        seen.append(torch.get_num_threads() + len(reading))
    network.join.register_forward_pre_hook(look)
    Training(3, batch_size=8, workers=workers, accelerator="cpu").run(
        network, reader, np.arange(40), np.arange(0), seed)
    return max(seen)

if __name__ == "__main__":
    jobs = Parallel(n_jobs={jobs})(delayed(train)(seed, {workers}) for seed in range({jobs}))
    print("SEEN", json.dumps(jobs))
"""


def seen(root, tmp_path, jobs: int, workers: int) -> list[int]:
    """Return the most threads at work in each of some trainings side by side."""
    import json

    (tmp_path / "measured.py").write_text(
        MEASURED.format(path=[str(root)], jobs=jobs, workers=workers)
    )
    clean = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "measured.py")],
        cwd=root,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.rsplit("SEEN", 1)[1])


@pytest.mark.slow
@pytest.mark.parametrize(("jobs", "workers"), [(2, 0), (2, 4), (1, 4)])
def test_all_trainings_together_use_no_more_threads_than_cores(root, tmp_path, jobs, workers):
    cores = len(os.sched_getaffinity(0))
    counts = seen(root, tmp_path, jobs, workers)
    assert len(counts) == jobs
    assert sum(counts) <= max(cores, jobs)


def test_a_limit_on_other_libraries_holds_for_torch_too():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threadpool_limits(1):
            assert allowed() == 1
            with limited(3) as reading:
                assert reading == 0 and torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_readers_take_their_share_and_give_it_back(monkeypatch):
    from consilience.nn import threads

    before = torch.get_num_threads()
    monkeypatch.setattr(threads, "allowed", lambda: 4)
    with limited(2) as reading:
        assert reading == 2 and torch.get_num_threads() == 2
    with limited(9) as reading:
        assert reading == 3 and torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
