# module: a frozen dataclass with slots, compared and hashed by its fields
from dataclasses import dataclass, field

LIMIT = 3999


@dataclass(frozen=True, slots=True, order=True)
class Sign:
    value: int
    letters: str = field(compare=False)

    def __post_init__(self):
        object.__setattr__(self, "letters", self.letters.upper())


SIGNS = tuple(
    Sign(value, letters)
    for value, letters in (
        (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
        (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
    )
)  # fmt: skip


def roman(number):
    if not 0 < number <= LIMIT:
        raise ValueError(number)
    text = ""
    for sign in sorted({*SIGNS}, reverse=True):
        count, number = divmod(number, sign.value)
        text += sign.letters * count
    return text
