"""The calculator role: a page in the hospital's own network, so that Patient IDs stay there."""
