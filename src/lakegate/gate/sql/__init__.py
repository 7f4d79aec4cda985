"""Row rules evaluated: record by record, which is the specification, and over columns."""
