"""DICOMweb out: searches (QIDO-RS, PS3.18 10.6) and retrieval (WADO-RS, PS3.18 10.4) of one institution's studies."""
