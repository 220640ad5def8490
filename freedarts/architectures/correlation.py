"""What a score of whole architectures is worth: its rank correlation with their accuracy."""

import math
from collections.abc import Callable

import numpy as np
from scipy.stats import kendalltau, norm, spearmanr

from freedarts.nasbench201 import SIZE

LEAST = 5  # architectures, for the standard errors
BEST_SHARE = 0.1  # of the accuracies


def interval(value: float, error: Callable[[float], float], n: int) -> list[float] | None:
    """95 % for all architectures, from a sample of n of them, by Fisher's transformation.

    error: the standard error of atanh(value), which is smaller where n is not small beside all: by the square root of
    (SIZE - n) / (SIZE - 1). None for all architectures, which leave nothing to estimate, and for a perfect order.
    """
    if n >= SIZE or abs(value) == 1:
        return None
    half = norm.ppf(0.975) * error(value) * math.sqrt((SIZE - n) / (SIZE - 1))
    return [math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half)]


def spearman(scores: np.ndarray, accuracies: np.ndarray) -> tuple[float, list[float] | None]:
    """Spearman's rho, ties with their mean rank, and its interval (standard error: Bonett and Wright, 2000)."""
    n, value = len(scores), float(spearmanr(scores, accuracies).statistic)
    return value, interval(value, lambda rho: math.sqrt((1 + rho**2 / 2) / (n - 3)), n)


def kendall(scores: np.ndarray, accuracies: np.ndarray) -> tuple[float, list[float] | None]:
    """Kendall's tau-b and its interval (standard error: Fieller, Hartley and Pearson, 1957)."""
    n, value = len(scores), float(kendalltau(scores, accuracies).statistic)
    return value, interval(value, lambda tau: math.sqrt(0.437 / (n - 4)), n)


def correlation(scores: np.ndarray, accuracies: np.ndarray) -> dict | None:
    """Of the architectures that have both (NaN: none); None if they are fewer than LEAST, or all the same in one.

    n; spearman, kendall and their intervals; spearman_best: among the best tenth by accuracy (None where that is too
    few); top: mean accuracy of the architectures with the highest score, and best: the highest accuracy.
    """
    both = ~np.isnan(scores) & ~np.isnan(accuracies)
    scores, accuracies = scores[both], accuracies[both]
    if len(scores) < LEAST or np.ptp(scores) == 0 or np.ptp(accuracies) == 0:
        return None
    good = accuracies >= np.quantile(accuracies, 1 - BEST_SHARE)
    varied = good.sum() >= LEAST and np.ptp(scores[good]) > 0 and np.ptp(accuracies[good]) > 0
    rho, rho_interval = spearman(scores, accuracies)
    tau, tau_interval = kendall(scores, accuracies)
    return {
        "n": len(scores),
        "spearman": rho,
        "spearman_interval": rho_interval,
        "kendall": tau,
        "kendall_interval": tau_interval,
        "spearman_best": spearman(scores[good], accuracies[good])[0] if varied else None,
        "top": float(accuracies[scores == scores.max()].mean()),
        "best": float(accuracies.max()),
    }
