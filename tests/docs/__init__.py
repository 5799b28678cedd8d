"""What the documents say is true: links, settings, metrics, and every example that can be run."""
