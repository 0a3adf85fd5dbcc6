"""The standard's vocabulary: attributes, UID roles, transfer syntaxes, status codes. Its tables are generated
(`scripts/generate_tables.py`) and loaded when first asked for."""
