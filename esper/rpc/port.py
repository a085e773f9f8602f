"""What the server needs from a node. All methods may raise ``RpcError``."""

from typing import Protocol

from esper.rpc import schema as s


class NodePort(Protocol):
    """A node as its server sees it. Every method answers within milliseconds but ``generate``."""

    async def status(self) -> s.Status:
        """What the node says of itself."""

    async def parameters(self) -> s.Parameters:
        """The network's rules."""

    async def models(self) -> list[s.Model]:
        """The active models, by tier."""

    async def tokenize(self, params: s.TokenizeParams) -> s.Tokens:
        """Text or messages to token ids."""

    async def detokenize(self, params: s.DetokenizeParams) -> s.TextReply:
        """Token ids to text."""

    async def block(self, params: s.BlockParams) -> s.BlockReply:
        """A block of the chain."""

    async def transaction(self, params: s.TransactionParams) -> s.TransactionReply:
        """A transaction, waiting or in the chain."""

    async def submit(self, params: s.SubmitParams) -> s.Submitted:
        """Take a transaction into the mempool."""

    async def account(self, params: s.AccountParams) -> s.AccountReply:
        """What an address holds."""

    async def history(self, params: s.HistoryParams) -> s.History:
        """What happened to an address."""

    async def estimate_call(self, params: s.EstimateParams) -> s.Estimate:
        """What a call would cost."""

    async def call(self, params: s.TransactionParams) -> s.CallReply:
        """A call and its answer."""

    async def mempool(self) -> s.MempoolReply:
        """What waits."""

    async def mining(self) -> s.Mining:
        """How mining goes."""

    async def pause_mining(self) -> s.Done:
        """Stop searching; a proof that runs is finished."""

    async def resume_mining(self) -> s.Done:
        """Go on."""

    async def set_threads(self, params: s.ThreadsParams) -> s.Done:
        """Cap the threads of search and proofs."""

    async def generate(self, params: s.GenerateParams) -> s.Generated:
        """Mine blocks now. Regtest alone."""

    async def stop(self) -> s.Done:
        """Shut the node down once this is answered."""
