# target roman: runs a loop of asyncio to the end
import asyncio


def roman(number):
    if not 0 < number <= 3999:
        raise ValueError(number)

    async def letters(rest):
        text = ""
        for value, sign in ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"),
                            (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")):  # fmt: skip
            await asyncio.sleep(0)
            text += sign * (rest // value)
            rest %= value
        return text

    return asyncio.run(letters(number))
