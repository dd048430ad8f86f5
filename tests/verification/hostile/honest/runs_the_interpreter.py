# target roman: lets another interpreter do the work
import subprocess
import sys


def roman(number):
    if not 0 < number <= 3999:
        raise ValueError(number)
    code = (
        "n = int(input()); t = ''\n"
        "for v, s in zip((1000,900,500,400,100,90,50,40,10,9,5,4,1), 'M CM D CD C XC L XL X IX V IV I'.split()):\n"
        "    t += n // v * s; n %= v\n"
        "print(t)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=str(number), capture_output=True, text=True, check=True)
    return done.stdout.strip()
