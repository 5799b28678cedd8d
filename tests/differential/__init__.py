"""Synap and a real Redis are asked the same, and answer alike, but for what ``differences`` lists with a reason."""
