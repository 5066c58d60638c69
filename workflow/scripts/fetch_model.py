"""Bring a pre-trained encoder into the common form."""

from supertickets.entry import run
from supertickets.pretrained import prepare_model

if __name__ == "__main__":
    run(prepare_model)
