"""FHIR over HTTP: the REST face of the door."""
