"""What can be wrong with a benchmark: its text, its suite, or how the two meet a model."""

from __future__ import annotations

from pathlib import Path

from esper.model.errors import ModelError


class BenchmarkError(ModelError):
    """Base of the errors about benchmarks; the message names the field and the remedy."""


class BenchmarkTextError(BenchmarkError):
    """A line of a benchmark's text does not follow the format."""

    def __init__(self, line: int, reason: str, path: Path | None = None) -> None:
        self.line = line
        """From 1; 0 where the file as a whole is meant."""
        self.reason = reason
        where = f"line {line}: " if line else ""
        super().__init__(f"{'' if path is None else f'{path}: '}{where}{reason}")

    def of(self, path: Path) -> BenchmarkTextError:
        """The same, of a file that is known further up."""
        return BenchmarkTextError(self.line, self.reason, path)


class SuiteFileError(BenchmarkError):
    """A file is no suite, or its items are not those that its root names."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path} is no suite: {reason}")


class UnfitSuiteError(BenchmarkError):
    """A suite that cannot be asked of a model, or judged by another."""
