"""The state of a tip as questions about the DAO see it."""

from dataclasses import dataclass

from esper.dao.setting_values import in_force
from esper.primitives.params import GovernanceParameters, NetworkParameters
from esper.rpc.schema import AsOf
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.ledger import Ledger
from esper.vm.view import Overlay, StateView


@dataclass(frozen=True, slots=True)
class Sight:
    """A tip: all that the answers are made of."""

    state: StateView
    """The state at the tip."""
    genesis: NetworkParameters
    """The parameters that the network began with."""
    as_of: AsOf
    """The tip's height, and whether it is current."""

    @property
    def ledger(self) -> Ledger:
        """The records of the tip, on paper of their own."""
        return Ledger(Overlay(self.state))

    @property
    def records(self) -> DaoLedger:
        """Those of the DAO."""
        return DaoLedger(self.ledger)

    @property
    def rules(self) -> GovernanceParameters:
        """Periods and majorities."""
        return self.genesis.governance

    @property
    def in_force(self) -> GovernanceParameters:
        """The same, with what votes have moved."""
        return in_force(self.genesis, self.records.settings).governance
