"""What a run costs in energy and money: read from the machine's own meters where they can be read, else estimated.

Each meter is one file with a counter of joules (`Source`); `meter` puts them together, says how each part of a figure
is known, and splits it by phase; `account` keeps one run's books.  This room asks nobody to do anything: what has
worked for how long is told to it.
"""

from engine.energy.account import Account
from engine.energy.base import PHASES, Energy, Source, Work
from engine.energy.meter import ESTIMATED, Meter

__all__ = ["ESTIMATED", "PHASES", "Account", "Energy", "Meter", "Source", "Work"]
