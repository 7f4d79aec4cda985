"""SLA and quality checks on a pinned snapshot, and publishing what passed."""
