"""The offline tool, on directories that real stores have written."""
