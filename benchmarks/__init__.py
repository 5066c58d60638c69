"""Speed measured against peers, and what it costs in scores."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "workflow"))  # where the library is
