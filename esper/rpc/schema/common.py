"""What several methods of the RPC take and answer with."""

from typing import Annotated, Final

from msgspec import Meta, Struct

Amount = Annotated[str, Meta(pattern=r"^(0|[1-9][0-9]{0,18})$(?!\n)")]
"""Units or micro-credits, decimal."""
Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{128}$(?!\n)")]
"""64 bytes in hex."""
IdBeginning = Annotated[str, Meta(pattern=r"^[0-9a-f]{8,128}$(?!\n)")]
"""Hex of 64 bytes, or the first 8 digits and more where no other id begins with them."""
MAX_TEXT: Final = 65_536
"""Characters of a text to be tokenised."""
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
"""Text that the server may tokenise."""
AddressText = Annotated[str, Meta(min_length=8, max_length=120)]
"""A bech32m address of the network."""
Height = Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
"""A height."""
TokenIds = Annotated[list[Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]], Meta(max_length=8192)]
"""Token ids of one model."""


class Request(Struct, forbid_unknown_fields=True, frozen=True):
    """Base of all requests."""


class Reply(Struct, frozen=True):
    """Base of all answers. A client ignores fields that it does not know."""


class NoParams(Request, frozen=True):
    """A method without parameters."""


class AsOf(Reply, frozen=True):
    """How current an answer is."""

    height: int
    """The tip that it was read at."""
    synced: bool
    """Whether the tip is recent and has the work; False: say "as of height N, syncing"."""


class Done(Reply, frozen=True):
    """Nothing to say but that it was done."""

    done: bool = True
