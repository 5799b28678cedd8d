"""``python -m synap``: the same as the command ``synap``."""

from synap.cli import main

if __name__ == "__main__":
    main()
