"""The supervisor: starts the roles, restarts them, ends them in order, and tells how they are.

roles       the table of roles          child     what a role's process does first
watch       one role's process           restarts  when to start again, and when to give up
preflight   what is checked before       health    metrics and health over HTTP
summary     words for people             main      all together
"""
