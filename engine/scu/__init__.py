"""A DICOM association as requestor, for all who call others: the load sender, the uploader, the doctor."""
