"""What a node checks of a package before it says that it is ready, and people before they vote.

1. files: the package is the one that is named        5. the bank, made again from its texts
2. integers: worst cases within their limits          6. omega, computed anew; empty layers
3. the model's id, sizes and tokens                   7. pairs of salts: the answers differ
4. the tokenizer

Each is looked at even where another failed, as far as it can be. Everything is computed from the
files; what they say of themselves counts for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from esper.dao.bodies import ModelBody
from esper.dao.omega import computed_omega, omega_bounds
from esper.dao.registry import Puzzle
from esper.model.bounds import check_bounds
from esper.model.errors import ModelError
from esper.model.g16_format import read_integer_model
from esper.model.loaded import LoadedModel, load_model
from esper.model.package.bank import bank_text_root, tokenised
from esper.model.package.body import longest_prompt, special_ids_of
from esper.model.package.empty_layers import empty_parts
from esper.model.package.findings import Report
from esper.model.package.manifest import BANK_FILE
from esper.model.package.package import Package, Progress
from esper.model.package.salt_pairs import PAIRS, salt_blind
from esper.model.prompts import TAG_TOKENIZER, PromptBank, read_bank
from esper.model.tokenizer import read_tokenizer_file
from esper.primitives.errors.dao_errors import PuzzleViolation
from esper.primitives.hashing import tagged_hash
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import NetworkParameters, PuzzleParameters
from esper.primitives.prompt import BankPrompt, bank_tree

InputTokens = Callable[[bytes, int, BankPrompt, PuzzleParameters, ModelEntry], Sequence[int]]
"""``consensus.batch.input_tokens``: the sequence of a seed at a position of its batch."""


@dataclass(frozen=True, slots=True)
class CheckInputs:
    """What the checks need beside the files and what is said of them."""

    params: NetworkParameters
    """The network that the model is proposed on."""
    input_tokens: InputTokens
    """How the network makes a sequence."""
    seed: bytes
    """Secret until now, 64 bytes: whose prompts and salts the model is asked with."""
    threads: int
    """For the engine."""
    extends: ModelEntry | None = None
    """The tier's own entry, where the proposal gives it a longer bank."""


def check_package(
    folder: Path,
    package: Package,
    body: ModelBody,
    inputs: CheckInputs,
    progress: Progress | None = None,
    model: LoadedModel | None = None,
) -> Report:
    """Everything that is found.

    Args:
        folder: the files.
        package: what they were read as.
        body: what the proposal says of them.
        inputs: the network and the secret.
        progress: hears what is being done.
        model: the model of ``folder``, where it is loaded already.

    Raises MachineError where this machine cannot look at it: nothing is said then.
    """
    report, tell = Report(), progress or _tell_nobody
    report.require(
        "files",
        package.root == body.package,
        f"{len(package.manifest.files)} files of {package.manifest.size:,} bytes are the package",
        f"their root is {package.root.hex()[:16]}…, the proposal's is {body.package.hex()[:16]}…",
    )
    tell("computing worst cases", 0, 1)
    _check_integers(folder, report)
    tell("committing to the weights", 0, 1)
    loaded = model or _loaded(folder, report)
    named = loaded is not None and _check_names(loaded, body, report)
    _check_tokenizer(folder, body, report)
    bank = _check_bank(folder, body, inputs, report, tell)
    _check_omega(body, inputs.params, report)
    if loaded is not None and named and bank is not None:
        _check_salts(loaded, bank, body, inputs, report, tell)
    return report


def _check_integers(folder: Path, report: Report) -> None:
    try:
        model = read_integer_model(folder)
        bounds = check_bounds(model)
    except ModelError as error:
        report.failed("integers", error)
        return
    report.right("integers", f"{len(bounds)} worst cases within their limits")
    empty = [f"the {part} of layer {index}" for index, part in empty_parts(model)]
    if empty:
        report.notice("layers", f"{', '.join(empty)} adds nothing, and is counted as work")


def _loaded(folder: Path, report: Report) -> LoadedModel | None:
    try:
        return load_model(folder)
    except ModelError as error:
        report.failed("engine", error)
        return None


def _check_names(model: LoadedModel, body: ModelBody, report: Report) -> bool:
    """Whether the model is the proposal's, so that its sequences can be given to it."""
    entry = body.entry
    try:
        name, descriptor = model.model_id, model.proving_key.descriptor
    except ModelError as error:
        report.failed("model id", error)
        return False
    same = report.require(
        "model id",
        name == entry.model_id and descriptor == body.descriptor,
        f"{name.hex()[:16]}…, recomputed from the integers",
        f"the integers are {name.hex()[:16]}…, the proposal's are {entry.model_id.hex()[:16]}…",
    )
    sizes = {one: getattr(model.shape, one) for one in model.shape.__slots__}
    said = {one: getattr(entry.shape, one) for one in sizes}
    found, wanted = (sizes, model.bos, model.eos), (said, entry.bos, entry.eos)
    if found != wanted:
        report.refuse("sizes", f"{found}, the proposal says {wanted}")
        same = False
    special = special_ids_of(model)
    if special != entry.special_ids:
        report.notice(
            "special ids",
            f"the tokenizer marks {len(special)}, the proposal names {len(entry.special_ids)}: "
            "salt uses all that are not named",
        )
    return same


def _check_tokenizer(folder: Path, body: ModelBody, report: Report) -> None:
    try:
        found = tagged_hash(TAG_TOKENIZER, read_tokenizer_file(folder))
    except ModelError as error:
        report.failed("tokenizer", error)
        return
    wanted = body.entry.tokenizer_id
    report.require(
        "tokenizer",
        found == wanted,
        f"{found.hex()[:16]}…",
        f"is {found.hex()[:16]}…, the proposal's is {wanted.hex()[:16]}…",
    )


def _check_bank(
    folder: Path, body: ModelBody, inputs: CheckInputs, report: Report, tell: Progress
) -> PromptBank | None:
    """The bank if it is the proposal's, made again; None if it is not."""
    entry = body.entry
    try:
        bank = read_bank(folder / BANK_FILE)
        longest = longest_prompt(body.puzzle, entry, inputs.params)
        made = tokenised(folder, bank.texts, tell)
    except ModelError as error:
        report.failed("bank", error)
        return None
    except PuzzleViolation as violation:
        report.refuse("bank", str(violation))
        return None
    for index, (prompt, said) in enumerate(zip(made, bank.prompts, strict=True)):
        if prompt != said:
            report.refuse("bank", f"prompt {index} has other ids when it is made again")
            return None
        if len(prompt.tokens) > longest:
            length = f"{len(prompt.tokens)} tokens, at most {longest} leave room for salt"
            report.refuse("bank", f"prompt {index} has {length}")
            return None
    same = (
        bank.root == entry.bank_root
        and len(made) == entry.bank_size
        and bank_text_root(bank.texts) == body.bank_text
    )
    fits = report.require(
        "bank",
        same,
        f"{len(made):,} prompts made again, {bank.root.hex()[:16]}…",
        f"{len(made):,} prompts of root {bank.root.hex()[:16]}…, the proposal says "
        f"{entry.bank_size:,} of {entry.bank_root.hex()[:16]}…, or other texts",
    )
    if inputs.extends is not None:
        fits = _check_extension(bank, inputs.extends, report) and fits
    return bank if fits else None


def _check_extension(bank: PromptBank, old: ModelEntry, report: Report) -> bool:
    kept = bank_tree(bank.prompts[: old.bank_size]).root == old.bank_root
    more = len(bank.prompts) - old.bank_size
    right = f"begins with the {old.bank_size:,} prompts of the tier's bank, and adds {more:,}"
    wrong = "does not begin with the prompts of the tier's bank: a longer bank adds at its end"
    if kept and more < 1:
        right, wrong = "", "is the bank that the tier has: add prompts at its end"
    return report.require("longer bank", kept and more > 0, right, wrong)


def _check_omega(body: ModelBody, params: NetworkParameters, report: Report) -> None:
    computed = computed_omega(body.puzzle, body.entry, Puzzle.of(params.puzzle), params.model)
    least, most = omega_bounds(computed)
    shown, said = computed / (1 << 16), body.omega / (1 << 16)
    report.require(
        "omega",
        max(1, least) <= body.omega <= most,
        f"{said:.4f} of the genesis model's work, computed {shown:.4f}",
        f"{said:.4f}, computed {shown:.4f}: further away than a quarter",
    )


def _check_salts(
    model: LoadedModel,
    bank: PromptBank,
    body: ModelBody,
    inputs: CheckInputs,
    report: Report,
    tell: Progress,
) -> None:
    puzzle = body.puzzle.on(inputs.params.puzzle)

    def fill(seed: bytes, position: int, prompt: BankPrompt) -> Sequence[int]:
        return inputs.input_tokens(seed, position, prompt, puzzle, body.entry)

    shape = (puzzle.max_answer, puzzle.top_k)
    blind = salt_blind(model.native, bank.prompts, fill, inputs.seed, shape, inputs.threads, tell)
    report.require(
        "salt",
        not blind,
        f"{PAIRS} prompts behind two salts, and no list the same",
        f"{len(blind)} of {PAIRS} prompts have the same list behind two salts (prompt {blind[0]} "
        "first): answers could be kept in a table"
        if blind
        else "",
    )


def _tell_nobody(step: str, done: int, total: int) -> None:
    """Report to nobody."""
