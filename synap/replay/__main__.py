"""``python -m synap.replay``: the offline tool by itself."""

from synap.__main__ import main

if __name__ == "__main__":
    main("synap.replay.cli")
