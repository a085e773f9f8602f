"""What the periods of the DAO owe to other parameters of a network."""

from esper.dao.steps import MAX_EXTENSIONS
from esper.primitives.params import NetworkParameters


def check_periods(params: NetworkParameters) -> None:
    """Raises ValueError, naming both numbers, where one contradicts another.

    A vote must end while snapshots of its epoch are kept, and before stake that voted can be spent;
    and what is confirmed must act beyond the deepest reorganisation.
    """
    rules = params.governance
    longest = rules.vote_window + MAX_EXTENSIONS * rules.vote_tail
    for name, most in (
        ("two credit epochs", 2 * params.credits.epoch_blocks),
        ("the unbonding period", params.reward.unbonding),
    ):
        if longest > most:
            raise ValueError(f"a vote may last {longest} blocks, longer than {name}, {most}")
    if rules.horizon <= params.limits.undo_depth:
        raise ValueError(
            f"horizon {rules.horizon} must be above the undo depth {params.limits.undo_depth}"
        )
