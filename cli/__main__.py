"""``python -m vos_cli`` is ``vos``."""

from .main import main

if __name__ == "__main__":
    main()
