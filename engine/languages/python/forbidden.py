"""What no honest function needs: the names that lead out of a function and into what judges it.

Tables only; `conduct` says how they are applied.  A name stands here if plain programs do without it: each was tried on
the standard library and on common packages, and what these use often is only flagged.
"""

from __future__ import annotations

import re

_words = str.split
FRAMES = _FRAMES = "looks into the frames of its callers"
_HARNESS = "reaches into the test framework"
_ENDS = "ends or steers the test process"
_INSIDES = "takes functions apart"
_SOURCE = "reads source code"
_PROCESSES = "looks at processes"
_IMPORTS = "changes how modules are imported"

# Attributes that mean one thing, whatever they are taken from.
ATTRIBUTES: dict[str, str] = {
    **dict.fromkeys(
        _words("_getframe _getframemodulename _current_frames _current_exceptions currentframe getouterframes "
        "getinnerframes f_back f_globals f_locals f_builtins f_code f_trace f_lineno f_lasti tb_frame gi_frame "
        "cr_frame ag_frame walk_stack walk_tb extract_stack format_stack print_stack findCaller settrace setprofile "
        "settrace_all_threads setprofile_all_threads"), _FRAMES),
    **dict.fromkeys(_words("get_objects get_referrers get_referents __subclasses__"), "searches for other objects"),
    **dict.fromkeys(_words("__globals__ __builtins__ __closure__ cell_contents co_consts co_code gi_code"), _INSIDES),
    **dict.fromkeys(_words("_exit _Exit killpg pidfd_send_signal excepthook unraisablehook"), _ENDS),
    **dict.fromkeys(_words("meta_path path_hooks path_importer_cache"), _IMPORTS),
    **dict.fromkeys(_words("get_source get_code getsource getsourcelines findsource"), _SOURCE),
}  # fmt: skip

# Of these, what others' objects have as well: refused only in a text that has a way to the modules and loaders meant.
SHARED = frozenset(_words("get_objects get_source get_code"))
WAYS = re.compile(
    r"\b(?:gc|inspect|\w+import\w*|import\w+|imp|pkgutil|runpy|modules|\w*[Ll]oaders?_*|__spec__|find_spec|find_module|"
    r"__dict__|\w*getattr\w*|attrgetter|methodcaller|globals|locals|vars|exec|eval)\b"
)

# Full names, aliases resolved.  A name covers what lies below it.
NAMES: dict[str, str] = {
    **dict.fromkeys(
        _words("inspect.stack inspect.trace inspect.getframeinfo inspect.getsourcefile sys.monitoring "
        "sys._debugmallocstats sys.last_traceback sys.addaudithook"), _FRAMES),
    **dict.fromkeys(_words("gc.callbacks gc.garbage"), "searches for other objects"),
    **dict.fromkeys(
        _words("os.abort os.kill os.fork os.forkpty os.dup os.dup2 os.closerange os.execv os.execve os.execl os.execle "
        "os.execlp os.execvp os.execvpe os.sendfile os.writev os.pwrite sys.__stdout__ sys.__stderr__ "
        "os.posix_spawn"), _ENDS),
    **dict.fromkeys(_words("builtins.__dict__ importlib.reload test.support"), _HARNESS),
    **dict.fromkeys(
        _words("inspect.getmodule pkgutil.resolve_name pydoc.locate importlib.util.module_from_spec "
        "importlib.machinery.SourceFileLoader importlib.machinery.SourcelessFileLoader"), "makes a detour to modules"),
    **dict.fromkeys(
        _words("code.InteractiveInterpreter code.InteractiveConsole code.interact codeop.compile_command "
        "codeop.Compile codeop.CommandCompiler trace.Trace typing.ForwardRef"), "runs code in a roundabout way"),
}  # fmt: skip

IMPORTS: dict[str, str] = {
    **dict.fromkeys(
        _words("pytest _pytest pluggy unittest doctest hypothesis nose nose2 mock conftest __main__ py numpy.testing "
        "pandas.testing xdist coverage testtools twisted.trial"), _HARNESS),
    **dict.fromkeys(_words("ctypes _ctypes cffi marshal _posixsubprocess _testcapi _imp imp"),
                    "goes below the language"),
    **dict.fromkeys(_words("bdb pdb sys.monitoring"), _FRAMES),
    **dict.fromkeys(_words("atexit signal faulthandler"), _ENDS),
    **dict.fromkeys(_words("linecache"), _SOURCE),
    **dict.fromkeys(_words("runpy zipimport"), _IMPORTS),
}  # fmt: skip
TEST_MODULE = re.compile(r"(?:^|\.)(?:tests?|conftest|test_\w+|\w+_tests?)(?:$|\.)")

# Ways to end the run that only a command line needs: allowed where the text or the tests speak of them.
EXITS = frozenset({"SystemExit", "KeyboardInterrupt", "GeneratorExit", "BaseException"})
# What runs a text besides `exec`.
RUNNERS = frozenset(_words("timeit.timeit timeit.repeat timeit.Timer cProfile.run cProfile.runctx profile.run "
                           "profile.runctx"))  # fmt: skip
EXIT_CALLS = frozenset({"sys.exit", "exit", "quit"})

# Texts that only point at what judges.
PLACES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"PYTEST_|PYTEST$"), _HARNESS),
    (re.compile(r"^_?pytest\.\w|^_pytest\b|^unittest\.\w|^pluggy\."), _HARNESS),
    (re.compile(r"^/?proc/?$|/proc/(?:self|thread-self|\d|%|\{|\*)"), _PROCESSES),
    (re.compile(r"^/dev/(?:fd|std|pts|tty)"), _ENDS),
    (re.compile(r"__pycache__|\.pyc$|(?:^|/)\.git(?:/|$)"), _SOURCE),
    (re.compile(r"(?:^|[/\\])(?:conftest|test_?[\w*]*|[\w*]*_test)\.py$|^test_?\*"), "reads the tests"),
)
# Words for these that are ordinary ones, unless they become a part of a path.
FOLDERS = frozenset({"proc", ".git", "__pycache__"})
SPOKEN = frozenset({_SOURCE, _PROCESSES})  # a function may need those that its tests or its module speak of
SPEAKS_OF_TESTS = re.compile(r"\btests?_?\b|pytest|conftest", re.I)

DECODERS = frozenset(
    _words(
        "b64decode b32decode b16decode b85decode a85decode urlsafe_b64decode standard_b64decode unhexlify a2b_hex "
        "a2b_base64 fromhex decompress translate"
    )
)

# Modules that lie in others as attributes, and that nobody looks for there.
DETOURS = frozenset(_words("sys builtins gc inspect ctypes linecache atexit importlib unittest pytest"))
# What mocks note of their calls: nobody else has such attributes.
MOCKED = frozenset(_words("call_count call_args call_args_list mock_calls method_calls side_effect await_count"))
# What names are picked by, out of those that an object has.
PIECES = re.compile(
    r"^_?(?:frame|back|\w?_back|globals?|locals|f_\w*|co_\w*|gi_\w*|cr_\w*|tb_\w*|\w_frame|"
    r"\w*(?:subclasses|getframe|builtins|closure))_*$"
)

# Not refused: told to people beside the verdict.
FLAGGED_IMPORTS = {
    **dict.fromkeys(_words("subprocess pty"), "starts processes"),
    **dict.fromkeys(_words("threading _thread concurrent multiprocessing"), "works in threads or processes"),
    **dict.fromkeys(_words("socket urllib http ssl ftplib smtplib requests httpx aiohttp"), "uses the network"),
    **dict.fromkeys(_words("pickle shelve dill cloudpickle"), "loads pickles"),
    **dict.fromkeys(_words("dis symtable pkgutil"), "reads code"),
}
FLAGGED_NAMES = {
    **dict.fromkeys(_words("os.environ os.environb os.getenv os.putenv"), "uses the environment"),
    **dict.fromkeys(_words("time.time time.time_ns time.monotonic time.perf_counter datetime.datetime.now "
                    "datetime.datetime.today datetime.date.today datetime.datetime.utcnow"),
                    "depends on the time"),
    **dict.fromkeys(_words("random secrets uuid.uuid1 uuid.uuid4 os.urandom numpy.random"), "depends on chance"),
    **dict.fromkeys(_words("os.system os.popen os.spawnv os.spawnl"), "starts processes"),
    **dict.fromkeys(_words("sys.path sys.modules sys.flags"), "looks at the interpreter"),
    **dict.fromkeys(_words("os.walk os.listdir os.scandir glob"), "looks through folders"),
    **dict.fromkeys(_words("logging.config.dictConfig"), "makes objects by their names"),
    **dict.fromkeys(_words("builtins gc sys.exc_info"), "looks at the interpreter"),
}  # fmt: skip
FLAGGED_ATTRIBUTES = {
    **dict.fromkeys(_words("__traceback__ tb_next __code__ __self__ __mro__ __bases__"), "looks inside objects"),
    **dict.fromkeys(_words("write_text write_bytes unlink rmdir"), "writes files"),
    **dict.fromkeys(_words("rglob iterdir"), "looks through folders"),
}

# What takes a descriptor, what gives one, and names that nobody has reason to spell in pieces.
DESCRIPTORS = frozenset(_words("os.write os.read os.close os.fdopen os.lseek os.ftruncate os.set_inheritable"))
OPENERS = frozenset(_words("open pipe mkstemp openpty fileno"))
SPELLED = frozenset(_words("os sys gc exec eval compile inspect builtins ctypes atexit pytest unittest __import__"))
LONG_NAMES = tuple(
    name for name in (*ATTRIBUTES, "__import__", "PYTEST_", "sys.modules", "SystemExit") if len(name) > 5
)
PLAIN_CODE = frozenset(
    _words("co_argcount co_varnames co_name co_filename co_firstlineno co_flags co_posonlyargcount "
           "co_kwonlyargcount co_qualname co_freevars")
)  # fmt: skip


def below(name: str, table: dict[str, str]) -> str:
    """What a table says of a full name, or of one that it lies below."""
    while name:
        if name in table:
            return table[name]
        name = name.rpartition(".")[0]
    return ""
