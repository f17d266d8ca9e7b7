"""`python -m wtb`: the `wtb` command where its console script is not on the path."""

import sys

from wtb._command import main

sys.exit(main())
