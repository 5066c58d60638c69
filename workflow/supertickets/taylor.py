"""Importance by first-order Taylor expansion: how much the loss would change if a unit's weights were zero."""

from __future__ import annotations

import numpy as np
import torch

from .importance import RawScores
from .model import Classifier
from .sample import Sample
from .unit_weights import sum_by_unit, unit_parameters


def taylor(model: Classifier, sample: Sample) -> RawScores:
    """Mean over batches of |sum over a unit's weights of gradient times weight|, dropout off.

    Setting the weights w of a unit to zero changes a batch's loss by -<gradient, w> to first order. Source:
    Molchanov et al., Importance Estimation for Neural Network Pruning, CVPR 2019, with the absolute value for the
    square.

    Args:
        model: on the sample's device, in evaluation mode.
        sample: the training examples.
    """
    model.requires_grad_(False)
    parameters = list(unit_parameters(model))
    for parameter in parameters:
        parameter.requires_grad_(True)
    heads = [np.zeros(len(kept)) for kept in model.ticket.heads]
    ffn = np.zeros(len(model.ticket.ffn))
    for loss in sample.losses(model):
        gradients = dict(zip(map(id, parameters), torch.autograd.grad(loss, parameters), strict=True))
        head_change, ffn_change = sum_by_unit(model, lambda parameter, by=gradients: parameter * by[id(parameter)])
        heads = [total + abs(change) for total, change in zip(heads, head_change, strict=True)]
        ffn += abs(ffn_change)
    model.requires_grad_(False)
    return [total / len(sample.batches) for total in heads], ffn / len(sample.batches)
