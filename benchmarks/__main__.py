"""All benchmarks, one after the other: `python -m benchmarks`. Exits with 1 where something grows beyond its bar."""

from __future__ import annotations

import sys

from benchmarks import growth, push, startup

if __name__ == "__main__":
    startup.main()
    push.main()
    sys.exit(growth.main())
