"""Builds what is compiled: the tree, and the twins of three small modules. Everything else stands in pyproject.toml.

The extensions are optional: where there is no compiler, or it fails, the package is installed without them, and the
modules in Python of the same interfaces serve (see synap/radix/__init__.py and synap/compiled.py).
"""

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

ARGUMENTS = ["-O3", "-fno-strict-aliasing"]

TREE = Extension(
    "synap.radix._radix_c",
    ["synap/radix/_radix_c.pyx"],
    # The parts that the source includes.
    depends=sorted(map(str, Path("synap/radix").glob("_*.pxi"))),
    extra_compile_args=ARGUMENTS,
)
ROWS = Extension("synap._rows_c", ["synap/_rows_c.pyx"], extra_compile_args=ARGUMENTS)
DIGEST = Extension("synap.keyspace._digest_c", ["synap/keyspace/_digest_c.pyx"], extra_compile_args=ARGUMENTS)
HEADS = Extension("synap.server.lane._heads_c", ["synap/server/lane/_heads_c.pyx"], extra_compile_args=ARGUMENTS)

extensions = cythonize([TREE, ROWS, DIGEST, HEADS], build_dir="build")
for extension in extensions:
    # Cython makes extensions of its own from the ones it is given, and does not pass this on.
    extension.optional = True

setup(ext_modules=extensions)
