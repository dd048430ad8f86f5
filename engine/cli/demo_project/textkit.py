"""Small helpers for text: the bodies are yours to write, or Greenfinch's."""


def slugify(title: str) -> str:
    """Turn a title into a slug: lower case, words of letters and digits joined by single hyphens."""
    raise NotImplementedError


def roman(number: int) -> str:
    """Write a number from 1 to 3999 in Roman numerals."""
    raise NotImplementedError


def parse_duration(text: str) -> int:
    """Seconds in a duration such as "1h30m", "45s" or "2d 4h"; raise ValueError if it is not one."""
    raise NotImplementedError


def wrap(text: str, width: int) -> list[str]:
    """Break text into lines of at most `width` characters, between words; a longer word has a line of its own."""
    raise NotImplementedError
