"""Penstock: takes DICOM studies from a PACS to a research platform and leaves the patients' identities behind."""
