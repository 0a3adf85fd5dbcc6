"""Counters that every process writes into memory of its own and the supervisor reads: `catalogue` names them
all.
"""
