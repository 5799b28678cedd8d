"""Builds the compiled tree. Everything else about the package stands in pyproject.toml.

The extension is optional: where there is no compiler, or it fails, the package is installed without it, and the pure
tree of the same interface serves (see synap/radix/__init__.py).
"""

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

TREE = Extension(
    "synap.radix._radix_c",
    ["synap/radix/_radix_c.pyx"],
    # The parts that the source includes.
    depends=sorted(map(str, Path("synap/radix").glob("_*.pxi"))),
    extra_compile_args=["-O3", "-fno-strict-aliasing"],
)

extensions = cythonize([TREE], build_dir="build")
for extension in extensions:
    # Cython makes extensions of its own from the ones it is given, and does not pass this on.
    extension.optional = True

setup(ext_modules=extensions)
