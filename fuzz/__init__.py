"""Coverage-guided fuzzing: inputs nobody thought of, on which all paths must agree."""
