"""Train the genesis model on sampled stories and the book, and write it in Hugging Face form.

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
from batches import Tokens, batches
from bits_per_byte import Scored, bits_per_byte, student_nats
from corpus import Corpus, Story, load_corpus
from llama import Llama, Shape
from optimizer import Muon
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch.nn import functional as F

EOS = 2


def encode(tokenizer: Tokenizer, stories: tuple[Story, ...]) -> list[Tokens]:
    """Tokens of every story, ``<s>`` first, and ``</s>`` after those that are whole."""
    encoded = tokenizer.encode_batch([story.text for story in stories])
    return [
        np.array([*entry.ids, EOS] if story.whole else entry.ids, dtype=np.int64)
        for entry, story in zip(encoded, stories, strict=True)
    ]


def save(model: Llama, folder: Path) -> None:
    """Write ``config.json`` and ``model.safetensors`` (float32)."""
    folder.mkdir(parents=True, exist_ok=True)
    config = json.dumps(model.shape.hugging_face_config(), indent=1)
    (folder / "config.json").write_text(config + "\n")
    weights = {f"model.{name}": value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def held_out_score(model: Llama, tokenizer: Tokenizer, corpus: Corpus, count: int) -> float:
    """Bits per byte on the first ``count`` held-out stories that started a teacher's sequence."""
    texts = [story.text for story in corpus.held_out if story.first][:count]
    scored: Scored = student_nats(model, tokenizer, texts)
    return bits_per_byte(scored)


def train(options: argparse.Namespace) -> None:
    """Run the whole schedule; the weights are written at every report and at the end."""
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    tokenizer = Tokenizer.from_file(str(options.output / "tokenizer.json"))
    corpus = load_corpus(options.samples, options.book)
    documents = encode(tokenizer, corpus.train)
    print(f"{len(documents)} documents, {sum(map(len, documents)) / 1e6:.2f} M tokens", flush=True)

    model = Llama(Shape())
    model.initialise(generator)
    if options.start_from is not None:
        weights = load_file(options.start_from / "model.safetensors")
        model.load_state_dict({name.removeprefix("model."): v for name, v in weights.items()})
    matrices = [p for p in model.layers.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if all(p is not m for m in matrices)]
    muon = Muon(matrices, momentum=0.95, weight_decay=options.weight_decay)
    adam = torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.0, fused=True)

    def loss_of(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())

    compiled = torch.compile(loss_of, dynamic=False) if options.compile else loss_of
    stream = batches(
        documents,
        rows=options.rows,
        row_length=options.row_length + 1,
        salt_share=options.salt_share,
        vocabulary=model.shape.vocab_size,
        rng=np.random.default_rng(options.seed),
    )
    started = time.monotonic()
    smoothed = 0.0
    step = 0
    while True:
        progress = max(step / options.steps, (time.monotonic() - started) / options.seconds)
        if progress >= 1:
            break
        factor = min(1.0, (step + 1) / options.warm_up) * (1 - progress)
        loss = compiled(*next(stream))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        muon.step(options.learning_rate * factor)
        for group in adam.param_groups:
            group["lr"] = options.embedding_rate * factor
        adam.step()
        model.zero_grad(set_to_none=False)
        smoothed += (loss.item() - smoothed) / min(step + 1, 100)
        step += 1
        if step % options.report_every == 0:
            save(model, options.output)
            elapsed = time.monotonic() - started
            rate = step * options.rows * options.row_length / elapsed
            score = held_out_score(model, tokenizer, corpus, 60)
            print(
                f"step {step}: loss {smoothed:.4f}, held out {score:.4f} bits/byte, "
                f"{rate:.0f} tokens/s, {elapsed:.0f} s, progress {progress:.3f}",
                flush=True,
            )
    save(model, options.output)
    score = held_out_score(model, tokenizer, corpus, len(corpus.held_out))
    print(f"done after {step} steps: held out {score:.4f} bits/byte", flush=True)


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("book", type=Path, help="text of the book")
    parser.add_argument("output", type=Path, help="model folder, with tokenizer.json in it")
    parser.add_argument("samples", type=Path, nargs="+", help="files of sample_teacher.py")
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--start-from", type=Path, help="folder of weights to go on from")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="end in this time")
    parser.add_argument("--rows", type=int, default=16, help="rows per batch")
    parser.add_argument("--row-length", type=int, default=320, help="input tokens per row")
    parser.add_argument("--salt-share", type=float, default=0.2)
    parser.add_argument("--learning-rate", type=float, default=1e-2, help="of the matrices")
    parser.add_argument("--embedding-rate", type=float, default=6e-3)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--warm-up", type=int, default=200, help="steps")
    parser.add_argument("--report-every", type=int, default=500, help="steps")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="fuse with torch.compile (faster)")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
