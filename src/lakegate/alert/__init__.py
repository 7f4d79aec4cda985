"""Alerts: what is a breach, who hears of it, and getting it there."""
