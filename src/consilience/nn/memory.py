"""Too little memory: which batch would fit, found by trying."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch

from consilience.errors import InputError

SAID = ("not enough memory", "out of memory", "DefaultCPUAllocator", "can't allocate memory")


def is_out_of_memory(reason: BaseException) -> bool:
    """Return whether an error says that memory does not suffice, on a processor or a GPU."""
    if isinstance(reason, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(reason, RuntimeError) and any(words in str(reason) for words in SAID)


def too_large(size: int, attempt: Callable[[int], None]) -> InputError:
    """Return what to say of a batch that does not fit, having tried halves of it.

    Parameters
    ----------
    size : int
        Patients in the batch that did not fit.
    attempt : callable
        Does a training step with the first so many of its patients.
    """
    fits = size // 2
    while fits and not _fits(attempt, fits):
        fits //= 2
    if fits:
        return InputError(
            f"a batch of {size} patients does not fit into memory; one of {fits} was tried and "
            f"does: set batch_size={fits}."
        )
    return InputError(
        "a batch of a single patient does not fit into memory; use fewer features or instances, "
        "a smaller width, or a machine with more memory."
    )


def _fits(attempt: Callable[[int], None], size: int) -> bool:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    try:
        attempt(size)
    except (MemoryError, RuntimeError) as reason:
        if not is_out_of_memory(reason):
            raise
        return False
    return True
