"""The SQL of row rules: from text to a typed expression, and what each function means."""
