"""What a proposed model must keep, as far as its body, the tiers and the parameters say.

1. proof version   2. descriptor   3. extension   4. ticket   5. omega   6. bank size   7. share
8. proving cost    9. room in a proof            10. suites

Which proposals are open beside it, who proposes and for which bond, ``vm`` asks the state.
"""

from dataclasses import replace
from typing import Final

from esper.dao.bodies import ModelBody
from esper.dao.cost import proving_cost
from esper.dao.descriptor import PROOF_VERSION, DescribedModel, described, proof_version
from esper.dao.omega import computed_omega, omega_bounds
from esper.dao.registry import LEAST_SHARE, Puzzle, Tier, TierRegistry
from esper.primitives.errors.dao_errors import (
    BankSizeViolation,
    BenchSuiteViolation,
    DescriptorViolation,
    ExtensionViolation,
    ProofRoomViolation,
    ProofVersionViolation,
    ProvingCostViolation,
    PuzzleViolation,
    ShareViolation,
    TierOmegaViolation,
)
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import NetworkParameters

ROWS: Final = (64, 128, 256)
MOST_SEQUENCES: Final = 4
LEAST_ANSWER, MOST_ANSWER = 8, 64
LEAST_ALPHABET: Final = 256
"""Ids that salt may use: with fewer than two no salt would ever be long enough."""
LEAST_PROMPT: Final = 16
"""Tokens of the longest prompt that a ticket has room for."""
LEAST_BANK, MOST_BANK = 4_096, 1 << 20
MOST_SHARE: Final = 32_768
PROOF_OVERHEAD: Final = 400 * 1024
"""Bytes of a proof beside its embedding rows."""
MOST_ITEMS: Final = 16_384


def check_model(
    body: ModelBody, tiers: TierRegistry, params: NetworkParameters, texts: tuple[bytes, ...]
) -> None:
    """All ten; ``tiers`` are those that the schedule leads to, ``texts`` the registered ones.

    Raises a subclass of ProposalViolation.
    """
    entry = body.entry

    # 1. and 2. The proof system is this release's, and the descriptor is the model's.
    model = _checked_descriptor(body)

    # 3. The tier's own model may come back with a longer bank alone.
    tier = tiers.find(entry.tier)
    extends = tier is not None and tier.model.model_id == entry.model_id
    if tier is not None and extends:
        _check_extension(body, tier)

    # 4. A ticket of a usual shape, which the model can fill and salt.
    check_puzzle(body.puzzle, entry, params.puzzle.salt_bits)

    # 5. What it weighs.
    genesis = Puzzle.of(params.puzzle)
    omega = computed_omega(body.puzzle, entry, genesis, params.model)
    least, most = omega_bounds(omega)
    if omega < 1 or not least <= body.omega <= most:
        raise TierOmegaViolation(entry.tier, body.omega, max(1, least), most)

    # 6. Its prompts.
    _check_bank_size(body, tier if extends else None)

    # 7. A new tier has a share, another model has its tier's.
    if tier is None and not LEAST_SHARE <= body.share <= MOST_SHARE:
        reason = f"{body.share} for a new tier, must be {LEAST_SHARE} to {MOST_SHARE}"
        raise ShareViolation(reason)
    if tier is not None and body.share != 0:
        raise ShareViolation(f"{body.share} for a tier that is there, must be 0")

    # 8. It can be proven in time, and 9. its proof fits a block.
    cost, limit = proving_cost(body.puzzle, entry.shape), params.governance.proving_cost_limit
    if cost > limit:
        raise ProvingCostViolation(cost, limit)
    size, room = embedding_bytes(body.puzzle, model), params.limits.proof_bytes - PROOF_OVERHEAD
    if size > room:
        raise ProofRoomViolation(size, room)

    # 10. What it is to be measured by.
    _check_suites(body, () if extends else texts)


def embedding_bytes(ticket: Puzzle, model: DescribedModel) -> int:
    """Bytes of the embedding rows in a proof of a ticket, at most: one a token, packed."""
    rows = min(ticket.sequences * ticket.rows, model.shape.vocab)
    return rows * -(-model.shape.dim * model.embed_bits // 8)


def _checked_descriptor(body: ModelBody) -> DescribedModel:
    entry, version = body.entry, proof_version(body.descriptor)
    if version != PROOF_VERSION:
        raise ProofVersionViolation(version, PROOF_VERSION)
    try:
        model = described(body.descriptor)
    except ValueError as error:
        raise DescriptorViolation(str(error)) from error
    if model.model_id != entry.model_id:
        raise DescriptorViolation("its hash is not the entry's model_id")
    if (model.shape, model.bos, model.eos) != (entry.shape, entry.bos, entry.eos):
        raise DescriptorViolation("shape, bos and eos are not the entry's")
    return model


def check_still_extends(body: ModelBody, tier: Tier) -> None:
    """At the end of a vote, where the model has become the tier's own meanwhile, or always was.

    A vote may have moved its omega, which an extension leaves as it is. Raises ExtensionViolation
    or BankSizeViolation.
    """
    _check_extension(replace(body, omega=tier.omega), tier)
    _check_bank_size(body, tier)


def _check_bank_size(body: ModelBody, extended: Tier | None) -> None:
    least, most = LEAST_BANK, MOST_BANK
    if extended is not None:
        old = extended.model.bank_size
        least, most = max(least, old + 1), min(most, old * 3 // 2)
    if not least <= body.entry.bank_size <= most:
        raise BankSizeViolation(body.entry.bank_size, least, most)


def _check_extension(body: ModelBody, tier: Tier) -> None:
    bank = {"bank_root": tier.model.bank_root, "bank_size": tier.model.bank_size}
    if replace(body.entry, **bank) != tier.model:  # type: ignore[arg-type]
        raise ExtensionViolation("the entry differs from the tier's")
    if body.entry.bank_root == tier.model.bank_root:
        raise ExtensionViolation("the bank is the one that the tier has")
    for name in ("omega", "puzzle"):
        if getattr(body, name) != getattr(tier, name):
            raise ExtensionViolation(f"{name} differs from the tier's")


def check_puzzle(ticket: Puzzle, entry: ModelEntry, salt_bits: int) -> None:
    """The fourth rule. Raises PuzzleViolation."""
    if not 1 <= ticket.sequences <= MOST_SEQUENCES:
        raise PuzzleViolation(f"{ticket.sequences} sequences, must be 1 to {MOST_SEQUENCES}")
    if not LEAST_ANSWER <= ticket.max_answer <= MOST_ANSWER:
        reason = f"answers of {ticket.max_answer}, must be {LEAST_ANSWER} to {MOST_ANSWER}"
        raise PuzzleViolation(reason)
    if ticket.rows not in ROWS or ticket.rows > entry.shape.max_seq:
        reason = f"{ticket.rows} rows, must be one of {ROWS} and at most {entry.shape.max_seq}"
        raise PuzzleViolation(reason)
    if ticket.input_tokens + ticket.max_answer - 1 > ticket.rows:
        raise PuzzleViolation("input and answer do not fit the rows")
    if entry.salt_alphabet < LEAST_ALPHABET:
        reason = f"{entry.salt_alphabet} ids for salt, must be {LEAST_ALPHABET} at least"
        raise PuzzleViolation(reason)
    prompt = ticket.input_tokens - 1 - entry.minimum_salt(salt_bits)
    if prompt < LEAST_PROMPT:
        raise PuzzleViolation(f"room for prompts of {prompt}, must be {LEAST_PROMPT} at least")


def _check_suites(body: ModelBody, texts: tuple[bytes, ...]) -> None:
    if tuple(suite.text for suite in body.suites[: len(texts)]) != texts:
        raise BenchSuiteViolation("the first must be made from the registered texts, in order")
    for suite in body.suites:
        if not 1 <= suite.count <= MOST_ITEMS:
            raise BenchSuiteViolation(f"one of {suite.count} items, must be 1 to {MOST_ITEMS}")
