"""``python -m tests.zoo.arch [arm64] [armhf]``: make the roots ahead of the tests; prints where."""

import sys

from tests.zoo.arch.recipe import main

sys.exit(main())
