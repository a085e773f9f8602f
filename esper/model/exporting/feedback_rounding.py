"""Rounding column by column, each error given on to the columns that follow (GPTQ).

What is to stay small is not the error of each weight but that of the product, over the inputs that
calibration saw: how inputs go together (their second moments) says how an error in one column is
made good in others. https://arxiv.org/abs/2210.17323
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from esper.model.safetensors_file import AnyArray

_DAMPING: Final = 0.01
"""Added to the diagonal, as a part of its mean: directions that calibration hardly saw."""
_BLOCK: Final = 128
"""Columns whose errors are given on to the rest in one product."""
_WEIGHT_TOP: Final = 127


class ErrorFeedback:
    """How an error in one input is made good by the others, for one place in the model."""

    def __init__(self, moments: AnyArray) -> None:
        """``moments``: sum over tokens of x xᵀ, shape (inputs, inputs)."""
        damped = np.array(moments, dtype=np.float64)
        diagonal = np.einsum("ii->i", damped)
        diagonal += _DAMPING * (diagonal.mean() or 1.0)
        upper = np.linalg.cholesky(np.linalg.inv(damped)).T
        self._shares = upper / np.diag(upper)[:, None]

    def rounded(self, grid: npt.NDArray[np.float64]) -> npt.NDArray[np.int8]:
        """Int8 weights for rows in units of their multipliers, shape (outputs, inputs)."""
        work = grid.T.copy()  # a column of weights lies together
        inputs = len(work)
        for start in range(0, inputs, _BLOCK):
            end = min(start + _BLOCK, inputs)
            errors = np.empty((end - start, work.shape[1]))
            for column in range(start, end):
                whole = np.clip(np.rint(work[column]), -_WEIGHT_TOP, _WEIGHT_TOP)
                error = work[column] - whole
                work[column] = whole
                share = self._shares[column, column + 1 : end, None]
                work[column + 1 : end] -= share * error
                errors[column - start] = error
            work[end:] -= self._shares[start:end, end:].T @ errors
        return np.ascontiguousarray(work.T.astype(np.int8))
