"""The language server imports this room; it must stay light."""

import subprocess
import sys


def test_no_generator_imports_llama_cpp_or_numpy_or_the_host() -> None:
    program = (
        "import pkgutil, sys, importlib, engine.generation as room\n"
        "for module in pkgutil.iter_modules(room.__path__, 'engine.generation.'):\n"
        "    importlib.import_module(module.name)\n"
        "heavy = {'llama_cpp', 'numpy', 'uvicorn', 'starlette'} & set(sys.modules)\n"
        "host = [name for name in sys.modules if name.startswith('engine.host')]\n"
        "print(sorted(heavy), host)\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"
