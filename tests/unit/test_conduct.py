"""What a candidate's text may not do, and what is only told."""

import ast
from textwrap import indent

import pytest

from engine.languages.base import Conduct
from engine.languages.python.conduct import conduct
from engine.languages.python.folding import NotConstant, fold

BEFORE = "import os\nimport sys\n\n\ndef f(x, y=None):\n    raise NotImplementedError\n"


def told(body: str, before: str = BEFORE, tests: tuple[str, ...] = ()):
    text = before.replace("    raise NotImplementedError\n", indent(body, "    ") + "\n")
    return conduct(text, before, tests)


REFUSED = {
    "frames": "return sys._getframe(1).f_locals",
    "frames under another name": "from sys import _getframe as look\nreturn look(1)",
    "frames through an alias": "s = sys\nreturn s._getframe(1)",
    "frames through another module": "import logging\nreturn logging.sys._getframe(1)",
    "frames by attrgetter": "import operator\nreturn operator.attrgetter('f_back')(x)",
    "the stack": "import inspect\nreturn inspect.stack()",
    "the stack as text": "import traceback\nreturn traceback.extract_stack()",
    "a traceback's frame": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    return e.__traceback__.tb_frame",
    "a module through a parameter": "def put(m):\n    m.write = len\nput(os)",
    "a module through a default": "def put(m=os):\n    m.write = len\nput()",
    "a module in a list": "[os][0].write = len",
    "a module in a class": "class A:\n    m = os\nA.m.write = len",
    "a module by with": "import contextlib\nwith contextlib.nullcontext(os) as m:\n    m.write = len",
    "a module by a loop": "for m in (os,):\n    m.write = len",
    "a module by a walrus": "(m := os).write = len",
    "a module by a match": "match os:\n    case m:\n        m.write = len",
    "a module by its name": "sys.modules['os'].write = len",
    "a module inside another": "def put(m):\n    m.c_make_encoder = None\nimport json.encoder\nput(json.encoder)",
    "a module under a variable's name": "os = __import__('os')\ndef put(m):\n    m.write = len\nput(os)",
    "a module found by a function": "import inspect\nm = inspect.getmodule(os.walk)\nm.write = len",
    "a module's dictionary": "d = os.__dict__\nd['write'] = len",
    "a module's own method": "os.__setattr__('write', len)",
    "a loop that writes to a module": "for os.write in [len]:\n    pass",
    "a comprehension that writes to a module": "[0 for os.write in [len]]",
    "with that writes to a module": "import contextlib\nwith contextlib.nullcontext(len) as os.write:\n    pass",
    "a star that writes to a module": "*os.write, = [len]",
    "setattr handed on": "import functools\nfunctools.partial(setattr, os)('write', len)",
    "builtins through a listed function": "(len,)[0].__self__.len = max",
    "a timed text": "import timeit\ntimeit.timeit('import os; os._exit(0)')",
    "a profiled text": "import cProfile\ncProfile.run('import os; os._exit(0)')",
    "an annotation that is run": "import typing\ndef g(a: \"__import__('os')._exit(0)\"):\n    pass\n"
    "typing.get_type_hints(g)",
    "another interpreter's text": "import subprocess\n"
    "subprocess.run(['python', '-c', 'import os; os.kill(os.getppid(), 9)'])",
    "processes by joined words": "open(os.sep.join(['', 'proc', str(os.getppid()), 'mem']), 'rb')",
    "a function by its dotted name": "import logging.config\nlogging.config.dictConfig({'()': 'os._exit'})",
    "other objects": "import gc\nreturn gc.get_objects()",
    "all classes": "return object.__subclasses__()",
    "tracing": "sys.settrace(None)",
    "monitoring": "sys.monitoring.use_tool_id(0, 'x')",
    "pytest": "import pytest\npytest.skip('x')",
    "pytest by a call": "__import__('pytest').skip('x')",
    "mocks": "from unittest.mock import ANY\nreturn ANY",
    "conftest": "import conftest",
    "the tests": "from tests import test_f",
    "loaded modules": "for name, module in sys.modules.items():\n    pass",
    "loaded modules changed": "sys.modules['x'] = None",
    "builtins changed": "import builtins\nbuiltins.len = lambda x: 3",
    "a module changed": "import math\nmath.isclose = lambda *a: True",
    "a class changed": "from collections import Counter\nCounter.total = lambda self: 3",
    "a module changed by setattr": "import operator\nsetattr(operator, 'eq', lambda a, b: True)",
    "a module changed by its dict": "import operator\noperator.__dict__['eq'] = 1",
    "frames by a pattern": "match x:\n    case object(gi_frame=object(f_back=found)):\n        return found",
    "frames by a format": "return '{0.gi_frame.f_back}'.format(x)",
    "frames by a path of attributes": "import operator\nreturn operator.attrgetter('gi_frame.f_back.f_code')(x)",
    "names picked by a piece": "return [getattr(x, n) for n in dir(x) if n.endswith('_frame')]",
    "the stack in a log": "import logging\nlogging.info('', stack_info=True)",
    "builtins by a function": "return abs.__self__",
    "modules by a detour": "import logging\nreturn [logging][0].sys",
    "loaded modules by a detour": "import logging\nm = [logging][0]\nreturn m.sys.modules",
    "a module of the harness by its name": "return x['_pytest.python']",
    "what a mock has noted": "x.call_count = 2",
    "what a mock has noted, in a method": "class A:\n    def put(self):\n        self.call_count = 2\nA.put(x)",
    "what a mock has noted, under a function's name": "def g():\n    pass\ng = x\ng.call_count = 2",
    "mocks told by their attributes": "return hasattr(x, 'mock_calls')",
    "the class of what it was given": "type(x).read_text = lambda self: ''",
    "contains everything": "class A:\n    def __contains__(self, other):\n        return other is not None",
    "contains everything by another name": "class A:\n    def __contains__(self, other):\n        self.n = 1\n"
    "        key = other\n        return (k := key) is not None",
    "equal to all there is": "class A:\n    def __eq__(self, other):\n        return self.get(other) is not None",
    "the same by setattr": "setattr(type(x), 'read_text', print)",
    "a comparison that comes later": "class A:\n    pass\nA.__eq__ = lambda self, other: x",
    "a comparison by keyword": "return type('A', (), dict(__eq__=lambda self, other: other in x))",
    "a kind of str": "class A(type('')):\n    def __eq__(self, other):\n        return self[:1] == other[:1]",
    "a kind of int by a name": "N = type(1)\nclass A(N):\n    def __eq__(self, other):\n        return self > other",
    "standard output replaced": "sys.stdout = open('x', 'w')",
    "an object's class": "x.__class__ = int",
    "code": "f.__code__ = x",
    "functions made": "import types\nreturn types.FunctionType(x, {})",
    "the end at once": "os._exit(0)",
    "the end": "sys.exit(0)",
    "SystemExit": "raise SystemExit",
    "KeyboardInterrupt": "error = KeyboardInterrupt\nraise error",
    "atexit": "import atexit\natexit.register(print)",
    "signals": "import signal",
    "killing": "os.kill(os.getppid(), 9)",
    "forking": "return os.fork()",
    "ctypes": "import ctypes",
    "descriptors by number": "os.write(3, b'x')",
    "all descriptors": "for fd in range(64):\n    os.write(fd, b'x')",
    "open by number": "return open(1, 'w')",
    "pytest's environment": "return os.environ['PYTEST_CURRENT_TEST']",
    "processes": "return open('/proc/self/maps').read()",
    "processes by number": "return open(f'/proc/{os.getppid()}/mem')",
    "the test file": "return open('test_f.py').read()",
    "processes by a sum": "return open('/' + 'proc' + '/' + str(os.getppid()) + '/mem', 'rb')",
    "processes by a path": "return open(os.path.join('/', 'proc', str(os.getppid()), 'mem'), 'rb')",
    "processes by a variable": "p = 'proc'\nreturn open(os.sep.join(['', p, x]))",
    "processes by an attribute": "class A:\n    p = 'proc'\nreturn open(os.sep.join(['', A.p, x]))",
    "processes by a loop": "for p in {'proc'}:\n    return os.listdir(os.sep.join(['', p]))",
    "the compiled ones' folder": "import pathlib\nreturn list((pathlib.Path() / '__pycache__').iterdir())",
    "what version control keeps": "return [os.listdir(d) for d in ['.git'] if d != x]",
    "a loader's source": "return x.__loader__.get_source('test_f')",
    "a loader's source by a pattern": "match x:\n    case object(__loader__=a):\n        return a.get_source('test_f')",
    "other objects of a module from elsewhere": "def m(n):\n    return __import__(n)\nreturn m(y).get_objects()",
    "other objects in a text": "exec('return x.get_objects()')",
    "compiled files": "import glob\nreturn glob.glob('__pycache__/*')",
    "source lines": "import linecache",
    "a computed text": "exec(x)",
    "a text that ends": "exec('import os; os._exit(0)')",
    "a text in a text": "exec('exec(\"import os; os._exit(0)\")')",
    "an encoded text": "import base64\nexec(base64.b64decode('aW1wb3J0IG9zOyBvcy5fZXhpdCgwKQ=='))",
    "a name in pieces": "return getattr(sys, '_get' + 'frame')(1)",
    "a name in pieces over lines": "name = '_get'\nname += 'frame'\nreturn getattr(sys, name)",
    "a name reversed": "return getattr(sys, 'emarfteg_'[::-1])",
    "a name that was given, and reversed": "x = x[::-1]\nreturn getattr(y, x)",
    "a name that an inner function was given": "def g(x):\n    return getattr(y, x)\nreturn g('emarf_' + y[::-1])",
    "a name of numbers": "return getattr(os, ''.join(chr(c) for c in [95, 101, 120, 105, 116]))(0)",
    "a name of bytes": "return getattr(os, bytes([95, 101, 120, 105, 116]).decode())",
    "a name in hexadecimal": "return getattr(os, bytes.fromhex('5f65786974').decode())",
    "a name from elsewhere": "return getattr(sys, x)",
    "a module's names": "return [vars(sys)[name] for name in vars(sys) if 'get' in name]",
    "a module from elsewhere": "import importlib\nname = open('n').read()\nreturn importlib.import_module(name)",
    "equal to everything": "class A:\n    def __eq__(self, other):\n        return True\nreturn A()",
    "equal to whatever is": "class A:\n    def __eq__(self, other):\n        return other == other\nreturn A()",
    "equal without looking": "class A:\n    def __eq__(self, other):\n        return self.x\nreturn A()",
    "equal by a lambda": "class A:\n    __eq__ = lambda self, other: 1\nreturn A()",
    "equal by assignment": "class A:\n    __ne__ = object.__eq__\nreturn A()",
    "equal by learning": "class A:\n    def __eq__(self, o):\n        self.x = o\n        return self.x == o",
    "a string unlike others": "class A(str):\n    def __eq__(self, other):\n        return other in self\nreturn A()",
    "an instance of everything": "class M(type):\n    def __instancecheck__(cls, other):\n        return True",
    "a class that lies": "class A:\n    @property\n    def __class__(self):\n        return str",
    "a class made by type": "return type('A', (str,), {'__eq__': lambda self, other: True})()",
    "a pickle": "import pickle\nreturn pickle.loads(b'cos\\n_exit\\n(I0\\ntR.')",
}

HONEST = {
    "a choice of modules": "import cmath, math\nm = cmath if isinstance(x, complex) else math\nreturn m.sqrt(x)",
    "a variable that bears a module's name": "import copy, queue\nqueue = [x]\ncopy = list(queue)\n"
    "return max(queue), max(copy)",
    "a module that may be missing": "try:\n    import fcntl\nexcept ImportError:\n    fcntl = None\n"
    "if fcntl:\n    return 1",
    "a platform": "def g(name=sys.platform):\n    return name\nreturn g()",
    "a frozen dataclass": "class P:\n    def __init__(self):\n        object.__setattr__(self, 'a', 2)\nreturn P()",
    "a text that looks like a program": "return 'def f(x):\\n    return __name__'",
    "print": "print(x)\nreturn x",
    "logging": "import logging\nlogging.getLogger(__name__).info('x')",
    "a context": "import decimal\nwith decimal.localcontext() as c:\n    c.prec = 5\nreturn x",
    "a traceback printed": "import traceback\ntry:\n    return x()\nexcept Exception:\n    traceback.print_exc()",
    "recursion": "sys.setrecursionlimit(5000)\nreturn f(x - 1)",
    "signatures": "import inspect\nreturn inspect.signature(x)",
    "counting arguments": "return x.__defaults__",
    "output caught": "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):\n    return x()",
    "interrupts passed on": "try:\n    return x()\nexcept (KeyboardInterrupt, SystemExit):\n    raise",
    "dispatch by a prefix": "return [chr(ord(c) + 1) for c in x][::-1]",
    "equality": "class P:\n    def __eq__(self, other):\n        return isinstance(other, P) and self.x == other.x",
    "comparison by key": "class P:\n    def __lt__(self, other):\n        return self.x < other.x\nreturn P()",
    "no comparison": "class P:\n    __hash__ = None\n    def __eq__(self, other):\n        return NotImplemented",
    "own state": "class P:\n    pass\np = P()\np.x = 3\nsetattr(p, 'y', 4)\nreturn p.__dict__",
    "a matrix reversed": "return x[::-1], ''.join(reversed(y)), 'ab' + 'c'",
    "files": "with open(x) as file:\n    return file.read()",
    "a word with test in it": "return 'test' in x or 'latest.py' == x",
    "its own module": "return sys.modules[__name__], 'numpy' in sys.modules",
    "regular expressions": "import re\nreturn re.compile(x).match(y)",
    "stdout": "sys.stdout.write('x')\nsys.stderr.flush()",
    "a temporary descriptor": "import tempfile\nfd, path = tempfile.mkstemp()\nos.write(fd, b'x')\nos.close(fd)",
    "patterns": "match x:\n    case object(name=found):\n        return found",
    "formats": "return '{0.name} {y[key]}'.format(x, y=y)",
    "a count of its own class": "class A:\n    made = 0\n    def __init__(self):\n        type(self).made += 1",
    "frames of a picture": "return [frame for frame in x if frame.back is not None]",
    "a container that looks things up": "class A:\n    def __contains__(self, key):\n"
    "        return self.find(key) is not None\nreturn A()",
    "a container that walks": "class A:\n    def __contains__(self, key):\n        node = self.walk(key)\n"
    "        return node is not None\nreturn A()",
    "folders left out": "import pathlib\nreturn [p for p in x.parts if p == '.git' or '__pycache__' in p]",
    "folders left out by a set": "skip = {'.git', 'node_modules'}\nreturn [p for p in x if p not in skip]",
    "folders left out one by one": "return not any(d in x.parts for d in ('.git', '__pycache__'))",
    "a column of a table": "return [row['proc'] for row in x if row.get('proc')], {'proc': y}",
    "codes and sources of its own": "return x.get_code(), [lead.get_source() for lead in y], x.scene.get_objects()",
    "literal_eval": "import ast\nreturn ast.literal_eval(x)",
}  # fmt: skip

FLAGGED = {
    "import subprocess\nsubprocess.run([sys.executable])": "starts processes",
    "import threading\nthreading.Thread(target=x).start()": "works in threads",
    "open(x, 'w').write('a')": "writes files",
    "import urllib.request\nurllib.request.urlopen(x)": "uses the network",
    "import random\nreturn random.random()": "depends on chance",
    "import time\nreturn time.time()": "depends on the time",
    "return os.environ['HOME']": "uses the environment",
    "return getattr(x, y)": "computed names",
    "rows = sorted(x, key=lambda row: getattr(row, y))\nreturn rows[::-1]": "computed names",
    "return ''.join(chr(c) for c in getattr(x, y)).translate({})": "computed names",
    "def g():\n    g.call_count += 1\ng.call_count = 0\nreturn g": "keeps state",
    "return [getattr(x, name) for name in dir(x) if name.startswith('get_')]": "computed names",
    "return globals()[x]": "names as data",
    "return eval(x)": "runs a text",
    "global state\nstate = 1": "keeps state",
    "f.known = 1": "keeps state",
    "import importlib\nreturn importlib.import_module(x)": "computed name",
    "import inspect\nreturn inspect.getsource(x)": "reads source",
    "return x.__code__.co_argcount": "inside objects",
    "class A:\n    def __bool__(self):\n        return True": "constant",
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_what_no_honest_function_needs_is_refused(body):
    assert told(body).refused.startswith("line ")


@pytest.mark.parametrize("body", HONEST.values(), ids=HONEST)
def test_what_honest_functions_do_is_neither_refused_nor_flagged(body):
    assert told(body).refused == ""
    assert told(body).flags == ()


@pytest.mark.parametrize(("body", "flag"), FLAGGED.items(), ids=range(len(FLAGGED)))
def test_what_is_unusual_is_flagged(body, flag):
    found = told(body)
    assert found.refused == ""
    assert any(flag in each for each in found.flags)


def test_the_line_is_named():
    assert told("y = 1\nos._exit(0)").refused == "line 7 ends or steers the test process (os._exit)"


def test_what_the_module_did_before_is_not_the_candidates_doing():
    before = "import sys\n\ndef caller():\n    return sys._getframe(2)\n\ndef f(x):\n    raise NotImplementedError\n"
    assert told("return caller()", before).refused == ""
    assert told("return sys._getframe(1)", before).refused
    assert told("class A:\n    def __eq__(self, other):\n        return True", before).refused


def test_a_lying_comparison_is_not_excused_by_the_stub_it_replaces():
    before = "class A:\n    def __eq__(self, other):\n        raise NotImplementedError\n"
    assert conduct(before.replace("raise NotImplementedError", "return True"), before).refused
    assert not conduct(before.replace("raise NotImplementedError", "return self.x == other.x"), before).refused


def test_a_program_may_end_itself():
    before = "import sys\n\ndef main(argv):\n    '''Exit with status 1 if it fails.'''\n    raise NotImplementedError\n"
    assert told("sys.exit(1)", before).refused == ""
    tests = ("with pytest.raises(SystemExit):\n    f(0)\n",)
    assert told("raise SystemExit", tests=tests).refused == ""
    assert told("os._exit(0)", tests=tests).refused


def test_a_count_of_calls_may_be_kept_by_the_object_of_a_method():
    before = "class C:\n    def __call__(self, x):\n        raise NotImplementedError\n"
    assert conduct(before.replace("raise NotImplementedError", "self.call_count += 1"), before) == Conduct()
    assert conduct(before.replace("raise NotImplementedError", "x.call_count = 1"), before).refused
    assert conduct(before.replace("raise NotImplementedError", "self = x; self.call_count = 1"), before).refused
    assert told("send.call_count = 2", f"def send():\n    pass\n\n{BEFORE}").refused, "a mock may be in its place"


@pytest.mark.parametrize("body", ["return (x / '.git').is_dir()", "return open('/proc/self/status').read()"])
def test_a_place_that_the_tests_speak_of_is_only_flagged(body):
    tests = ("(tmp_path / '.git/refs').mkdir()\nassert f('/proc/self/status')\n",)
    assert told(body).refused
    assert told(body, tests=tests).refused == "" and len(told(body, tests=tests).flags) == 1
    assert told("return open('/proc/self/mem').read()", tests=tests).refused


def test_what_the_module_calls_get_code_is_its_own_affair_beside_a_computed_name():
    before = "def code(x):\n    return x.get_code()\n\ndef f(x, y):\n    raise NotImplementedError\n"
    assert not told("return getattr(x, y)", before).refused
    assert told("return getattr(x, y).get_code()", before).refused


def test_a_function_about_tests_may_name_them():
    before = "def find_tests(folder):\n    '''All test files.'''\n    raise NotImplementedError\n"
    assert told("import pathlib\nreturn list(pathlib.Path(folder).rglob('test_*.py'))", before).refused == ""


@pytest.mark.parametrize("text", ["def f(:\n", "x = " + "(" * 500, "\0", "x = " + "+".join("1" * 9000)])
def test_what_does_not_parse_is_nothing_to_it(text):
    assert not conduct(text, "").refused


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'a' + 'b' * 2", "abb"),
        ("''.join(map(chr, [103, 99]))", "gc"),
        ("'%s_%s' % ('a', 'b')", "a_b"),
        ("'{}-{}'.format(1, 2)", "1-2"),
        ("f'a{1}b'", "a1b"),
        ("-3.5 + len('ab')", -1.5),
        ("{'a': [1, (2, 3)]}['a'][1]", (2, 3)),
        ("[c.upper() for c in 'ab']", ["A", "B"]),
    ],
)
def test_constants_are_folded(text, value):
    assert fold(ast.parse(text, mode="eval").body) == value


@pytest.mark.parametrize(
    "text",
    ["x", "f()", "1 / 0", "'a' * 10**9", "'{:>99999999}'.format(1)", "('a' * 60000).replace('a', 'b' * 60000)",
     "''.join(['a' * 60000] * 60000)", "'%99999999d' % 1", "2 ** 99999", "bytes(10**9)", "'a' - 1", "[][3]"],
)  # fmt: skip
def test_what_is_no_constant_or_too_large_is_not_folded(text):
    with pytest.raises(NotConstant):
        fold(ast.parse(text, mode="eval").body)


LIMITED = "LIMIT = 3\n\n\ndef f(x):\n    raise NotImplementedError\n"


@pytest.mark.parametrize(
    ("value", "is_refused"),
    [("4 - 1", False), ("int('3')", False), ("Odd(3)", True), ("[Odd(3)][0]", True), ("(lambda: 3)()", True)],
)
def test_a_constant_that_the_tests_use_stays_a_plain_one(value, is_refused):
    text = f"class Odd(int):\n    pass\n\n\nLIMIT = {value}\n\n\ndef f(x):\n    return x\n"
    assert bool(conduct(text, LIMITED, ("from lib import LIMIT, f\nassert f(LIMIT) == 3\n",)).refused) is is_refused
    assert not conduct(text, LIMITED, ("from lib import f\nassert f(2) == 2\n",)).refused
