"""The receipt that `esper call` keeps beside its answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from esper.cli.esper.calls.receipt_keeping import keep_receipt
from esper.cli.esper.models.out_file import OutFileError, check_out
from esper.cli.esper.session import Session
from esper.primitives.ids import Txid
from esper.receipts.call_proof import UnprovenError
from esper.rpc.client import RpcClientError
from esper.vm.llm_call import LlmCall
from esper.wallet.errors import CallOverdueError


@dataclass(frozen=True, slots=True)
class Kept:
    """What is to be kept of an answer."""

    file: Path | None
    """For the receipt; None: nothing."""
    final: bool
    """Whether the chain's part is waited for."""
    force: bool
    """Whether a file that is there is written over."""
    timeout_s: float | None
    """How long that wait may take."""

    def check(self, s: Session) -> None:
        """See that the file can be written, before anything is paid; leaves if it cannot."""
        if self.file is None:
            return
        try:
            check_out(self.file, force=self.force)
        except OutFileError as error:
            s.refuse("OutFileError", str(error))

    def keep(
        self, s: Session, txid: Txid, call: LlmCall, document: dict[str, Any]
    ) -> tuple[dict[str, Any], str]:
        """The receipt into its file: members of the answer, and a line.

        Where that fails the answer, ``document``, is told all the same: it was paid for.
        """
        assert self.file is not None
        try:
            return keep_receipt(
                s,
                txid,
                frozenset((call.model_id,)),
                self.file,
                final=self.final,
                force=self.force,
                timeout_s=self.timeout_s,
            )
        except (CallOverdueError, OutFileError, RpcClientError, UnprovenError) as error:
            self._tell_without(s, type(error).__name__, str(error), txid, document)
        except KeyboardInterrupt:
            self._tell_without(s, "Interrupted", "nobody waited for it", txid, document)

    def _tell_without(
        self, s: Session, name: str, why: str, txid: Txid, document: dict[str, Any]
    ) -> NoReturn:
        later = s.command("proof", txid.hex(), "--receipt", str(self.file))
        told = str(document.get("answer") or "")
        s.refuse(
            name,
            f"{told}\nanswered and proven, but there is no receipt: {why}; fetch it later with: "
            f"{later}",
            data=document,
        )
