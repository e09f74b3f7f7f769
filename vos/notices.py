"""The level of log messages that say how the user's input was understood."""

import logging

NOTICE = (logging.INFO + logging.WARNING) // 2
"""Between INFO and WARNING: the command line shows these messages unless ``--quiet`` is given."""
