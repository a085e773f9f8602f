"""The instant market: what strangers' machines sign, how it is drawn, and how it is paid. All pure.

A model of exact integers has one answer to a prompt, so what a provider signed is either that
answer or a fault, and an audit is a replay. What is said here takes records, beacons and rosters as
arguments; no kind of transaction knows of it yet.
"""
