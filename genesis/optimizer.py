"""Orthogonalised momentum for matrices (Muon, Keller Jordan 2024), beside AdamW for the rest."""

from __future__ import annotations

from collections import defaultdict

import torch

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Quintic Newton-Schulz polynomial that pushes singular values towards 1 in five steps."""


def orthogonalise(stack: torch.Tensor) -> torch.Tensor:
    """Nearest semi-orthogonal matrices, roughly, of a stack (count, rows <= columns, columns)."""
    a, b, c = COEFFICIENTS
    x = stack / (stack.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


class Muon:
    """Nesterov momentum whose update is orthogonalised, matrices of one shape together.

    The update is scaled by 0.2 sqrt(longer side), so that its root mean square is that of AdamW and
    one learning rate suits both.
    """

    def __init__(
        self, matrices: list[torch.nn.Parameter], momentum: float, weight_decay: float
    ) -> None:
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.groups: dict[tuple[int, int], list[torch.nn.Parameter]] = defaultdict(list)
        for matrix in matrices:
            self.groups[min(matrix.shape), max(matrix.shape)].append(matrix)
        self.velocity = {
            shape: torch.zeros(len(group), *shape) for shape, group in self.groups.items()
        }

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update every matrix from its gradient."""
        for shape, group in self.groups.items():
            upright = [matrix.shape[0] <= matrix.shape[1] for matrix in group]
            gradients = [matrix.grad for matrix in group]
            stack = torch.stack(
                [
                    g if up else g.T
                    for g, up in zip(gradients, upright, strict=True)
                    if g is not None
                ]
            )
            velocity = self.velocity[shape]
            velocity.lerp_(stack, 1 - self.momentum)
            update = orthogonalise(stack.lerp(velocity, self.momentum))
            scale = 0.2 * shape[1] ** 0.5 * learning_rate
            for matrix, change, up in zip(group, update, upright, strict=True):
                matrix.mul_(1 - learning_rate * self.weight_decay)
                matrix.add_(change if up else change.T, alpha=-scale)
