"""The migrations. Once released, a file here is never changed: another one is added."""
