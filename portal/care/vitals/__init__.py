"""Vital signs: figures, charts, tables, the doctor's paper and the FHIR bundle."""
