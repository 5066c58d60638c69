"""F1 of every class, for metrics of any number of classes."""

from __future__ import annotations

import numpy as np


def class_f1(predicted: np.ndarray, true: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute F1 of each class that is among predictions or references, in each resample.

    Args:
        predicted, true: class indices, shape (n,).
        counts: of each example in each resample, shape (resamples, n).

    Returns:
        F1, 0 for a class that a resample lacks, and how often the class is among predictions and among references;
        all of shape (resamples, classes).
    """
    classes = np.union1d(predicted, true)[:, None]
    in_predicted, in_true, right = (
        counts @ members.T
        for members in (predicted == classes, true == classes, (predicted == classes) & (true == classes))
    )
    return 2 * right / np.maximum(in_predicted + in_true, 1), in_predicted, in_true
