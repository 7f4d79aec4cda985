"""The operational database: audits and their results, publications, contract versions seen."""
