"""The DAO as the RPC shows it: proposals, voters, settings, and what is about to happen."""
