"""Small helpers for text: the bodies are yours to write, or Greenfinch's."""


def word_counts(text: str) -> dict[str, int]:
    """How often each word occurs, ignoring case and punctuation."""
    raise NotImplementedError


def roman(number: int) -> str:
    """Write a number from 1 to 3999 in Roman numerals."""
    raise NotImplementedError


def caesar(text: str, shift: int) -> str:
    """Shift each letter by `shift` places in the alphabet, keeping its case; other characters stay."""
    raise NotImplementedError


def truncate(text: str, width: int) -> str:
    """Shorten text to at most `width` characters, ending in "..." if anything was cut."""
    raise NotImplementedError
