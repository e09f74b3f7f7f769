"""Everything this library raises on purpose.

::

    VosError                      exit 1
    ├── InputError                exit 2   something the caller asked for cannot be done as asked
    │   ├── PromptError                    a mask, point, box or prompt file is not usable
    │   ├── FormatError                    an annotation file is damaged, or not what it should be
    │   ├── SettingsError                  an unknown or invalid setting
    │   ├── OutputError                    the output place cannot be used (exists, read-only, ...)
    │   │   └── BusyError                  another process is writing there
    │   └── EvaluationError                results and ground truth do not fit together
    ├── MediaError                exit 3   a video, image or folder cannot be read
    ├── ModelError                exit 4   a model is unknown, or its weights are missing or unusable
    ├── PartialResultError        exit 5   stopped part-way; what was finished is on disk
    └── InterruptedRunError       exit 130 stopped by Ctrl-C or SIGTERM; what was finished is on disk

A message says what happened, with the offending value, what is allowed, and what to try next.
"""


class VosError(Exception):
    """Base of all errors raised on purpose; ``exit_code`` is what the command line returns."""

    exit_code = 1


class InputError(VosError):
    """Something the caller asked for cannot be done as asked."""

    exit_code = 2


class PromptError(InputError):
    """A mask, point, box or prompt file is not usable."""


class FormatError(InputError):
    """An annotation file is damaged, is of another format, or does not fit its video."""


class SettingsError(InputError):
    """A setting is unknown or has a value that is not allowed."""


class OutputError(InputError):
    """The output place cannot be used: it exists, is read-only, or is not a folder."""


class BusyError(OutputError):
    """Another process is writing to the output place."""


class EvaluationError(InputError):
    """Results and ground truth do not fit together."""


class MediaError(VosError):
    """A video, an image or a folder of images cannot be read."""

    exit_code = 3


class ModelError(VosError):
    """A model is unknown, or its weights are missing or unusable."""

    exit_code = 4


class PartialResultError(VosError):
    """The run stopped part-way; every file already under its final name is complete."""

    exit_code = 5


class InterruptedRunError(VosError):
    """The run was stopped by Ctrl-C or SIGTERM; every file already under its final name is complete."""

    exit_code = 130
