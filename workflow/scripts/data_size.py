"""Draw the phase transition of several training sizes."""

from supertickets.data_size import draw_data_size
from supertickets.entry import run

if __name__ == "__main__":
    run(draw_data_size)
