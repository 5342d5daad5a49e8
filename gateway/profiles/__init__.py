"""The validation of documents against profiles: StructureDefinitions compiled to what they add to the structure of R4."""
