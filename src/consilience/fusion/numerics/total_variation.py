"""Smoothing a sequence by the price of its jumps: the fused lasso signal approximator."""

from __future__ import annotations

import numpy as np
from numba import njit

from consilience.cohort.modality import FloatArray


@njit(cache=True)
def smoothed(values: FloatArray, price: float) -> FloatArray:
    """Return the b that minimises ``|values - b|^2 / 2 + price * sum |b[i+1] - b[i]|``.

    Dynamic programming along the sequence (Johnson 2013, J. Comput. Graph. Stat. 22:246): the
    derivative of the best cost of the first i values, as a function of b[i], is
    piecewise linear and increasing, and passing a jump clips it to [-price, price]. Linear in
    the length on average.

    With a further price on ``|b|`` the solution is this one soft-thresholded (Friedman
    et al. 2007, Ann. Appl. Stat. 1:302, proposition 1).

    Parameters
    ----------
    values : ndarray of shape (n,)
    price : float
        0 or more.
    """
    n = len(values)
    # Knots of the derivative, with what each adds to slope and intercept.
    knot, slope, intercept = np.empty(2 * n + 2), np.empty(2 * n + 2), np.empty(2 * n + 2)
    low, high = np.empty(n), np.empty(n)
    left, right = n + 1, n
    for i in range(n - 1):
        start = price if i else 0.0  # how far the derivative was clipped on either side
        a, b = 1.0, -values[i] - start
        while left <= right and a * knot[left] + b <= -price:
            a, b = a + slope[left], b + intercept[left]
            left += 1
        low[i] = (-price - b) / a
        c, d = 1.0, -values[i] + start
        while right >= left and c * knot[right] + d >= price:
            c, d = c - slope[right], d - intercept[right]
            right -= 1
        high[i] = (price - d) / c
        left, right = left - 1, right + 1
        knot[left], slope[left], intercept[left] = low[i], a, b + price
        knot[right], slope[right], intercept[right] = high[i], -c, price - d
    best = np.empty(n)
    a, b = 1.0, -values[n - 1] - (price if n > 1 else 0.0)
    while left <= right and a * knot[left] + b <= 0.0:
        a, b = a + slope[left], b + intercept[left]
        left += 1
    best[n - 1] = -b / a
    for i in range(n - 2, -1, -1):
        best[i] = min(max(best[i + 1], low[i]), high[i])
    return best
