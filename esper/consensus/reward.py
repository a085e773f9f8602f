"""What a block earns: an equal subsidy that halves, a tenth of it tied to credits burned."""

from esper.primitives.params import RewardParameters


def subsidy(height: int, rules: RewardParameters) -> int:
    """S of the block at ``height``, in units; blocks 1 to halving_blocks are the first era."""
    if height < 1:
        raise ValueError(f"height {height} has no subsidy, blocks are paid from 1 on")
    return rules.subsidy >> min((height - 1) // rules.halving_blocks, rules.subsidy.bit_length())


def block_reward(height: int, burned_credits: int, fees: int, rules: RewardParameters) -> int:
    """Units that the coinbase pays: S - floor(S / 10) + the earned share of that tenth + fees.

    ``burned_credits`` in micro-credits earns the bonus in proportion, up to the cap. What is not
    earned is not issued.
    """
    full = subsidy(height, rules)
    bonus = full // rules.bonus_divisor
    counted = min(burned_credits, rules.bonus_credit_cap)
    return full - bonus + bonus * counted // rules.bonus_credit_cap + fees
