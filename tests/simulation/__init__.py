"""Whole stores on a simulated disk: random commands, clocks, crashes and errors, against a dict."""
