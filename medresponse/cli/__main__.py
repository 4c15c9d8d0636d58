"""`python -m medresponse.cli`."""

import sys

from medresponse.cli import main

if __name__ == "__main__":
    sys.exit(main())
