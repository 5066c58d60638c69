"""Bring a pre-trained encoder into the common form."""

from supertickets.pretrained import prepare_model

from supertickets.entry import run

if __name__ == "__main__":
    run(prepare_model)
