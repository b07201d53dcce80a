"""CausalMER."""

import sys

from src.process import watch

if sys.argv[:1] == ["-m"]:  # python -m imports the packages of a command before it, with the libraries they need
    watch()
