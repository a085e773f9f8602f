"""The DAO in the state: proposals, votes, delegations, and what follows block by block.

The formulas stand in ``esper.dao``; here they meet records, coins and the order of a block.
"""
