"""Processes on both sides of a session channel: streams, redirection, results."""
