"""The books: counts and checksums per hop and partition, the proof that they balance, sealing."""
