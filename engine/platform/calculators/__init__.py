"""Calculators at gateways: their addresses, signing in to them by the platform, and look-ups by hashed ID."""
