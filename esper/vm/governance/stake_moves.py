"""Before stake, delegate or pot of an address change, what it held is noted for open votes."""

from dataclasses import replace

from esper.dao.snapshot import Held, held_at, noted
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.ledger import Ledger


def held_by(address: bytes, epoch: int, ledger: Ledger) -> Held:
    """What an address held when ``epoch``, one of the last four, began."""
    stake = ledger.account(address).stake
    return held_at(DaoLedger(ledger).voter(address), stake, epoch)


def note_stake(owner: bytes, units: int, ledger: Ledger) -> None:
    """Before ``units`` are added to an address's stake, or taken off it if negative."""
    delegate = _note(owner, ledger)
    if delegate:
        _move_pot(delegate, units, ledger)


def note_delegate(owner: bytes, delegate: bytes, ledger: Ledger) -> None:
    """Let another address vote for the owner, or nobody; ``delegate`` is not the owner."""
    stake = ledger.account(owner).stake
    old = _note(owner, ledger)
    if old:
        _move_pot(old, -stake, ledger)
    if delegate:
        _move_pot(delegate, stake, ledger)
    records = DaoLedger(ledger)
    records.set_voter(owner, replace(records.voter(owner), delegate=delegate))


def _note(address: bytes, ledger: Ledger) -> bytes:
    records = DaoLedger(ledger)
    voter = noted(records.voter(address), ledger.account(address).stake, ledger.totals.epoch)
    records.set_voter(address, voter)
    return voter.delegate


def _move_pot(address: bytes, units: int, ledger: Ledger) -> None:
    _note(address, ledger)
    records = DaoLedger(ledger)
    voter = records.voter(address)
    records.set_voter(address, replace(voter, pot=voter.pot + units))
