"""The model DAO: what may be proposed, how votes count, and what follows at which height. Pure.

Letters in docstrings (V, L, A, ...) are those of ``docs/dao.md``, which describes the protocol.
"""
