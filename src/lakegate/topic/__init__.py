"""Durable logs: topics of partitions of Arrow batches, and transactions over them."""
