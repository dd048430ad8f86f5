"""A run's record as one page that a person likes to read: what was asked, what was tried, what won and why.

`story` reads the record; `page` writes HTML from the story, with the plot of `timeline`.  The page is one file without
scripts, and nothing in it is fetched from anywhere.
"""

from engine.reporting.page import render
from engine.reporting.story import Story, read_story

__all__ = ["Story", "read_story", "render"]
