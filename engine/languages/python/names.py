"""Which names of a text nobody defines, and the import that a well-known one means.

Finding undefined names is pyflakes' work; what is ours is the small table of names that mean one thing only.
"""

from __future__ import annotations

import sys

from pyflakes import checker, messages

from engine.languages.python.syntax import one_at_a_time, tree_of

# Names of the standard library that programs use bare, by module.  A name stands here only if a reader of
# `Counter(words)` would think of no other module.
_NAMES_OF = {
    "abc": "ABC abstractmethod",
    "bisect": "bisect bisect_left bisect_right insort",
    "collections": "Counter OrderedDict defaultdict deque namedtuple ChainMap",
    "collections.abc": "Callable Generator Hashable Iterable Iterator Mapping MutableMapping Sequence",
    "contextlib": "contextmanager suppress",
    "dataclasses": "dataclass",
    "datetime": "date datetime timedelta timezone",
    "decimal": "Decimal ROUND_HALF_UP",
    "enum": "Enum IntEnum StrEnum",
    "fractions": "Fraction",
    "functools": "cache cached_property cmp_to_key lru_cache partial reduce total_ordering wraps",
    "heapq": "heapify heappop heappush heappushpop nlargest nsmallest",
    "itertools": "accumulate chain combinations combinations_with_replacement count cycle dropwhile groupby islice "
    "pairwise permutations product repeat starmap takewhile zip_longest",
    "math": "ceil comb factorial floor gcd hypot inf isclose isqrt lcm log log10 log2 perm pi prod sqrt",
    "operator": "attrgetter itemgetter mul",
    "pathlib": "Path",
    "random": "randint shuffle",
    "string": "ascii_letters ascii_lowercase ascii_uppercase digits punctuation",
    "textwrap": "dedent",
    "types": "SimpleNamespace",
    "typing": "Any Dict List NamedTuple Optional Set Tuple Union",
}
_MODULE_OF = {name: module for module, names in _NAMES_OF.items() for name in names.split()}
_ALIASES = {"np": "import numpy as np", "pd": "import pandas as pd"}


def undefined_names(text: str) -> frozenset[str] | None:
    """Names that are used and defined nowhere.

    None if the text does not parse (or uses a newer syntax than ours), or nests too deeply to be looked through.
    """
    try:
        with one_at_a_time:  # it parses annotations by itself
            found = checker.Checker(tree_of(text)).messages
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return frozenset(m.message_args[0] for m in found if isinstance(m, messages.UndefinedName))


def import_for(name: str) -> str | None:
    """The import statement that defines a well-known name, if there is one."""
    if name in _MODULE_OF:
        return f"from {_MODULE_OF[name]} import {name}"
    if name in _ALIASES:
        return _ALIASES[name]
    if name in sys.stdlib_module_names and not name.startswith("_"):
        return f"import {name}"
    return None
