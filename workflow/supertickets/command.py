"""The command of an installed library: ``supertickets cut --model DIR --ticket FILE --out DIR``."""

from __future__ import annotations

import sys
from pathlib import Path

from supertickets.call import run
from supertickets.errors import blamed_on


def cut(model: Path, ticket: Path, out: Path) -> None:
    """Cut a model for classification to a ticket, and write it with full sizes (dense/) and with its own (cut/).

    Args:
        model: folder of a model of transformers for classification, with its tokenizer.
        ticket: the ticket's file, such as one of results/runs/.../tickets/.
        out: folder to write.
    """
    from transformers import AutoTokenizer

    from supertickets.api import cut as cut_to
    from supertickets.api import export, load

    full = load(model)
    with blamed_on(f"{model}: no tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(model)
    export(cut_to(full, ticket), out, tokenizer)


#: What can be asked for, by name.
COMMANDS = {"cut": cut}


def main() -> None:
    """Run what the first argument names with the options after it."""
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(f"usage: supertickets {{{','.join(COMMANDS)}}} --option value ... (--help tells the options)")
    run(COMMANDS[sys.argv[1]], sys.argv[2:])
