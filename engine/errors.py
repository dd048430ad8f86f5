"""Errors that a user can act on.

Each says what happened, and, where there is one, what to do about it (`remedy`).  Anything else that is raised is a
defect of Greenfinch and may be shown as such.
"""

from __future__ import annotations


class GreenfinchError(Exception):
    """Base of every error that is meant for the user's eyes.

    Args:
        what: one sentence: what happened, and why, as far as it is known.
        remedy: one sentence or command: what the user can do.  May be empty.
    """

    def __init__(self, what: str, *, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}  {self.remedy}" if self.remedy else self.what


class ConfigError(GreenfinchError):
    """A setting or a command-line argument has a value that cannot be used."""


class TargetNotFoundError(GreenfinchError):
    """No function, class or file of stubs was found where the user pointed."""


class InterpreterError(GreenfinchError):
    """The user's Python was not found, is too old, or lacks the test framework."""


class SandboxError(GreenfinchError):
    """Tests could not be started in the confinement that was asked for."""


class JudgeError(GreenfinchError):
    """The judge cannot decide anything; the subclasses say why.  Nothing was generated."""


class NoTestsError(JudgeError):
    """No test reaches the target."""


class BlockedJudgeError(NoTestsError):
    """Every test that reaches the target needs another stub, too."""


class VacuousJudgeError(JudgeError):
    """Every test of the judge already passes on the text as it is."""


class BrokenJudgeError(JudgeError):
    """The judge fails for a reason that no implementation of the target can mend."""


class ModelError(GreenfinchError):
    """A model is missing, unknown, incomplete or not the file it should be."""


class ModelMissingError(ModelError):
    """The model is in the catalogue but not on this machine."""


class DownloadError(ModelError):
    """No source of a model could be used; what was downloaded so far is kept for the next try."""


class GenerationError(GreenfinchError):
    """A backend failed to produce a candidate."""


class HostError(GenerationError):
    """The model host could not be started, or died."""


class StaleTargetError(GreenfinchError):
    """The document changed in a way that touches the target; nothing was applied over it."""
