"""The spool: where an object is between its acknowledgement and its receipt. `states` has the invariants."""
