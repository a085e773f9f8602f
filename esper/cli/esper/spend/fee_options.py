"""Options of everything that makes a transaction."""

from __future__ import annotations

from typing import Annotated

import typer

from esper.wallet.making.fee_terms import MAX_FEE_VARIABLE

From = Annotated[
    str | None, typer.Option("--from", help="Own address or label; the first without it.")
]
Expires = Annotated[int, typer.Option(min=1, help="Blocks until it lapses untaken.")]
Fee = Annotated[str | None, typer.Option(help="ESP; the least without it.")]
Nonce = Annotated[
    int | None,
    typer.Option(min=0, max=(1 << 63) - 1, help="The next nonce, where no node is asked."),
]
Height = Annotated[
    int | None,
    typer.Option(min=0, max=(1 << 32) - 1, help="The chain's height, where no node is asked."),
]
MaxFee = Annotated[
    str, typer.Option("--max-fee", envvar=MAX_FEE_VARIABLE, help="ESP; a higher fee is refused.")
]
