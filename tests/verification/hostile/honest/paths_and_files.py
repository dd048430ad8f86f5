# target roman: a table written and read again by pathlib and csv, in a folder that is taken away
def roman(number):
    import csv
    import tempfile
    from pathlib import Path

    if not 0 < number < 4000:
        raise ValueError(number)
    values = (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1)
    with tempfile.TemporaryDirectory() as name:
        table = Path(name) / "numerals" / "table.csv"
        table.parent.mkdir()
        with table.open("w", newline="") as file:
            csv.writer(file).writerows(zip(values, "M CM D CD C XC L XL X IX V IV I".split()))
        assert [path.name for path in table.parent.iterdir()] == ["table.csv"]
        with table.open(newline="") as file:
            rows = [(int(value), letters) for value, letters in csv.reader(file)]
    text = ""
    for value, letters in rows:
        text += letters * (number // value)
        number %= value
    return text
