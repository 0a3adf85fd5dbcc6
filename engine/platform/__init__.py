"""The reference platform: takes pseudonymized objects by STOW-RS and keeps them encrypted."""
