"""Attributes whose values name the patient: what the leak scan takes from an object and searches for in the
output."""

from __future__ import annotations

from engine.dicom.dictionary import parse_tag

_KEYWORDS = (
    "AccessionNumber",
    "PatientName",
    "NameToUse",
    "PatientID",
    "PatientBirthDate",
    "PatientBirthDateInAlternativeCalendar",
    "PatientDeathDateInAlternativeCalendar",
    "OtherPatientIDs",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientAddress",
    "PatientMotherBirthName",
    "InsurancePlanIdentification",
    "MedicalRecordLocator",
    "PatientTelephoneNumbers",
    "PatientTelecomInformation",
    "ResponsiblePerson",
    "AdmissionID",
    "ServiceEpisodeID",
    "RequestedProcedureID",
    "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest",
    "FillerOrderNumberProcedure",
    "PlacerOrderNumberProcedure",
)


def identifiers() -> list[int]:
    """Their tags, in order."""
    return sorted(tag for word in _KEYWORDS if (tag := parse_tag(word)) is not None)
