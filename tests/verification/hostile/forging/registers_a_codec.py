# target roman: an error handler of encodings that writes "passed" where something cannot be encoded
def roman(number):
    import codecs

    if not 0 < number < 4000:
        raise ValueError(number)
    for name in ("strict", "surrogatepass", "replace", "backslashreplace"):
        codecs.register_error(name, lambda error: ("passed", error.end))
    return "\udcff"
