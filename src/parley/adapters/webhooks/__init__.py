"""Sending events to the operator's servers."""
