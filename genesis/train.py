"""Train the genesis model on its teacher's predictions, and write it in Hugging Face form.

It starts from the teacher's own layers (``warm_start.py``) and learns the larger vocabulary.
One CPU thread, seeds fixed. Matrices are trained with Muon, the embedding and the gains with AdamW;
the learning rate rises linearly and then falls linearly to zero. With ``--seconds`` the schedule is
shortened to end in time, and only then does the result depend on the machine's speed.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from batches import Batch, Targets, batches
from bits_per_byte import bits_per_byte, student_nats
from corpus import load_corpus
from llama import Llama, Shape, checkpoint_name
from optimizer import Muon
from safetensors.torch import load_file, save_file
from soft_targets import PIECES
from tokenizers import Tokenizer
from torch.nn import functional as F
from warm_start import starting_weights

REPORT_STORIES = 60
"""Held-out stories scored at every report; all are scored at the end."""


class TeacherLoss:
    """Cross-entropy against the teacher where it speaks, against the text for the rest.

    The student's probabilities are summed over the tokens that begin with one piece; those sums are
    compared with the teacher's distribution, and the token itself with the others of its piece.
    In expectation over the teacher's texts this is the ordinary cross-entropy.
    """

    def __init__(self, model: Llama, groups: torch.Tensor) -> None:
        self.model = model
        self.groups = groups
        self.refined = F.one_hot(groups[PIECES:], PIECES).float()

    def __call__(
        self,
        inputs: torch.Tensor,
        tokens: torch.Tensor,
        pieces: torch.Tensor,
        probabilities: torch.Tensor,
        weights: torch.Tensor,
    ) -> torch.Tensor:
        """Mean loss in nats per token; the arguments are the fields of ``Batch``."""
        logarithms = self.model(inputs).flatten(0, 1).log_softmax(-1)
        shares = logarithms.exp()
        masses = shares[:, :PIECES] + shares[:, PIECES:] @ self.refined
        log_masses = (masses + 1e-9).log()
        log_rest = (1 - masses.gather(1, pieces).sum(1)).clamp_min(1e-4).log()
        loss = -(probabilities * log_masses.gather(1, pieces)).sum(1)
        loss = loss - (1 - probabilities.sum(1)).clamp_min(0) * log_rest
        piece = self.groups[tokens]
        log_piece = log_masses.gather(1, piece[:, None]).squeeze(1)
        loss = loss + log_piece - logarithms.gather(1, tokens[:, None]).squeeze(1)
        # A piece that is not kept apart has still to be told from the others of the rest.
        kept = (pieces == piece[:, None]).any(1)
        loss = loss + torch.where(kept, 0.0, log_rest - log_piece)
        return (loss * weights).sum() / weights.sum()


def save(model: Llama, folder: Path) -> None:
    """Write ``config.json`` and ``model.safetensors`` (float32)."""
    folder.mkdir(parents=True, exist_ok=True)
    config = json.dumps(model.shape.hugging_face_config(), indent=1)
    (folder / "config.json").write_text(config + "\n")
    weights = {
        checkpoint_name(name): value.contiguous() for name, value in model.state_dict().items()
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def new_model(options: argparse.Namespace) -> Llama:
    """The model at its start: the teacher's layers, or the weights of ``--start-from``."""
    model = Llama(Shape())
    if options.start_from is None:
        model.load_state_dict(starting_weights(options.teacher, options.output))
    else:
        weights = load_file(options.start_from / "model.safetensors")
        model.load_state_dict({name.removeprefix("model."): v for name, v in weights.items()})
    return model


def train(options: argparse.Namespace) -> None:
    """Run the whole schedule; the weights are written at every report and at the end."""
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    tokenizer = Tokenizer.from_file(str(options.output / "tokenizer.json"))
    corpus = load_corpus(options.samples, options.book)
    held_out = [story.text for story in corpus.held_out if story.first]
    targets = Targets.load(options.targets)

    model = new_model(options)
    matrices = [p for p in model.layers.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if all(p is not m for m in matrices)]
    muon = Muon(matrices, momentum=0.95, weight_decay=options.weight_decay)
    adam = torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    loss_of = TeacherLoss(model, torch.from_numpy(targets.groups))
    compiled = torch.compile(loss_of, dynamic=False) if options.compile else loss_of
    stream = batches(
        targets,
        rows=options.rows,
        row_length=options.row_length,
        salt_share=options.salt_share,
        vocabulary=model.shape.vocab_size,
        rng=np.random.default_rng(options.seed),
    )

    def step_with(batch: Batch, factor: float) -> float:
        loss: torch.Tensor = compiled(
            batch.inputs, batch.tokens, batch.pieces, batch.probabilities, batch.weights
        )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        muon.step(options.learning_rate * factor)
        for group in adam.param_groups:
            group["lr"] = options.embedding_rate * factor
        adam.step()
        model.zero_grad(set_to_none=False)
        value: float = loss.item()
        return value

    started = time.monotonic()
    smoothed = 0.0
    step = 0
    while True:
        progress = max(step / options.steps, (time.monotonic() - started) / options.seconds)
        if progress >= 1:
            break
        factor = min(1.0, (step + 1) / options.warm_up) * (1 - progress)
        loss = step_with(next(stream), factor)
        smoothed += (loss - smoothed) / min(step + 1, 100)
        step += 1
        if step % options.report_every == 0:
            save(model, options.output)
            elapsed = time.monotonic() - started
            rate = step * options.rows * options.row_length / elapsed
            score = bits_per_byte(student_nats(model, tokenizer, held_out[:REPORT_STORIES]))
            print(
                f"step {step}: loss {smoothed:.4f}, held out {score:.4f} bits/byte, "
                f"{rate:.0f} tokens/s, {elapsed:.0f} s, progress {progress:.3f}",
                flush=True,
            )
    save(model, options.output)
    score = bits_per_byte(student_nats(model, tokenizer, held_out))
    print(f"done after {step} steps: held out {score:.4f} bits/byte", flush=True)


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("teacher", type=Path, help="folder of the teacher checkpoint")
    parser.add_argument("book", type=Path, help="text of the book")
    parser.add_argument("targets", type=Path, help="file of soft_targets.py")
    parser.add_argument("output", type=Path, help="model folder, with tokenizer.json in it")
    parser.add_argument("samples", type=Path, nargs="+", help="files of sample_teacher.py")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--start-from", type=Path, help="folder of weights to go on from")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="end in this time")
    parser.add_argument("--rows", type=int, default=12, help="rows per batch")
    parser.add_argument("--row-length", type=int, default=448, help="input tokens per row")
    parser.add_argument("--salt-share", type=float, default=0.2)
    parser.add_argument("--learning-rate", type=float, default=6e-3, help="of the matrices")
    parser.add_argument("--embedding-rate", type=float, default=6e-3)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--warm-up", type=int, default=50, help="steps")
    parser.add_argument("--report-every", type=int, default=250, help="steps")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="fuse with torch.compile (faster)")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
