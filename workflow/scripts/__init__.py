"""Entries of the rules, run as ``python -m scripts.{rule}``."""

from supertickets.orphans import end_with_workflow

end_with_workflow()
