"""Run a command with a PostgreSQL of its own, the one that the tests bring: GATEWAY_DATABASE_URL names it; gone at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.conftest import Cluster


def main() -> int:
    cluster = Cluster()
    command = subprocess.Popen(sys.argv[1:], env={**os.environ, "GATEWAY_DATABASE_URL": cluster.url})
    signal.signal(signal.SIGTERM, lambda *_: command.terminate())
    try:
        return command.wait()
    except KeyboardInterrupt:
        return command.wait()
    finally:
        cluster.stop()


if __name__ == "__main__":
    sys.exit(main())
