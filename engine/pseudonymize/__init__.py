"""From a received object to its pseudonymized copy: identities, plans, and what applies a plan."""
