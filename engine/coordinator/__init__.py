"""The coordinator: groups objects into study passes, has workers make their plans, seals passes, recovers
the spool.

    pass_states   the states of a pass as a table                 custody    the decisions, without I/O
    lanes         who is next: fair between associations          messages   what coordinator and workers say
    worker        one worker process                              pool       all of them
    recovery      from a scan to where it stopped                 shell      decisions carried out on the
    spool main          the loop
"""
