"""Subject 4: an answer that a gateway signed and that its model does not give.

1. target   2. network   3. signature   4. age   5. not punished in full   6. model
7. prompt and rows   8. the model's answer   9. it contradicts the signed one   10. penalty

1 to 9 need no proof; that the model gives the answer of rule 8 is for ``consensus.audits`` to
judge. Nothing in a receipt is believed but what the gateway is held to: the prompt and the tokens.
"""

from esper.dao.benchmarks.answers import check_shown
from esper.dao.benchmarks.fitting import audit_rows
from esper.dao.evidence import EVIDENCE_LISTED, PUNISHED, Evidence, Punished
from esper.dao.promise import promise_digest, signer_of
from esper.primitives.address import SUITE_ML_DSA_65
from esper.primitives.errors.dao_errors import (
    AuditRowsViolation,
    EvidenceOldViolation,
    EvidenceTwiceViolation,
    NothingTakenViolation,
    ProveTargetViolation,
    ReceiptViolation,
)
from esper.primitives.ids import Txid
from esper.primitives.model_entry import ModelEntry
from esper.vm.context import ExecutionContext
from esper.vm.governance.proving.penalty import planned_penalty, take
from esper.vm.governance.proving.taken_penalty import TakenPenalty
from esper.vm.ledger import Ledger
from esper.vm.records import evidence_path


def check_evidence(target: Txid, body: Evidence, ledger: Ledger, context: ExecutionContext) -> None:
    """All ten rules.

    Raises ProveTargetViolation, ReceiptViolation, EvidenceOldViolation, EvidenceTwiceViolation,
    AuditRowsViolation or NothingTakenViolation.
    """
    receipt = body.receipt

    # 1. and 2. It is about this receipt, of this network.
    record = receipt.to_bytes()
    if promise_digest(record) != target:
        raise ProveTargetViolation(target)
    if receipt.genesis_hash != context.genesis_hash:
        raise ReceiptViolation("it is of another network")

    # 3. The gateway signed it: with the suite of all receipts, or it is none.
    signer = signer_of(record, body.key, body.signature)
    if body.suite != SUITE_ML_DSA_65 or signer != receipt.gateway:
        raise ReceiptViolation("the signature is not the gateway's")

    # 4. While what was staked when it was signed cannot have been carried away.
    last = receipt.height + context.params.reward.unbonding
    if not receipt.height <= context.height <= last:
        raise EvidenceOldViolation(context.height, receipt.height, last)

    # 5. A receipt costs its penalty once.
    rest = context.params.governance.penalty - taken_so_far(target, ledger)
    if rest <= 0:
        raise EvidenceTwiceViolation(target)

    # 6. to 9. The model's answer, as far as the signed one goes, is another.
    model = context.answering(receipt.model_id)
    if model is None:
        raise ReceiptViolation("its model is in no tier any more, and was replaced before the last")
    check_contradiction(body, model, context.genesis.governance.audit_rows)

    # 10. Who would take nothing is told, and does not pay for it.
    if planned_penalty(ledger, body, rest).units == 0:
        raise NothingTakenViolation(receipt.gateway)


def check_contradiction(body: Evidence, model: ModelEntry, most_rows: int) -> None:
    """Rules 7 to 9: what the model is said to answer is an answer, and not what was signed.

    ``most_rows`` are those of a proof. Raises ReceiptViolation or AuditRowsViolation.
    """
    prompt, signed = body.receipt.prompt, body.receipt.answer

    # 7. There is something to run, and a proof may be as long as what is shown of it.
    if not prompt or not signed:
        raise ReceiptViolation("without prompt or answer it says nothing about its model")
    if max(prompt) >= model.shape.vocab:
        raise ReceiptViolation("its prompt has ids that its model does not know")
    if not 1 <= body.limit <= len(signed):
        raise ReceiptViolation(
            f"the answer to be proven has {body.limit} tokens, must have 1 to {len(signed)}"
        )
    rows, most = audit_rows(len(prompt), body.limit), min(most_rows, model.shape.max_seq)
    if rows > most:
        raise AuditRowsViolation(rows, most)

    # 8. No longer than what was signed: whatever cut an honest answer short, it begins like this.
    try:
        check_shown(body.answer, body.limit, EVIDENCE_LISTED, model)
    except ValueError as error:
        raise ReceiptViolation(f"the answer to be proven {error}") from error

    # 9. Another token, or an end that the signed answer goes on behind.
    shown = body.answer.tokens
    goes_on = shown[-1] == model.eos and len(signed) > len(shown)
    if shown == signed[: len(shown)] and not goes_on:
        raise ReceiptViolation("the model gives the answer that was signed")


def punish(
    sender: bytes,
    target: Txid,
    body: Evidence,
    ledger: Ledger,
    context: ExecutionContext,
    txid: Txid,
) -> None:
    """Take the penalty, or what is there of it; half is the sender's, the rest nobody's.

    ``txid`` is the transaction's, under which the ledger tells what was taken.
    """
    before = taken_so_far(target, ledger)
    penalty = planned_penalty(ledger, body, context.params.governance.penalty - before)
    take(penalty, body.receipt.gateway, ledger)
    # Rounded down: who accuses itself never has as much again.
    account, gain = ledger.account(sender), penalty.units // 2
    ledger.set_account(sender, account.moved(gain))
    ledger.burned += penalty.units - gain
    ledger.write(PUNISHED, evidence_path(target), Punished(before + penalty.units))
    ledger.penalties.append(
        TakenPenalty(
            txid,
            target,
            body.receipt.gateway,
            sender,
            rewards=sum(units for _, units in penalty.rewards),
            stake=penalty.stake,
            unbonding=sum(units for _, units in penalty.unbondings),
            paid=gain,
        )
    )


def taken_so_far(target: Txid, ledger: Ledger) -> int:
    """Units that evidence about this receipt has taken."""
    found = ledger.read(PUNISHED, evidence_path(target))
    return 0 if found is None else found.taken
